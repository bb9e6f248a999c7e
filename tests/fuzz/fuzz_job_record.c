/* fuzz_job_record.c - records, launch.json, claims' text and progress lines from bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "jobs/task/launchjson.h"
#include "jobs/task/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written and read again, and is the same. */
static void again(const peri_record_t *r, peri_arena_t *arena)
{
    peri_record_t back;
    peri_buf_t line;
    peri_buf_init(&line, 2 * PERI_RECORD_LINE);
    if (peri_record_format(r, &line, NULL) || line.len > PERI_RECORD_LINE) abort();
    if (peri_record_parse(line.data, line.len - 1, arena, &back, NULL)) abort();
    if (back.kind != r->kind || back.exit != r->exit) abort();
    peri_buf_free(&line);
}

static void as_launch(const char *text, size_t size, peri_arena_t *arena)
{
    peri_launch_t l, one;
    peri_buf_t json;
    peri_buf_init(&json, 1 << 20);
    if (peri_launch_from_json(text, size, arena, &l, NULL) == 0) {
        if (peri_launch_to_json(&l, &json, NULL)) abort();
        if (peri_launch_from_json(json.data, json.len, arena, &one, NULL)) abort();
        if (one.argc != l.argc || one.nenv != l.nenv || one.ntasks != l.ntasks) abort();
        if (peri_launch_for_task(json.data, json.len, 1, arena, &one, NULL)) abort();
        if (one.ntasks > 1) abort();
    }
    peri_buf_free(&json);
    (void)peri_launch_for_task(text, size, 0, arena, &l, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    peri_record_t r;
    char clean[65];
    peri_arena_t *arena = peri_arena_new();
    if (peri_record_parse(text, size, arena, &r, NULL) == 0) again(&r, arena);
    as_launch(text, size, arena);
    peri_text_clean(text, size, clean, 64);
    if (strlen(clean) > 64) abort();
    peri_arena_free(arena);
    return 0;
}
