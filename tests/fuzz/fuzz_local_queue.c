/* fuzz_local_queue.c - libFuzzer target: any bytes as a queue file of the local
 * scheduler. What is understood is written and read again, and must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "scheduler/local/local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    peri_local_t l = {.boot = "11111111-2222-3333-4444-555555555555"};
    peri_err_t err;
    size_t whole, again;
    peri_sub_t *s = peri_local_format_parse(&l, (const char *)data, size, &whole, &err);
    if (s) {
        peri_buf_t b;
        peri_buf_init(&b, 64u << 20);
        if (whole > size) abort();
        if (peri_local_format_sub(s, &b, &err) == 0) {
            for (size_t i = 0; i < s->ntasks && i < 16; i++)
                if (s->tasks[i].state == PERI_SCHED_ENDED)
                    peri_local_format_note(&l, "end", &s->tasks[i], &b);
            peri_sub_t *t = peri_local_format_parse(&l, b.data, b.len, &again, &err);
            if (!t || again != b.len || t->ntasks != s->ntasks || t->seq != s->seq ||
                strcmp(t->name, s->name) != 0 || t->cores != s->cores)
                abort();
            for (size_t i = 0; i < s->ntasks && i < 16; i++)
                if (t->tasks[i].index != s->tasks[i].index ||
                    t->tasks[i].state != s->tasks[i].state ||
                    t->tasks[i].end != s->tasks[i].end)
                    abort();
            peri_local_sub_free(t);
        }
        peri_buf_free(&b);
    }
    peri_local_sub_free(s);
    peri_local_free_users(&l);
    return 0;
}
