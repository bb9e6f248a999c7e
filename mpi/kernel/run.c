/* run.c - see run.h. The order of a call: look at the inputs, plan, read, compute, save.
 */
#include "mpi/kernel/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "mpi/kernel/run_private.h"

#define WAIT_FAILED 3.0 /* seconds that a rank that failed waits for the others */
#define MAX_INFO    (1u << 20)

/* ---- looking at the inputs ---- */

typedef struct {
    peri_run_t *run;
    size_t input;
} asked_t;

/* On rank 0, in the worker thread: plan the question and look at it; there is nothing to
 * run. */
static peri_query_t *make_look(const peri_queryspec_t *spec, int nranks,
                               const peri_locator_t *where, void *arg, peri_err_t *err)
{
    const asked_t *a = arg;
    peri_run_t *run = a->run;
    (void)nranks;
    /* Of one rank: the last stage of a distributed plan needs tables of those before. */
    peri_query_t *q = peri_query_new(spec, 1, where, err);
    if (q) peri_query_look(q, run->arena, &run->looks[a->input], err);
    peri_query_free(q);
    return NULL;
}

/* The specification of a query for an input. */
static peri_queryspec_t input_spec(const peri_run_t *run, const char *sql)
{
    peri_queryspec_t s = *run->spec;
    s.sql = sql;
    s.into = s.extends = NULL;
    s.marks = false;
    s.explain = false;
    s.limit = -1;
    s.shown_sql = NULL;
    return s;
}

static int settle(peri_run_t *run, size_t input, peri_err_t *err)
{
    peri_inputinfo_t *info = &run->infos[input];
    if (input == 0 && run->args.narrow && run->looks[0].rows == 0) {
        /* That no row is left is an answer here: what is known of the rest stays. */
        info->rows = 0;
        info->sql = peri_arena_printf(run->arena, "SELECT * FROM (%s) AS i WHERE false",
                                      info->sql);
        return 0;
    }
    return peri_input_settle(&run->args, input, run->need.particles[input],
                             &run->looks[input], run->arena, info, err);
}

/* What rank 0 has found out, to all. */
static int share_info(peri_run_t *run, size_t input, peri_err_t *err)
{
    peri_buf_t b;
    peri_buf_init(&b, MAX_INFO);
    if (run->rank == 0) peri_inputinfo_pack(&run->infos[input], &b);
    uint64_t len = b.len;
    MPI_Bcast(&len, 1, MPI_UINT64_T, 0, run->comm);
    char *data = run->rank ? peri_xmalloc(len + 1) : b.data;
    MPI_Bcast(data, (int)len, MPI_BYTE, 0, run->comm);
    int rc = run->rank
                 ? peri_inputinfo_unpack(data, len, run->arena, &run->infos[input], err)
                 : 0;
    run->rows_read[input] = run->infos[input].rows;
    if (run->rank) free(data);
    peri_buf_free(&b);
    return rc;
}

static int was_cancelled(void *arg)
{
    const peri_run_t *run = arg;
    return atomic_load(&run->cancelled);
}

static int execute(peri_run_t *run, const peri_queryspec_t *spec,
                   const peri_execopts_t *opts, peri_err_t *err)
{
    peri_execresult_t res;
    peri_execopts_t o = *opts;
    if (run->computing) {
        /* The watcher listens to the world, and tells what the kernel does. */
        o.cancelled = was_cancelled;
        o.progress = NULL;
        o.arg = run;
    }
    int rc = peri_exec_run(run->comm, spec, &o, &res, err);
    peri_execresult_add_reads(&run->stats->reads, &res);
    if (res.stuck) {
        if (run->o->last_words) run->o->last_words(err, run->o->arg);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    peri_execresult_clear(&res);
    return rc;
}

int peri_run_look_at(peri_run_t *run, size_t input, peri_err_t *err)
{
    if (run->kernel->inputs[input].path)
        return peri_ranks_agree(
            peri_input_settle_path(&run->args, &run->infos[input], err), run->comm, err);
    asked_t a = {run, input};
    peri_execopts_t o = *run->o->exec;
    o.progress = NULL;
    o.make = make_look;
    o.keep_arg = &a;
    peri_queryspec_t spec;
    if (run->rank == 0)
        spec = input_spec(run, peri_input_question(&run->args, input, run->arena));
    int rc = execute(run, run->rank == 0 ? &spec : NULL, &o, err);
    if (rc == 0 && run->rank == 0) rc = settle(run, input, err);
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    return share_info(run, input, err);
}

/* ---- planning ---- */

static size_t particle_bytes(unsigned has)
{
    return 8 * (3 + (has & PERI_HAS_VELOCITY ? 3 : 0) + !!(has & PERI_HAS_MASS) +
                !!(has & PERI_HAS_ID) + !!(has & PERI_HAS_WEIGHT));
}

/* Snapshots that come one by one have about as many rows each. */
/* Is it read by peri_run_snapshot? */
static bool is_streamed(const peri_run_t *run, size_t input)
{
    const peri_input_t *in = &run->kernel->inputs[input];
    return in->many_snapshots && !in->columns;
}

static double rows_at_once(const peri_run_t *run, size_t input)
{
    const peri_inputinfo_t *info = &run->infos[input];
    const bool streamed = is_streamed(run, input) && info->snapshots;
    return (double)info->rows / (streamed ? (double)info->snapshots : 1);
}

static int check_memory(peri_run_t *run, peri_err_t *err)
{
    double need = (double)run->need.rank_bytes;
    const double ranks = run->nranks;
    for (size_t i = 0; i < run->kernel->ninputs; i++) {
        if (!run->infos[i].given || run->kernel->inputs[i].columns ||
            run->kernel->inputs[i].path)
            continue;
        const unsigned has = run->kernel->inputs[i].particles | run->need.particles[i];
        /* While they move between ranks, particles are there twice. */
        need += 2.0 * (double)particle_bytes(has) * rows_at_once(run, i) / ranks;
    }
    need += (double)run->need.row_bytes * rows_at_once(run, 0) / ranks;
    run->stats->plan.memory = (uint64_t)fmin(need, 1e18);
    if (need <= (double)run->memory) return 0;
    char rows[32], want[16], have[16];
    return peri_err_set(
        err, PERI_ELIMIT,
        "%s over %s rows needs about %s of memory on each of %d rank%s, which may have "
        "%s: "
        "use more ranks on more nodes, give --memory, or take fewer rows with filter",
        run->kernel->name, peri_human_count(run->infos[0].rows, rows),
        peri_human_bytes(run->stats->plan.memory, want), run->nranks,
        run->nranks == 1 ? "" : "s", peri_human_bytes(run->memory, have));
}

static int plan(peri_run_t *run, peri_err_t *err)
{
    run->need.columns = run->kernel->columns;
    run->need.ncolumns = run->kernel->ncolumns;
    int rc = run->kernel->plan ? run->kernel->plan(run, &run->need, err) : 0;
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    for (size_t i = 0; i < run->kernel->ninputs; i++) {
        const unsigned more = run->need.particles[i] & ~run->kernel->inputs[i].particles;
        if (!more || !run->infos[i].given) continue;
        rc = run->rank == 0 ? settle(run, i, err) : 0;
        if (peri_ranks_agree(rc, run->comm, err) || share_info(run, i, err)) return -1;
    }
    return 0;
}

/* A unit with {length} and so on replaced. */
static const char *real_unit(peri_run_t *run, const char *unit)
{
    const peri_simulation_t *s = &run->infos[0].sim;
    const struct {
        const char *word, *unit;
    } words[] = {
        {"{length}", s->length}, {"{mass}", s->mass}, {"{velocity}", s->velocity}};
    for (size_t i = 0; i < 3; i++) {
        const char *at = strstr(unit, words[i].word);
        if (!at) continue;
        /* A unit of which a part is unknown says nothing. */
        if (!*words[i].unit) return "";
        unit = peri_arena_printf(run->arena, "%.*s%s%s", (int)(at - unit), unit,
                                 words[i].unit, at + strlen(words[i].word));
        i = (size_t)-1; /* it may be there again */
    }
    return unit;
}

static void open_rows(peri_run_t *run)
{
    const size_t n = run->need.ncolumns;
    peri_coldef_t *columns = peri_arena_calloc(run->arena, n + 1, sizeof(*columns));
    for (size_t i = 0; i < n; i++) {
        columns[i] = run->need.columns[i];
        columns[i].unit = real_unit(run, columns[i].unit);
    }
    run->rows = peri_rowset_new(columns, n);
}

/* ---- reading ---- */

int peri_run_read(peri_run_t *run, size_t input, peri_err_t *err)
{
    const peri_input_t *in = &run->kernel->inputs[input];
    const peri_inputinfo_t *info = &run->infos[input];
    peri_loader_t *l = &run->loaders[input];
    const unsigned wanted = in->particles | run->need.particles[input];
    int rc =
        peri_loader_open(l, in, info, wanted, info->rows / (uint64_t)run->nranks, err);
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    peri_execopts_t o = *run->o->exec;
    o.keep = peri_loader_chunk;
    o.keep_arg = l;
    peri_queryspec_t spec;
    if (run->rank == 0) spec = input_spec(run, info->sql);
    rc = execute(run, run->rank == 0 ? &spec : NULL, &o, err);
    if (peri_ranks_agree(rc, run->comm, err) || peri_loader_finish(l, run->comm, err))
        return -1;
    uint64_t n = l->table ? peri_rowset_rows(l->table) : l->particles->n;
    MPI_Allreduce(&n, &run->rows_read[input], 1, MPI_UINT64_T, MPI_SUM, run->comm);
    return 0;
}

/* Those from number `first` to before number `end`. */
static int read_inputs(peri_run_t *run, size_t first, size_t end, peri_err_t *err)
{
    const double started = peri_now();
    for (size_t i = first; i < end; i++)
        if (run->infos[i].given && !run->kernel->inputs[i].path && !is_streamed(run, i) &&
            peri_run_read(run, i, err))
            return -1;
    run->stats->reading += peri_now() - started;
    return 0;
}

/* Read all other inputs, then ask the kernel what it wants of the first one. An
 * explanation does not read, so it cannot ask where there are others. */
static int narrow(peri_run_t *run, bool only_plan, peri_err_t *err)
{
    const size_t n = run->kernel->ninputs;
    char sql[4096] = "";
    for (size_t i = 1; i < n && only_plan; i++)
        if (run->infos[i].given) return 0;
    if (read_inputs(run, 1, n, err)) return -1;
    int rc = run->kernel->filter(run, sql, sizeof(sql), err);
    if (rc == 0 && run->rank == 0 && *sql)
        rc = peri_input_narrow(&run->args, &run->looks[0], sql, run->arena,
                               &run->args.narrow, err);
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    int narrower = run->args.narrow != NULL;
    MPI_Bcast(&narrower, 1, MPI_INT, 0, run->comm);
    return narrower ? peri_run_look_at(run, 0, err) : 0;
}

/* ---- computing ---- */

/* All ranks have come back from the kernel, or one of them has failed alone and does not
 * wait for those that still wait for it. */
static int meet(peri_run_t *run, int rc, peri_err_t *err)
{
    MPI_Request barrier;
    const double started = peri_now();
    int all = 0;
    long us = 50;
    MPI_Ibarrier(run->comm, &barrier);
    for (;;) {
        MPI_Test(&barrier, &all, MPI_STATUS_IGNORE);
        if (all) break;
        if (rc && peri_now() - started > WAIT_FAILED) {
            if (run->o->last_words) run->o->last_words(err, run->o->arg);
            MPI_Abort(MPI_COMM_WORLD, peri_err_exit_status(err));
        }
        usleep((useconds_t)us);
        if (us < 2000) us *= 2;
    }
    return peri_ranks_agree(rc, run->comm, err);
}

static int compute(peri_run_t *run, peri_err_t *err)
{
    const double started = peri_now(), read_before = run->stats->reading;
    peri_watcher_t watcher;
    peri_checkpoint_open(run);
    peri_watcher_start(&watcher, run);
    run->computing = true;
    int rc = run->kernel->run(run, err);
    run->computing = false;
    if (rc == 0 && atomic_load(&run->cancelled)) rc = peri_run_cancelled(run, err);
    if (rc && !err->code)
        peri_err_set(err, PERI_EINTERNAL, "kernel %s failed and does not say why",
                     run->kernel->name);
    rc = meet(run, rc, err);
    peri_watcher_stop(&watcher);
    run->stats->computing = peri_now() - started - (run->stats->reading - read_before);
    return rc;
}

static int save_rows(peri_run_t *run, const char *folder, peri_err_t *err)
{
    const double started = peri_now();
    char *path = peri_xasprintf("%s/rows.%d.h5", folder, run->rank);
    int rc = peri_rowset_save(run->rows, path, err);
    free(path);
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    uint64_t n = peri_rowset_rows(run->rows);
    MPI_Allreduce(&n, &run->stats->rows, 1, MPI_UINT64_T, MPI_SUM, run->comm);
    run->stats->writing = peri_now() - started;
    return 0;
}

/* On rank 0, what was looked at is among the sources. */
static void name_result(const peri_run_t *run, peri_arena_t *arena,
                        peri_kernelresult_t *out)
{
    const size_t n = peri_rowset_ncolumns(run->rows);
    size_t nsources = 0;
    const char **names = peri_arena_calloc(arena, n + 1, sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = peri_arena_strdup(arena, peri_rowset_column(run->rows, i)->name);
    for (size_t i = 0; i < PERI_MAX_INPUTS; i++) nsources += run->looks[i].nsources;
    peri_outsource_t *sources = peri_arena_calloc(arena, nsources + 1, sizeof(*sources));
    *out = (peri_kernelresult_t){
        .name = run->kernel->name, .columns = names, .ncolumns = n, .sources = sources};
    for (size_t i = 0; i < PERI_MAX_INPUTS; i++) {
        for (size_t k = 0; k < run->looks[i].nsources; k++) {
            peri_outsource_t *s = &sources[out->nsources++];
            *s = run->looks[i].sources[k];
            s->path = peri_arena_strdup(arena, s->path);
        }
    }
}

/* ---- all of it ---- */

static int go(peri_run_t *run, const json_t *arguments, const char *folder,
              bool only_plan, peri_err_t *err)
{
    int rc = peri_args_read(run->kernel, arguments, run->arena, &run->args, err);
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    for (size_t i = 0; i < run->kernel->ninputs; i++)
        if (run->args.inputs[i] && peri_run_look_at(run, i, err)) return -1;
    if (plan(run, err)) return -1;
    const bool filters = run->kernel->filter != NULL;
    if (filters && narrow(run, only_plan, err)) return -1;
    rc = check_memory(run, err);
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    open_rows(run);
    if (only_plan) return save_rows(run, folder, err);
    if (peri_outputs_open(run, err)) return peri_outputs_close(run, -1, err);
    rc = read_inputs(run, 0, filters ? 1 : run->kernel->ninputs, err);
    if (rc == 0) rc = compute(run, err);
    if (rc == 0) rc = save_rows(run, folder, err);
    rc = peri_outputs_close(run, rc, err);
    if (peri_ranks_agree(rc, run->comm, err)) return -1;
    peri_checkpoint_remove(run);
    return 0;
}

int peri_kernel_run(MPI_Comm comm, const peri_kernel_t *kernel, const json_t *arguments,
                    const peri_queryspec_t *spec, const char *folder, bool only_plan,
                    const peri_runopts_t *o, peri_arena_t *arena,
                    peri_kernelresult_t *result, peri_runstats_t *stats, peri_err_t *err)
{
    peri_run_t *run = peri_xcalloc(1, sizeof(*run));
    peri_err_t own = {0};
    if (!err) err = &own;
    memset(stats, 0, sizeof(*stats));
    run->arena = peri_arena_new();
    run->kernel = kernel;
    run->o = o;
    run->stats = stats;
    pthread_mutex_init(&run->lock, NULL);
    MPI_Comm_dup(comm, &run->comm);
    MPI_Comm_rank(run->comm, &run->rank);
    MPI_Comm_size(run->comm, &run->nranks);
    run->spec = run->rank == 0 ? spec : NULL;
    run->started = peri_now();
    run->time_limit = run->rank == 0 ? spec->time_limit : 0;
    run->time_said = run->rank == 0 ? peri_queryspec_time(spec) : 0;
    if (run->rank == 0) run->memory = peri_queryspec_memory(spec, run->nranks);
    MPI_Bcast(&run->memory, 1, MPI_UINT64_T, 0, run->comm);

    int rc = go(run, arguments, folder, only_plan, err);
    if (rc && kernel && err->code != PERI_ECANCEL && !strstr(err->text, kernel->name))
        peri_err_prefix(err, "%s", kernel->name);

    if (rc == 0) name_result(run, arena, result);
    stats->plan.rows = run->infos[0].rows;
    stats->plan.reads = peri_arena_strdup(arena, run->infos[0].sql);
    for (size_t i = 0; i < PERI_MAX_INPUTS; i++) peri_loader_close(&run->loaders[i]);
    peri_rowset_free(run->rows);
    free(run->checkpoint);
    MPI_Comm_free(&run->comm);
    pthread_mutex_destroy(&run->lock);
    peri_arena_free(run->arena);
    free(run);
    return rc;
}
