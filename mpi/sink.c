/* sink.c - see sink.h. */
#include "mpi/sink.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define MAX_TABLES 64 /* of one stage; a view over more would be slow to plan */

typedef struct {
    const peri_stage_t *stage;
    peri_rows_t *rows;
    int sources;              /* ranks that send it */
    int open;                 /* of them not done; under the lock */
    duckdb_appender *writing; /* a source's, made at its first row */
    bool output;
} inlet_t;

typedef struct {
    peri_inmsg_t *first, **last;
} msglist_t;

struct peri_sink {
    peri_query_t *q;
    peri_sinkopts_t o;
    size_t nstages;
    inlet_t *inlets;
    /* Appending while a statement runs needs connections of its own: one for this rank's
     * rows, one for those of others. */
    duckdb_connection local, remote;
    peri_writer_t *writer;
    pthread_t thread;
    bool running;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    msglist_t tables;  /* in order of arrival */
    msglist_t *output; /* a source's */
    int turn;          /* the source whose output is being written */
    size_t *consumed;  /* a source's */
    bool stopped;
};

static void list_init(msglist_t *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_push(msglist_t *l, peri_inmsg_t *m)
{
    m->next = NULL;
    *l->last = m;
    l->last = &m->next;
}

static peri_inmsg_t *list_pop(msglist_t *l)
{
    peri_inmsg_t *m = l->first;
    if (!m) return NULL;
    l->first = m->next;
    if (!l->first) l->last = &l->first;
    return m;
}

/* ---- tables ---- */

static int ntables(const inlet_t *in)
{
    return in->sources < MAX_TABLES ? in->sources : MAX_TABLES;
}

static char *table_name(const peri_sink_t *s, size_t stage, int source)
{
    const inlet_t *in = &s->inlets[stage];
    if (in->sources == 1) return peri_xasprintf("peri_s%zu", stage);
    int k = (int)((int64_t)source * ntables(in) / in->sources);
    return peri_xasprintf("peri_s%zu_%d", stage, k);
}

static int make_view(peri_sink_t *s, size_t stage, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, 1u << 16);
    peri_buf_printf(&b, "CREATE VIEW peri_s%zu AS ", stage);
    for (int k = 0; k < ntables(&s->inlets[stage]); k++)
        peri_buf_printf(&b, "%sFROM peri_s%zu_%d", k ? " UNION ALL " : "", stage, k);
    duckdb_result r;
    int rc = 0;
    if (duckdb_query(s->local, b.data, &r) == DuckDBError)
        rc = peri_err_set(err, PERI_EINTERNAL, "DuckDB refused a view over ranks: %s",
                          duckdb_result_error(&r));
    duckdb_destroy_result(&r);
    peri_buf_free(&b);
    return rc;
}

static int make_tables(peri_sink_t *s, size_t stage, const duckdb_logical_type *types,
                       char **names, size_t n, peri_err_t *err)
{
    const inlet_t *in = &s->inlets[stage];
    peri_session_t *session = peri_query_session(s->q);
    if (in->sources == 1) {
        char *name = table_name(s, stage, 0);
        int rc = peri_session_create_table(session, name, types,
                                           (const char *const *)names, n, err);
        free(name);
        return rc;
    }
    for (int k = 0; k < ntables(in); k++) {
        char *name = peri_xasprintf("peri_s%zu_%d", stage, k);
        int rc = peri_session_create_table(session, name, types,
                                           (const char *const *)names, n, err);
        free(name);
        if (rc) return -1;
    }
    return make_view(s, stage, err);
}

/* Later stages are described over the tables of earlier ones, so every rank has all
 * tables, also those that stay empty there. */
static int inlet_open(peri_sink_t *s, size_t stage, peri_err_t *err)
{
    inlet_t *in = &s->inlets[stage];
    in->stage = peri_query_stage(s->q, stage);
    in->output = in->stage->dest == PERI_DEST_OUTPUT;
    in->sources = peri_stage_sources(in->stage, s->o.nranks);
    in->open = peri_stage_arrives(in->stage, s->o.rank) ? in->sources : 0;
    in->writing = peri_xcalloc((size_t)in->sources, sizeof(*in->writing));

    duckdb_logical_type *types;
    char **names;
    size_t n;
    if (peri_session_describe(peri_query_session(s->q), in->stage->sql, &types, &names,
                              &n, err))
        return -1;
    in->rows = peri_rows_new(types, n, err);
    int rc = in->rows ? 0 : -1;
    if (rc == 0 && !in->output) rc = make_tables(s, stage, types, names, n, err);
    for (size_t i = 0; i < n; i++) {
        duckdb_destroy_logical_type(&types[i]);
        free(names[i]);
    }
    free(types);
    free(names);
    return rc;
}

static int append(peri_sink_t *s, size_t stage, int src, duckdb_connection con,
                  duckdb_data_chunk chunk, peri_err_t *err)
{
    duckdb_appender *a = &s->inlets[stage].writing[src];
    if (!*a) {
        char *name = table_name(s, stage, src);
        duckdb_state st = duckdb_appender_create(con, NULL, name, a);
        free(name);
        if (st == DuckDBError)
            return peri_err_set(err, PERI_EINTERNAL,
                                "DuckDB cannot take rows of stage %zu: %s", stage,
                                *a ? duckdb_appender_error(*a) : "no reason given");
    }
    if (duckdb_append_data_chunk(*a, chunk) == DuckDBSuccess) return 0;
    return peri_err_set(err, PERI_ELIMIT,
                        "rows of an earlier stage do not fit into memory and temporary "
                        "space (see --memory, --temp-dir and --temp-size): %s",
                        duckdb_appender_error(*a));
}

static int append_end(peri_sink_t *s, size_t stage, int src, peri_err_t *err)
{
    duckdb_appender *a = &s->inlets[stage].writing[src];
    if (!*a) return 0;
    int rc = 0;
    if (duckdb_appender_close(*a) == DuckDBError)
        rc = peri_err_set(err, PERI_ELIMIT,
                          "rows of an earlier stage do not fit into memory and temporary "
                          "space (see --memory, --temp-dir and --temp-size): %s",
                          duckdb_appender_error(*a));
    duckdb_appender_destroy(a);
    return rc;
}

/* ---- messages ---- */

/* The source has sent all of this stage. */
static void source_done(peri_sink_t *s, size_t stage)
{
    pthread_mutex_lock(&s->lock);
    inlet_t *in = &s->inlets[stage];
    if (in->open > 0) in->open--;
    if (in->output) s->turn++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static int take_data(peri_sink_t *s, const peri_inmsg_t *m, peri_err_t *err)
{
    inlet_t *in = &s->inlets[m->head.stage];
    peri_reader_t r = {m->payload, m->payload + m->len, false};
    while (r.p < r.end) {
        duckdb_data_chunk chunk;
        if (peri_rows_decode(in->rows, &r, &chunk, err)) return -1;
        if (in->output ? peri_writer_chunk(s->writer, chunk, err)
                       : append(s, m->head.stage, m->src, s->remote, chunk, err))
            return -1;
    }
    return 0;
}

static int take(peri_sink_t *s, const peri_inmsg_t *m, peri_err_t *err)
{
    const size_t stage = m->head.stage;
    if (stage >= s->nstages || m->src >= s->inlets[stage].sources ||
        !peri_stage_arrives(s->inlets[stage].stage, s->o.rank))
        return peri_err_set(err, PERI_EINTERNAL,
                            "rank %d sent rows of stage %zu to where they do not belong",
                            m->src, stage);
    if (m->head.kind == PERI_MSG_DATA && s->inlets[stage].output && !s->writer)
        return peri_err_set(err, PERI_EINTERNAL, "rank %d sent rows that are not wanted",
                            m->src);
    if (m->head.kind == PERI_MSG_DATA) return take_data(s, m, err);
    if (append_end(s, stage, m->src, err)) return -1;
    source_done(s, stage);
    return 0;
}

/* The next message that may be dealt with now; under the lock. */
static peri_inmsg_t *next_message(peri_sink_t *s)
{
    peri_inmsg_t *m = list_pop(&s->tables);
    if (!m && s->turn < s->o.nranks) m = list_pop(&s->output[s->turn]);
    return m;
}

static void *run(void *arg)
{
    peri_sink_t *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stopped) {
        peri_inmsg_t *m = next_message(s);
        if (!m) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        peri_err_t err = {0};
        if (take(s, m, &err)) {
            s->o.fail(s->o.arg, &err);
            peri_sink_stop(s);
        }
        pthread_mutex_lock(&s->lock);
        if (m->head.kind == PERI_MSG_DATA)
            s->consumed[m->src] += sizeof(m->head) + m->len;
        free(m);
        peri_bell_ring(s->o.bell);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void peri_sink_put(peri_sink_t *s, peri_inmsg_t *msg)
{
    pthread_mutex_lock(&s->lock);
    const size_t stage = msg->head.stage;
    bool output = stage < s->nstages && s->inlets[stage].output;
    list_push(output ? &s->output[msg->src] : &s->tables, msg);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

size_t peri_sink_consumed(peri_sink_t *s, int src)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->consumed[src];
    s->consumed[src] = 0;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* ---- this rank's own rows, waiting ---- */

const peri_rows_t *peri_sink_rows(const peri_sink_t *s, size_t stage)
{
    return s->inlets[stage].rows;
}

int peri_sink_local_chunk(peri_sink_t *s, size_t stage, duckdb_data_chunk chunk,
                          peri_err_t *err)
{
    /* Only rank 0 writes output itself, and its turn is the first. */
    if (s->inlets[stage].output) return peri_writer_chunk(s->writer, chunk, err);
    return append(s, stage, s->o.rank, s->local, chunk, err);
}

int peri_sink_local_done(peri_sink_t *s, size_t stage, peri_err_t *err)
{
    if (append_end(s, stage, s->o.rank, err)) return -1;
    source_done(s, stage);
    return 0;
}

static bool complete_before(const peri_sink_t *s, size_t stage)
{
    for (size_t i = 0; i < stage; i++)
        if (s->inlets[i].open) return false;
    return true;
}

int peri_sink_wait(peri_sink_t *s, size_t stage)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stopped && !complete_before(s, stage))
        pthread_cond_wait(&s->changed, &s->lock);
    int rc = s->stopped ? -1 : 0;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int peri_sink_finish(peri_sink_t *s, uint64_t *rows, uint64_t *marked, peri_err_t *err)
{
    if (peri_sink_wait(s, s->nstages))
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    *rows = *marked = 0;
    if (!s->writer) return 0;
    if (peri_writer_finish(s->writer, err)) return -1;
    *rows = peri_writer_rows(s->writer);
    *marked = peri_writer_marked(s->writer);
    return 0;
}

void peri_sink_stop(peri_sink_t *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- life ---- */

peri_sink_t *peri_sink_new(peri_query_t *q, const peri_sinkopts_t *o, peri_err_t *err)
{
    peri_sink_t *s = peri_xcalloc(1, sizeof(*s));
    s->q = q;
    s->o = *o;
    s->nstages = peri_query_nstages(q);
    s->inlets = peri_xcalloc(s->nstages, sizeof(*s->inlets));
    s->output = peri_xcalloc((size_t)o->nranks, sizeof(*s->output));
    s->consumed = peri_xcalloc((size_t)o->nranks, sizeof(*s->consumed));
    list_init(&s->tables);
    for (int i = 0; i < o->nranks; i++) list_init(&s->output[i]);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);

    peri_session_t *session = peri_query_session(q);
    if (peri_session_connect(session, &s->local, err) ||
        peri_session_connect(session, &s->remote, err))
        goto fail;
    for (size_t i = 0; i < s->nstages; i++)
        if (inlet_open(s, i, err)) goto fail;
    if (o->rank == 0 && o->writes && !(s->writer = peri_query_open_writer(q, err)))
        goto fail;
    if (pthread_create(&s->thread, NULL, run, s)) {
        peri_err_set(err, PERI_EINTERNAL, "cannot start a thread");
        goto fail;
    }
    s->running = true;
    return s;
fail:
    peri_sink_free(s);
    return NULL;
}

static void list_free(msglist_t *l)
{
    for (peri_inmsg_t *m; (m = list_pop(l));) free(m);
}

void peri_sink_free(peri_sink_t *s)
{
    if (!s) return;
    if (s->running) {
        peri_sink_stop(s);
        pthread_join(s->thread, NULL);
    }
    peri_writer_free(s->writer);
    for (size_t i = 0; i < s->nstages; i++) {
        inlet_t *in = &s->inlets[i];
        for (int k = 0; in->writing && k < in->sources; k++)
            if (in->writing[k]) duckdb_appender_destroy(&in->writing[k]);
        free(in->writing);
        peri_rows_free(in->rows);
    }
    duckdb_disconnect(&s->local);
    duckdb_disconnect(&s->remote);
    list_free(&s->tables);
    for (int i = 0; i < s->o.nranks; i++) list_free(&s->output[i]);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->inlets);
    free(s->output);
    free(s->consumed);
    free(s);
}
