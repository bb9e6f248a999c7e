/* output.c - the result's writer with names, units and provenance; the closing line. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/query/private.h"

/* Is it of the rows of a kernel, which are gone with the query? */
static bool is_result(const peri_query_t *q, const peri_file_t *f)
{
    const size_t n = q->spec.results ? strlen(q->spec.results) : 0;
    return n && strncmp(f->path, q->spec.results, n) == 0 && f->path[n] == '/';
}

static void put_file(peri_outsource_t *v, size_t *n, const char *path, peri_arena_t *a)
{
    struct stat st;
    if (stat(path, &st) == 0)
        v[(*n)++] = (peri_outsource_t){peri_arena_strdup(a, path), (uint64_t)st.st_size,
                                       (int64_t)st.st_mtim.tv_sec * 1000000000 +
                                           st.st_mtim.tv_nsec};
}

const peri_outsource_t *peri_query_sources(const peri_query_t *q, peri_arena_t *arena,
                                           size_t *n)
{
    const char *extends = q->spec.extends;
    size_t max = 1;
    *n = 0;
    for (size_t i = 0; i < q->nrels; i++) max += q->rels[i].table->nfiles;
    for (size_t i = 0; i < q->spec.nresults; i++) max += q->spec.result[i].nsources;
    peri_outsource_t *v = peri_arena_calloc(arena, max + 1, sizeof(*v));
    if (extends) put_file(v, n, extends, arena);
    for (size_t i = 0; i < q->nrels; i++) {
        const rel_t *r = &q->rels[i];
        bool seen = false;
        for (size_t k = 0; k < i; k++) seen = seen || q->rels[k].table == r->table;
        for (size_t f = 0; f < r->table->nfiles && !seen; f++) {
            const peri_file_t *pf = &r->table->files[f];
            if (!is_result(q, pf) && !(extends && strcmp(pf->path, extends) == 0))
                v[(*n)++] = (peri_outsource_t){peri_arena_strdup(arena, pf->path),
                                               pf->size, pf->mtime_ns};
        }
    }
    for (size_t i = 0; i < q->spec.nresults; i++)
        for (size_t k = 0; k < q->spec.result[i].nsources; k++)
            v[(*n)++] = q->spec.result[i].sources[k];
    return v;
}

static void describe_column(const peri_query_t *q, size_t i, peri_outcol_t *c)
{
    const peri_origin_t *o = &q->plan->origins[i];
    c->unit = c->description = c->ucd = "";
    if (o->relation < 0) return;
    const peri_table_t *t = q->rels[o->relation].table;
    if (o->column < 0 || (size_t)o->column >= t->ncolumns) return;
    const peri_column_t *from = &t->columns[o->column];
    c->unit = from->unit;
    c->description = from->description;
    c->ucd = from->ucd;
}

int peri_query_columns(peri_query_t *q, const peri_outcol_t **out, size_t *count,
                       peri_err_t *err)
{
    duckdb_logical_type *types;
    char **names;
    size_t n;
    const peri_stage_t *last = &q->stages[q->nstages - 1];
    if (peri_session_describe(q->session, last->sql, &types, &names, &n, err)) return -1;

    peri_outcol_t *cols = peri_arena_calloc(q->arena, n, sizeof(*cols));
    /* The writer borrows the types while it lives: they stay until the query ends. */
    for (size_t i = 0; i < n; i++) {
        cols[i].name = peri_arena_strdup(
            q->arena, i < q->plan->ncolumns ? q->plan->names[i] : names[i]);
        cols[i].type = types[i];
        if (i < q->plan->ncolumns)
            describe_column(q, i, &cols[i]);
        else
            cols[i].unit = cols[i].description = cols[i].ucd = "";
        free(names[i]);
    }
    free(names);
    q->out_types = types;
    q->nout_types = n;
    *out = cols;
    *count = n;
    return 0;
}

/* The clock and who may cancel are asked also before there are rows. */
static int copy_tick(uint64_t done, uint64_t all, void *arg)
{
    const peri_query_t *q = arg;
    const peri_progress_t p = {.bytes = done};
    (void)all;
    return peri_query_is_late(q) || (q->tick && q->tick(&p, q->tick_arg));
}

peri_writer_t *peri_query_open_writer(peri_query_t *q, peri_err_t *err)
{
    const peri_outcol_t *cols;
    size_t n;
    if (peri_query_columns(q, &cols, &n, err)) return NULL;
    peri_provenance_t *prov = peri_arena_calloc(q->arena, 1, sizeof(*prov));
    prov->query = q->spec.shown_sql ? q->spec.shown_sql : q->spec.sql;
    prov->description = q->spec.description;
    prov->version = "perigee " PERIGEE_VERSION;
    prov->sources = peri_query_sources(q, q->arena, &prov->nsources);
    peri_writeopts_t opts = {.width = q->spec.width,
                             .max_rows = (size_t)q->spec.table_rows,
                             .utf8 = q->spec.utf8,
                             .overwrite = q->spec.overwrite,
                             /* Whoever reads a pipe may be spared the rows of a query
                              * that fails. */
                             .prompt = q->spec.cut || isatty(STDOUT_FILENO),
                             .draft = q->spec.draft,
                             .extends = q->spec.extends,
                             .marks = q->spec.marks,
                             .tick = copy_tick,
                             .tick_arg = q,
                             .temp_dir = q->temp.path};
    return peri_writer_new(q->spec.format, q->spec.into, stdout, cols, n - opts.marks,
                           prov, &opts, err);
}

/* Which nodes' files the answer is from: the caller cannot see it if one was forgotten.
 */
static void put_nodes(const peri_query_t *q, char *out, size_t cap)
{
    const peri_table_t *t = NULL;
    *out = 0;
    for (size_t i = 0; i < q->nrels; i++) {
        const peri_table_t *r = q->rels[i].table;
        for (size_t k = 0; k < r->nstorages; k++)
            if (r->storages[k].on_nodes) t = r;
    }
    size_t at = 0;
    for (size_t i = 0; t && i < t->nhosts && at + 80 < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%.64s",
                               i ? ", " : "; of the files on ", t->hosts[i]);
    if (t && at + 80 >= cap) snprintf(out + at, cap - at, ", ...");
}

void peri_query_summary(const peri_query_t *q, uint64_t rows_out, double seconds,
                        const peri_progress_t *all_ranks, char *out, size_t cap)
{
    char rows[32], scanned[32], bytes[16], rate[16];
    double s = fmax(seconds, 1e-3);
    char took[32];
    if (seconds < 1)
        snprintf(took, sizeof(took), "%.1f ms", 1e3 * seconds);
    else
        snprintf(took, sizeof(took), "%.2f s", seconds);
    /* Of data in one place there is nothing to say but how much. */
    char local[16], shared[16], remote[40] = "", where[96] = "", nodes[200];
    put_nodes(q, nodes, sizeof(nodes));
    if (all_ranks->remote)
        snprintf(remote, sizeof(remote), ", %s remote",
                 peri_human_bytes(all_ranks->remote, local));
    if (all_ranks->local || all_ranks->remote)
        snprintf(where, sizeof(where), ": %s local, %s shared%s",
                 peri_human_bytes(all_ranks->local, local),
                 peri_human_bytes(all_ranks->shared, shared), remote);
    snprintf(out, cap, "%s row%s%s%s in %s; scanned %s rows, read %s (%s/s)%s%s",
             peri_human_count(rows_out, rows), rows_out == 1 ? "" : "s",
             q->spec.into ? " in " : "", q->spec.into ? q->spec.into : "", took,
             peri_human_count(all_ranks->rows, scanned),
             peri_human_bytes(all_ranks->bytes, bytes),
             peri_human_bytes((uint64_t)((double)all_ranks->bytes / s), rate), where,
             nodes);
}
