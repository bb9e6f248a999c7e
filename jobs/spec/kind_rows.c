/* kind_rows.c - what kinds share whose steps give rows: `perigee query` and `perigee run`
 * in the allocation.
 *
 * perigee starts its own ranks (srun in a Slurm allocation, mpirun elsewhere). Rows go to
 * a file in the job's folder of results, or where an absolute path says, or into a table
 * of one's own (mydb.halos).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

#define MEMORY_SHARE 70 /* percent of a rank's part that the query may plan with */
#define MOST_WORDS   20 /* before what is the kind's own */

const peri_rowformat_t peri_rowformats[] = {
    {"table", ".txt", " .txt "},
    {"csv", ".csv", " .csv "},
    {"tsv", ".tsv", " .tsv .tab "},
    {"json", ".json", " .json "},
    {"ndjson", ".ndjson", " .ndjson .jsonl "},
    {"parquet", ".parquet", " .parquet .pq "},
    {"hdf5", ".h5", " .hdf5 .h5 .hdf "},
    {"fits", ".fits", " .fits .fit .fts "},
    {"votable", ".vot", " .vot .votable .xml "},
};
const size_t peri_nrowformats = sizeof(peri_rowformats) / sizeof(*peri_rowformats);

static const peri_rowformat_t *find_format(const char *name)
{
    for (size_t i = 0; name && i < peri_nrowformats; i++)
        if (!strcmp(peri_rowformats[i].name, name)) return &peri_rowformats[i];
    return NULL;
}

/* ---- where the rows go ---- */

static bool names_format(const char *into)
{
    const char *slash = strrchr(into, '/');
    const char *dot = strrchr(slash ? slash : into, '.');
    char word[32];
    if (!dot || strlen(dot) > 20) return false;
    snprintf(word, sizeof(word), " %s ", dot);
    for (size_t i = 0; i < peri_nrowformats; i++)
        if (strcasestr(peri_rowformats[i].endings, word)) return true;
    return false;
}

/* schema.name, which says no format. */
static bool names_table(const peri_step_t *step, const char *into)
{
    const char *dot = strchr(into, '.');
    if (!dot || dot == into || !dot[1] || strchr(dot + 1, '.') || strchr(into, '/'))
        return false;
    for (const char *s = into; s < dot; s++)
        if (!isalnum((unsigned char)*s) && *s != '_') return false;
    return !peri_step_text(step, "format") && !names_format(into);
}

/* Before the ending, so that the format can still be told from it. */
static const char *add_index(const char *into, bool table, peri_arena_t *arena)
{
    if (table) return peri_arena_printf(arena, "%s_{index}", into);
    const char *slash = strrchr(into, '/');
    const char *dot = strrchr(slash ? slash : into, '.');
    size_t n =
        dot && dot > (slash ? slash + 1 : into) ? (size_t)(dot - into) : strlen(into);
    return peri_arena_printf(arena, "%.*s-{index}%s", (int)n, into, into + n);
}

const char *peri_rows_result(const peri_step_t *step, peri_arena_t *arena)
{
    const char *into = peri_step_text(step, "into");
    if (!into) {
        const peri_rowformat_t *f = find_format(peri_step_text(step, "format"));
        const char *base = strcmp(step->name, "main") ? step->name : "result";
        into = peri_arena_printf(arena, "%s%s", base, f ? f->ending : ".csv");
    }
    if (!step->tasks || peri_template_uses(into, step, NULL)) return into;
    return add_index(into, names_table(step, into), arena);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two tasks of an array must not write the same file. */
static int check_distinct(const char *into, const peri_step_t *step, const peri_at_t *at,
                          peri_err_t *err)
{
    if (!step->tasks || step->ntasks < 2 || !peri_template_uses(into, step, NULL) ||
        peri_template_uses(into, step, "index"))
        return 0;
    char **names = peri_xcalloc(step->ntasks, sizeof(*names));
    char shown[64];
    int rc = 0;
    for (size_t i = 0; i < step->ntasks; i++) {
        peri_buf_t b;
        peri_buf_init(&b, 2 * PERI_WORD_MAX);
        peri_template_fill(into, step, &step->tasks[i], &b);
        names[i] = peri_xstrdup(b.data ? b.data : "");
        peri_buf_free(&b);
    }
    qsort(names, step->ntasks, sizeof(*names), by_text);
    for (size_t i = 1; i < step->ntasks && rc == 0; i++)
        if (!strcmp(names[i], names[i - 1]))
            rc =
                peri_at_error(at, err,
                              "two tasks would write \"%s\": put all parameters into the "
                              "name, or {index}",
                              peri_shown(names[i], shown));
    for (size_t i = 0; i < step->ntasks; i++) free(names[i]);
    free(names);
    return rc;
}

static int check_into(const peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const char *into = peri_step_text(step, "into");
    const peri_at_t here = {.up = at, .key = "into"};
    if (!into) return 0;
    const size_t max = *into == '/' ? 4000 : 200;
    if (peri_text_check(into, &here, max, err) ||
        peri_template_check(into, step, true, max, &here, err))
        return -1;
    if (*into != '/' && (strchr(into, '/') || !strcmp(into, ".") || !strcmp(into, "..")))
        return peri_at_error(&here, err,
                             "is neither the name of a file (in the job's folder of "
                             "results, without folders) nor an absolute path");
    if (into[strlen(into) - 1] == '/') return peri_at_error(&here, err, "is a folder");
    if (!peri_step_text(step, "format") && !names_format(into) &&
        !names_table(step, into))
        return peri_at_error(
            &here, err,
            "the format cannot be told from this name: say \"format\", "
            "or let the name end in .csv .tsv .json .ndjson .parquet .h5 "
            ".fits .vot; or name a table, as mydb.halos");
    return check_distinct(into, step, &here, err);
}

static int check_format(const peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const char *format = peri_step_text(step, "format");
    const char *names[16];
    char list[128] = "", shown[64];
    if (!format || find_format(format)) return 0;
    for (size_t i = 0; i < peri_nrowformats; i++) {
        size_t n = strlen(list);
        names[i] = peri_rowformats[i].name;
        snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = peri_did_you_mean(format, names, peri_nrowformats);
    return peri_key_error(at, "format", err,
                          "there is no format \"%s\"%s%s%s: choose one of %s",
                          peri_shown(format, shown), near ? "; did you mean \"" : "",
                          near ? near : "", near ? "\"" : "", list);
}

int peri_rows_check(const peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const char *context = peri_step_text(step, "context");
    if (context && !peri_is_ident(context, PERI_NAME_MAX))
        return peri_key_error(at, "context", err,
                              "is not the name of a dataset (letters, digits and _)");
    if (json_object_get(step->json, "overwrite") && !peri_step_text(step, "into"))
        return peri_key_error(at, "overwrite", err,
                              "needs \"into\": a result of the job's own is always new");
    if (check_format(step, at, err)) return -1;
    return check_into(step, at, err);
}

const char *peri_rows_data(const peri_step_t *step)
{
    return peri_step_text(step, "context");
}

/* As many ranks on each node, so that each reads its own files. */
void peri_rows_spread(peri_resources_t *r)
{
    uint32_t each = (r->ranks + r->nodes - 1) / r->nodes;
    r->ranks = each * r->nodes;
}

/* ---- the command ---- */

peri_words_t peri_rows_words(const peri_step_t *step, const peri_kindplan_t *p,
                             const char *command, const char *name, size_t more,
                             peri_arena_t *arena)
{
    const peri_resources_t *r = p->resources;
    const char *context = peri_step_text(step, "context"),
               *format = peri_step_text(step, "format");
    const char *into = peri_rows_result(step, arena);
    const bool own = *into != '/' && !names_table(step, into);
    peri_words_t w = {0};
    w.v = peri_arena_calloc(arena, MOST_WORDS + more, sizeof(*w.v));
    w.v[w.n++] = p->bin ? peri_arena_printf(arena, "%s/perigee", p->bin) : "perigee";
    w.v[w.n++] = command;
    if (name) w.v[w.n++] = name;
    w.v[w.n++] = "-n";
    w.v[w.n++] = peri_arena_printf(arena, "%u", r->ranks);
    w.v[w.n++] = "-t";
    w.v[w.n++] = peri_arena_printf(arena, "%u", r->cpus);
    if (r->memory) {
        uint64_t each = r->memory / ((r->ranks + r->nodes - 1) / r->nodes);
        w.v[w.n++] = "--memory";
        w.v[w.n++] = peri_arena_printf(arena, "%llu",
                                       (unsigned long long)(each / 100 * MEMORY_SHARE));
    }
    if (context) {
        w.v[w.n++] = "--context";
        w.v[w.n++] = context;
    }
    w.v[w.n++] = "--into";
    into = peri_template_for_launch(into, step, arena);
    w.v[w.n++] = own ? peri_arena_printf(arena, "%s/%s", p->results, into) : into;
    if (format) {
        w.v[w.n++] = "--format";
        w.v[w.n++] = format;
    }
    /* What an earlier attempt of this task left there is its own. */
    if (json_is_true(json_object_get(step->json, "overwrite")) || (own && p->attempt > 1))
        w.v[w.n++] = "--overwrite";
    /* Attempts share this folder: what kernels of one have saved the next one finds. */
    if (step->restartable) {
        w.v[w.n++] = "--checkpoint";
        w.v[w.n++] = p->results;
    }
    return w;
}
