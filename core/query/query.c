/* query.c - names to tables, statement to plan, plan to pruned relations. */
#include "core/query/query.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/query/placing.h"
#include "core/query/private.h"
#include "core/sql/kernelcall.h"
#include "core/table/survey.h"

#define MAX_QUESTION (16u << 20)
#define MAX_ANSWER   (1u << 30)

/* ---- names ---- */

static peri_dataset_t *find_dataset(peri_query_t *q, const char *name, peri_err_t *err)
{
    for (opened_dataset_t *d = q->datasets; d; d = d->next)
        if (strcasecmp(d->dataset->name, name) == 0) return d->dataset;
    peri_dataset_t *found = peri_catalog_find(name, err);
    if (!found) return NULL;
    opened_dataset_t *d = peri_arena_alloc(q->arena, sizeof(*d));
    d->dataset = found;
    d->next = q->datasets;
    q->datasets = d;
    return found;
}

/* ---- files on other nodes ---- */

int peri_query_answer(const void *question, size_t len, peri_buf_t *out, peri_err_t *err)
{
    peri_h5_init(NULL);
    return peri_survey_answer(question, len, out, err);
}

/* Every host tells which files of the table it has. */
static peri_table_t *survey(peri_query_t *q, const peri_tablespec_t *spec,
                            peri_err_t *err)
{
    const peri_locator_t *w = q->where;
    const size_t own = (size_t)w->host_of[0];
    peri_table_t *t = NULL;
    peri_buf_t ask, *answers = peri_xcalloc(w->nhosts, sizeof(*answers));
    peri_survey_t *v = peri_xcalloc(w->nhosts, sizeof(*v));
    peri_buf_init(&ask, MAX_QUESTION);
    for (size_t h = 0; h < w->nhosts; h++) peri_buf_init(&answers[h], MAX_ANSWER);
    if (peri_survey_ask(spec, &ask, err) ||
        w->ask(w->arg, ask.data, ask.len, answers, err) ||
        peri_survey_here(spec, &answers[own], err))
        goto out;
    for (size_t h = 0; h < w->nhosts; h++)
        v[h] = (peri_survey_t){w->hosts[h], answers[h].data, answers[h].len};
    peri_table_t *all = peri_survey_merge(spec, v, w->nhosts, err);
    if (all) t = peri_table_for_host(all, (int)own);
    peri_table_unref(all);
out:
    for (size_t h = 0; h < w->nhosts; h++) peri_buf_free(&answers[h]);
    peri_buf_free(&ask);
    free(answers);
    free(v);
    return t;
}

static peri_table_t *dataset_table(peri_query_t *q, const peri_dataset_t *d,
                                   const char *table, peri_err_t *err)
{
    const bool missing = q->spec.allow_missing;
    if (!q->where || q->where->nhosts < 2 || !peri_dataset_on_nodes(d))
        return peri_dataset_table(d, table, missing, err);
    peri_tablespec_t spec;
    char *name;
    if (peri_dataset_spec(d, table, missing, &spec, &name, err)) return NULL;
    peri_table_t *t = survey(q, &spec, err);
    free(name);
    return t;
}

/* The rows of a kernel that has run, one file a rank. */
static peri_table_t *result_table(peri_query_t *q, const char *number, peri_err_t *err)
{
    char *end;
    const size_t i = strtoul(number, &end, 10);
    if (!*number || *end || i >= q->spec.nresults) {
        peri_err_set(err, PERI_ENOTFOUND, "there is no result of a kernel \"%s\"",
                     number);
        return NULL;
    }
    const bool on_nodes = q->spec.results_on_nodes;
    const char *folder = peri_arena_printf(q->arena, "%s/%zu", q->spec.results, i);
    const char *files[] = {"rows.*.h5"};
    const peri_kernelresult_t *result = &q->spec.result[i];
    peri_colspec_t *columns =
        peri_arena_calloc(q->arena, result->ncolumns + 1, sizeof(*columns));
    for (size_t k = 0; k < result->ncolumns; k++) {
        columns[k].source = peri_arena_printf(q->arena, PERI_RESULT_COLUMN, k);
        columns[k].name = result->columns[k];
    }
    const peri_storage_t storage = {.folder = folder, .on_nodes = true};
    const peri_tablespec_t spec = {.name = result->name,
                                   .description = "",
                                   .files = files,
                                   .nfiles = 1,
                                   .base = on_nodes ? NULL : folder,
                                   .path = "/rows",
                                   .columns = columns,
                                   .ncolumns = result->ncolumns,
                                   .storages = on_nodes ? &storage : NULL,
                                   .nstorages = on_nodes};
    return on_nodes ? survey(q, &spec, err) : peri_table_resolve(&spec, err);
}

/* A table of a dataset, or of a schema where no dataset has the name. */
static peri_table_t *named_table(peri_query_t *q, const char *name, const char *table,
                                 peri_err_t *err)
{
    const peri_schema_t *own = NULL;
    const peri_dataset_t *d = NULL;
    peri_err_t why = {0};
    bool mine = strcasecmp(name, PERI_MYDB) == 0;
    if (!mine) d = find_dataset(q, name, &why);
    if (d) return dataset_table(q, d, table, err);
    /* A descriptor with an error in it is still the dataset that is meant. */
    if (!mine && why.code != PERI_ENOTFOUND) {
        if (err) *err = why;
        return NULL;
    }
    if (peri_query_schema(q, name, &own, err)) return NULL;
    if (own) return peri_query_own_table(q, own, table, err);
    (void)peri_query_no_schema(q, name, err);
    return NULL;
}

static peri_table_t *resolve_table(peri_query_t *q, const char *catalog,
                                   const char *schema, const char *table, peri_err_t *err)
{
    const peri_queryspec_t *spec = &q->spec;
    if (strcmp(catalog, PERI_KERNEL_CATALOG) == 0) return result_table(q, table, err);
    if (*catalog) {
        peri_err_set(err, PERI_ENOTFOUND,
                     "\"%s.%s.%s\" has one name too many: write dataset.table", catalog,
                     schema, table);
        return NULL;
    }
    const char *dataset = *schema                    ? schema
                          : peri_names_a_file(table) ? NULL
                                                     : spec->context;
    if (!*schema && peri_names_a_file(table))
        return peri_table_resolve_text(table, spec->base, spec->root, spec->allow_missing,
                                       err);
    if (!dataset) {
        (void)peri_query_no_table(q, table, err);
        return NULL;
    }
    return named_table(q, dataset, table, err);
}

/* Width of a value for estimates of what a broadcast costs. */
static uint32_t value_bytes(const peri_column_t *c)
{
    bool text = c->type == PERI_T_STR || c->type == PERI_T_BLOB;
    return (uint32_t)(text ? 24 : peri_type_size(c->type)) * c->width;
}

static void fill_info(peri_query_t *q, known_t *k)
{
    const peri_table_t *t = k->table;
    const char **columns = peri_arena_calloc(q->arena, t->ncolumns, sizeof(*columns));
    uint32_t *widths = peri_arena_calloc(q->arena, t->ncolumns, sizeof(*widths));
    uint32_t *bytes = peri_arena_calloc(q->arena, t->ncolumns, sizeof(*bytes));
    for (size_t i = 0; i < t->ncolumns; i++) {
        columns[i] = t->columns[i].name;
        widths[i] = t->columns[i].width;
        bytes[i] = value_bytes(&t->columns[i]);
    }
    k->info = (peri_relinfo_t){.handle = k,
                               .display = t->name,
                               .columns = columns,
                               .widths = widths,
                               .value_bytes = bytes,
                               .ncolumns = t->ncolumns,
                               .rows = t->rows,
                               .has_snapnum = t->has_snapnum};
}

bool peri_query_is_late(const peri_query_t *q)
{
    return q->spec.time_limit > 0 && peri_now() > q->started + q->spec.time_limit;
}

/* Planning looks into many files before anything can be interrupted. */
static int check_time(const peri_query_t *q, peri_err_t *err)
{
    return peri_query_is_late(q) ? peri_queryspec_too_long(&q->spec, err) : 0;
}

static int on_resolve(void *arg, const char *catalog, const char *schema,
                      const char *table, peri_relinfo_t *out, peri_err_t *err)
{
    peri_query_t *q = arg;
    char *name = peri_arena_printf(q->arena, "%s.%s.%s", catalog, schema, table);
    for (known_t *k = q->known; k; k = k->next) {
        if (strcmp(k->name, name) == 0) {
            *out = k->info;
            return 0;
        }
    }
    peri_table_t *t =
        check_time(q, err) ? NULL : resolve_table(q, catalog, schema, table, err);
    if (!t) return -1;
    known_t *k = peri_arena_alloc(q->arena, sizeof(*k));
    k->name = name;
    k->table = t;
    k->index = q->spec.use_index ? peri_index_open_table(t) : NULL;
    k->next = q->known;
    q->known = k;
    fill_info(q, k);
    *out = k->info;
    return 0;
}

static int on_bind(void *arg, int id, void *handle, unsigned virtuals, peri_err_t *err)
{
    peri_query_t *q = arg;
    const known_t *k = handle;
    return peri_session_add_relation(q->session, id, k->table, k->index, virtuals, err);
}

/* ---- the process ---- */

/* DuckDB's memory limit does not see everything (one huge string is enough), so the
 * operating system keeps the bound as well, with room for libraries and buffers. */
static void limit_memory(uint64_t memory)
{
    /* AddressSanitizer's shadow memory counts as data too. */
    if (!memory || PERIGEE_SANITIZED) return;
    rlim_t want = memory + memory / 4 + (512u << 20);
    struct rlimit old;
    if (getrlimit(RLIMIT_DATA, &old)) return;
    if (old.rlim_max != RLIM_INFINITY && want > old.rlim_max) want = old.rlim_max;
    setrlimit(RLIMIT_DATA, &(struct rlimit){want, old.rlim_max});
}

static void copy_spec(peri_query_t *q, const peri_queryspec_t *from)
{
    peri_arena_t *a = q->arena;
    q->spec = *from;
    q->spec.sql = peri_arena_strdup(a, from->sql);
    q->spec.context = peri_arena_strdup(a, from->context);
    q->spec.base = peri_arena_strdup(a, from->base);
    q->spec.root = peri_arena_strdup(a, from->root);
    q->spec.into = peri_arena_strdup(a, from->into);
    q->spec.extends = peri_arena_strdup(a, from->extends);
    q->spec.temp_dir = peri_arena_strdup(a, from->temp_dir);
    q->spec.checkpoint = peri_arena_strdup(a, from->checkpoint);
    q->spec.shown_sql = peri_arena_strdup(a, from->shown_sql);
    q->spec.description = peri_arena_strdup(a, from->description);
    q->spec.results = peri_arena_strdup(a, from->results);
}

peri_query_t *peri_query_start(const peri_queryspec_t *spec, int nranks, peri_err_t *err)
{
    peri_query_t *q = peri_xcalloc(1, sizeof(*q));
    q->arena = peri_arena_new();
    q->nranks = nranks;
    q->started = peri_now();
    copy_spec(q, spec);
    if (peri_tempdir_make(&q->temp, PERI_TEMP_SPILL, q->spec.temp_dir, err)) goto fail;
    const uint64_t memory = peri_queryspec_memory(spec, nranks);
    limit_memory(memory);
    peri_limits_t limits = {.threads = spec->threads,
                            .memory = memory,
                            .temp_dir = q->temp.path,
                            .temp_size = spec->temp_size};
    q->session = peri_session_new(&limits, err);
    if (!q->session) goto fail;
    return q;
fail:
    peri_query_free(q);
    return NULL;
}

void peri_query_free(peri_query_t *q)
{
    if (!q) return;
    peri_session_free(q->session);
    peri_plan_free(q->plan);
    for (size_t i = 0; i < q->nrels; i++) {
        peri_ranges_free(&q->rels[i].kept);
        peri_ranges_free(&q->rels[i].whole);
        for (int r = 0; q->rels[i].shares && r < q->nranks; r++)
            peri_ranges_free(&q->rels[i].shares[r]);
        free(q->rels[i].shares);
        peri_table_unref(q->rels[i].table);
        peri_index_unref(q->rels[i].index);
    }
    for (known_t *k = q->known; k; k = k->next) {
        peri_table_unref(k->table);
        peri_index_unref(k->index);
    }
    for (opened_dataset_t *d = q->datasets; d; d = d->next) peri_dataset_free(d->dataset);
    peri_query_release(q);
    for (size_t i = 0; i < q->nout_types; i++)
        duckdb_destroy_logical_type(&q->out_types[i]);
    free(q->out_types);
    peri_tempdir_remove(&q->temp);
    peri_arena_free(q->arena);
    free(q);
}

/* ---- the plan ---- */

/* Rows of the largest chunk among the used columns, in the first file that has them: a
 * share cut there decodes no chunk twice. Only a hint. */
static uint64_t find_align(const rel_t *rel)
{
    uint64_t align = 1;
    for (size_t i = 0; i < rel->nused; i++) {
        uint64_t rows = rel->table->columns[rel->used[i]].chunk_rows;
        if (rows > align) align = rows;
    }
    return align;
}

void peri_relation_prune(rel_t *r, bool use_index)
{
    peri_ranges_t may = {0};
    peri_ranges_free(&r->kept);
    if (use_index)
        peri_index_prune(r->index, r->table, r->preds, r->npreds, &may);
    else
        peri_ranges_all(&may, r->table);
    peri_ranges_intersect(&r->whole, &may, &r->kept);
    peri_ranges_free(&may);
}

/* Rows are placed before an index is looked at: who reads what, and so the order of rows,
 * must not depend on which node has one. */
static void place(peri_query_t *q, rel_t *r)
{
    r->placed = true;
    if (q->spec.use_index)
        peri_index_prune(NULL, r->table, r->preds, r->npreds, &r->kept);
    else
        peri_ranges_all(&r->kept, r->table);
    r->shares = peri_xcalloc((size_t)q->nranks, sizeof(*r->shares));
    peri_placing_share(r->table, &r->kept, r->align, q->where->host_of, q->nranks,
                       r->shares);
}

static void make_relations(peri_query_t *q)
{
    const peri_plan_t *p = q->plan;
    q->nrels = p->nrelations;
    q->rels = peri_arena_calloc(q->arena, q->nrels, sizeof(*q->rels));
    for (size_t i = 0; i < q->nrels; i++) {
        const peri_relation_t *planned = &p->relations[i];
        const known_t *k = planned->handle;
        rel_t *r = &q->rels[i];
        r->table = peri_table_ref(k->table);
        r->index = k->index ? peri_index_ref(k->index) : NULL;
        r->virtuals = planned->virtuals;
        r->preds = planned->preds;
        r->npreds = planned->npreds;
        r->used = planned->used;
        r->nused = planned->nused;
        r->align = q->nranks > 1 ? find_align(r) : 1;
        if (k->table->nhosts > 1)
            place(q, r);
        else if (q->spec.use_index)
            peri_index_prune(k->index, k->table, r->preds, r->npreds, &r->kept);
        else
            peri_ranges_all(&r->kept, k->table);
    }
}

bool peri_query_explains(const peri_query_t *q)
{
    return q->spec.explain;
}

bool peri_query_is_placed(const peri_query_t *q)
{
    for (size_t i = 0; i < q->nrels; i++)
        if (q->rels[i].placed) return true;
    return false;
}

peri_query_t *peri_query_new(const peri_queryspec_t *spec, int nranks,
                             const peri_locator_t *where, peri_err_t *err)
{
    peri_h5_init(NULL);
    peri_query_t *q = peri_query_start(spec, nranks, err);
    if (!q) return NULL;
    q->where = where;
    peri_resolver_t resolver = {.arg = q,
                                .resolve = on_resolve,
                                .bind = on_bind,
                                .ready = peri_query_ready,
                                .range = peri_query_range,
                                .key = peri_query_key};
    peri_planopts_t opts = {
        .nranks = nranks, .broadcast_limit = spec->broadcast_limit, .limit = spec->limit};
    /* One row more than there may be shows that there are more. */
    const uint64_t most = spec->max_rows < INT64_MAX ? spec->max_rows : 0;
    if (nranks == 1 && most && (opts.limit < 0 || (uint64_t)opts.limit > most))
        opts.limit = (int64_t)most + 1;
    q->plan = peri_plan_new(peri_session_connection(q->session), q->spec.sql, &resolver,
                            &opts, err);
    if (!q->plan) {
        peri_query_free(q);
        return NULL;
    }
    q->stages = q->plan->stages;
    q->nstages = q->plan->nstages;
    make_relations(q);
    return q;
}

const peri_plan_t *peri_query_plan(const peri_query_t *q)
{
    return q->plan;
}

peri_session_t *peri_query_session(const peri_query_t *q)
{
    return q->session;
}

size_t peri_query_nstages(const peri_query_t *q)
{
    return q->nstages;
}

const peri_stage_t *peri_query_stage(const peri_query_t *q, size_t i)
{
    return &q->stages[i];
}

uint64_t peri_query_rows_all(const peri_query_t *q)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < q->nrels; i++) rows += peri_ranges_rows(&q->rels[i].kept);
    return rows;
}

/* A placed share stays here as well: EXPLAIN and pruning ask for it. */
static void take_placed(peri_query_t *q, rel_t *r, int rank)
{
    peri_ranges_free(&r->whole);
    for (size_t k = 0; k < r->shares[rank].n; k++) {
        const peri_range_t *x = &r->shares[rank].v[k];
        peri_ranges_push(&r->whole, x->file, x->row0, x->row1);
    }
    peri_relation_prune(r, q->spec.use_index);
}

int peri_query_take_share(peri_query_t *q, int rank, int nranks, peri_err_t *err)
{
    int rc = 0;
    for (size_t i = 0; i < q->nrels && rc == 0; i++) {
        rel_t *r = &q->rels[i];
        peri_ranges_t share = {0};
        if (r->placed)
            take_placed(q, r, rank);
        else
            peri_ranges_share(&r->kept, r->align, rank, nranks, &share);
        rc = peri_session_set_share(q->session, (int)i, r->placed ? &r->kept : &share,
                                    err);
        peri_ranges_free(&share);
        /* Without the index nothing is left out, so that what it leaves out can be seen.
         */
        if (rc == 0 && q->spec.use_index)
            rc = peri_session_set_filter(q->session, (int)i, r->preds, r->npreds, err);
    }
    return rc;
}
