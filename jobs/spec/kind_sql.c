/* kind_sql.c - steps that run one SQL statement: `perigee query` in the allocation. */
#include <string.h>

#include "jobs/spec/spec_private.h"

static const peri_key_t keys[] = {{"sql", PERI_J_TEXT}, PERI_ROWS_KEYS};

static int check(peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const char *sql = peri_step_text(step, "sql");
    const peri_at_t here = {.up = at, .key = "sql"};
    if (!sql) return peri_at_error(&here, err, "is missing: the SELECT of this step");
    if (sql[strspn(sql, " \t\r\n;")] == '\0')
        return peri_at_error(&here, err, "is empty");
    if (!strcmp(sql, "-")) return peri_at_error(&here, err, "\"-\" is not SQL");
    if (peri_template_check(sql, step, true, PERI_WORD_MAX, &here, err)) return -1;
    return peri_rows_check(step, at, err);
}

static const char *title(const peri_step_t *step, peri_arena_t *arena)
{
    (void)step;
    (void)arena;
    return "query";
}

static peri_words_t texts(const peri_step_t *step, peri_arena_t *arena)
{
    peri_words_t w = {peri_arena_calloc(arena, 1, sizeof(*w.v)), 1};
    w.v[0] = peri_step_text(step, "sql");
    return w;
}

static void words(const peri_step_t *step, const peri_kindplan_t *p, peri_arena_t *arena,
                  peri_launch_t *out)
{
    peri_words_t w = peri_rows_words(step, p, "query", NULL, 2, arena);
    w.v[w.n++] = "--";
    w.v[w.n++] = peri_template_for_launch(peri_step_text(step, "sql"), step, arena);
    out->argv = w.v;
    out->argc = w.n;
}

const peri_kind_t peri_kind_sql = {
    .name = "sql",
    .keys = {"an sql step", keys, sizeof(keys) / sizeof(*keys)},
    .check = check,
    .title = title,
    .result = peri_rows_result,
    .data = peri_rows_data,
    .texts = texts,
    .spread = peri_rows_spread,
    .words = words};
