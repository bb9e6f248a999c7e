/* steps.c - see steps.h.
 *
 * Rank 0 finds the calls and tells all ranks of them. The rows of call i lie in folder/i,
 * one file a rank, on a disk of each node; the statement reads them as a table like any
 * other (core/query).
 */
#include "mpi/kernel/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/engine/session.h"
#include "core/query/tempdir.h"
#include "core/sql/kernelcall.h"
#include "mpi/hosts.h"

#define MAX_STEPS 64
#define MAX_DEPTH 8
#define MAX_CALL  (4u << 20)

typedef struct {
    const peri_kernel_t *kernel;
    json_t *arguments; /* owned */
} step_t;

typedef struct {
    const peri_registry_t *registry;
    peri_arena_t *arena;
    duckdb_connection con;
    step_t steps[MAX_STEPS];
    peri_kernelresult_t results[MAX_STEPS];
    size_t n;
    int depth;
} steps_t;

/* ---- finding the calls (rank 0) ---- */

static bool is_kernel(void *arg, const char *name)
{
    return peri_registry_find(((steps_t *)arg)->registry, name) != NULL;
}

static int add_step(void *arg, const peri_kernelcall_t *call, size_t *number,
                    peri_err_t *err);

static const char *take_calls(steps_t *s, const char *sql, peri_err_t *err)
{
    if (!peri_registry_named_in(s->registry, sql)) return sql;
    if (++s->depth > MAX_DEPTH) {
        peri_err_set(err, PERI_ELIMIT,
                     "kernels are called within kernels more than %d "
                     "deep",
                     MAX_DEPTH);
        return NULL;
    }
    const peri_kernelfinder_t f = {s, is_kernel, add_step};
    sql = peri_kernelcalls_take(s->con, sql, &f, s->arena, err);
    s->depth--;
    return sql;
}

static bool looks_like_sql(const char *text)
{
    return strpbrk(text, " \t\r\n(") != NULL;
}

/* Inputs may call kernels themselves: these come first. */
static int take_inputs(steps_t *s, const peri_kernel_t *k, json_t *arguments,
                       peri_err_t *err)
{
    for (size_t i = 0; i < k->ninputs; i++) {
        const char *text =
            json_string_value(json_object_get(arguments, k->inputs[i].name));
        if (!text || !looks_like_sql(text)) continue;
        const char *sql = take_calls(s, text, err);
        if (!sql) return peri_err_prefix(err, "%s, input %s", k->name, k->inputs[i].name);
        if (sql != text)
            json_object_set_new(arguments, k->inputs[i].name, json_string(sql));
    }
    return 0;
}

static int add_step(void *arg, const peri_kernelcall_t *call, size_t *number,
                    peri_err_t *err)
{
    steps_t *s = arg;
    const peri_kernel_t *k = peri_registry_find(s->registry, call->name);
    if (call->first && json_object_get(call->named, k->inputs[0].name)) {
        json_decref(call->named);
        return peri_err_set(err, PERI_EINVAL, "%s has its input %s twice", k->name,
                            k->inputs[0].name);
    }
    if (call->first)
        json_object_set_new(call->named, k->inputs[0].name, json_string(call->first));
    if (take_inputs(s, k, call->named, err)) {
        json_decref(call->named);
        return -1;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (s->steps[i].kernel != k || !json_equal(s->steps[i].arguments, call->named))
            continue;
        json_decref(call->named);
        *number = i;
        return 0;
    }
    if (s->n == MAX_STEPS) {
        json_decref(call->named);
        return peri_err_set(err, PERI_ELIMIT, "the statement calls more than %d kernels",
                            MAX_STEPS);
    }
    s->steps[s->n] = (step_t){k, call->named};
    *number = s->n++;
    return 0;
}

/* The statement without calls; the steps are noted. */
static const char *find_calls(steps_t *s, const char *sql, peri_err_t *err)
{
    if (!peri_registry_named_in(s->registry, sql)) return sql;
    const peri_limits_t limits = {.threads = 1};
    peri_session_t *session = peri_session_new(&limits, err);
    if (!session) return NULL;
    s->con = peri_session_connection(session);
    sql = take_calls(s, sql, err);
    peri_session_free(session);
    return sql;
}

/* ---- telling all ranks ---- */

static int tell_step(steps_t *s, size_t i, int rank, MPI_Comm comm, peri_err_t *err)
{
    step_t *step = &s->steps[i];
    char name[128] = "";
    char *text = NULL;
    uint64_t len = 0;
    if (rank == 0) {
        snprintf(name, sizeof(name), "%s", step->kernel->name);
        text = json_dumps(step->arguments, JSON_COMPACT);
        len = text ? strlen(text) : 0;
    }
    MPI_Bcast(name, sizeof(name), MPI_CHAR, 0, comm);
    MPI_Bcast(&len, 1, MPI_UINT64_T, 0, comm);
    int rc =
        len && len < MAX_CALL
            ? 0
            : peri_err_set(err, PERI_ELIMIT, "the arguments of %s are too long", name);
    if (rc == 0) {
        if (rank) text = peri_xmalloc(len + 1);
        MPI_Bcast(text, (int)len, MPI_CHAR, 0, comm);
    }
    if (rc == 0 && rank) {
        json_error_t je;
        step->kernel = peri_registry_find(s->registry, name);
        step->arguments = json_loadb(text, len, 0, &je);
        if (!step->kernel || !step->arguments)
            rc = peri_err_set(
                err, PERI_EKERNEL,
                "on %s there is no kernel %s, which rank 0 has: kernels must "
                "be installed on all nodes",
                peri_node_name(), name);
    }
    free(text);
    return peri_ranks_agree(rc, comm, err);
}

static int tell_steps(steps_t *s, int rank, MPI_Comm comm, peri_err_t *err)
{
    uint64_t n = s->n;
    MPI_Bcast(&n, 1, MPI_UINT64_T, 0, comm);
    s->n = n;
    for (size_t i = 0; i < n; i++)
        if (tell_step(s, i, rank, comm, err)) return -1;
    return 0;
}

/* ---- folders for rows ---- */

/* The same name on every node; rank 0 chooses it. All ranks hold it. */
static int make_folder(peri_tempdir_t *t, const peri_queryspec_t *spec, size_t nsteps,
                       int rank, MPI_Comm comm, peri_err_t *err)
{
    char path[4096] = "";
    int rc = 0;
    if (rank == 0) {
        rc = peri_tempdir_make(t, PERI_TEMP_KERNELS, spec->temp_dir, err);
        if (rc == 0 && snprintf(path, sizeof(path), "%s", t->path) >= (int)sizeof(path))
            rc = peri_err_set(err, PERI_EIO,
                              "the name of the temporary folder is too long");
    }
    if (peri_ranks_agree(rc, comm, err)) return -1;
    MPI_Bcast(path, sizeof(path), MPI_CHAR, 0, comm);
    if (rank) rc = peri_tempdir_join(t, path, err);
    for (size_t i = 0; i < nsteps && rc == 0; i++) {
        char *folder = peri_xasprintf("%s/%zu", path, i);
        rc = peri_mkdirs(folder, err);
        free(folder);
    }
    return peri_ranks_agree(rc, comm, err);
}

/* Others may still read theirs: on a node all ranks share it. */
static void remove_folder(peri_tempdir_t *t, MPI_Comm comm)
{
    MPI_Barrier(comm);
    peri_tempdir_remove(t);
}

/* ---- running ---- */

static void note_stats(const peri_runopts_t *o, const peri_kernel_t *k,
                       const peri_runstats_t *stats)
{
    char rows[32], text[256], bytes[16];
    uint64_t read = 0;
    if (!o->note) return;
    for (size_t i = 0; i < stats->reads.nhosts; i++)
        read += stats->reads.hosts[i].read.bytes;
    snprintf(text, sizeof(text),
             "%s: %s row%s; %s read in %.2f s, %.2f s computing, %.2f s writing", k->name,
             peri_human_count(stats->rows, rows), stats->rows == 1 ? "" : "s",
             peri_human_bytes(read, bytes), stats->reading, stats->computing,
             stats->writing);
    o->note(text, o->arg);
}

/* Before the plan of the statement, on stdout like that. */
static void explain_step(const step_t *step, size_t i, const peri_runstats_t *stats)
{
    char rows[32], memory[16];
    printf("%sKernel %zu: %s, over at most %s rows, about %s of memory on each rank\n"
           "    reads: %s\n",
           i ? "" : "Kernels run first; their rows are tables of the plan below.\n", i,
           step->kernel->name, peri_human_count(stats->plan.rows, rows),
           peri_human_bytes(stats->plan.memory, memory), stats->plan.reads);
    fflush(stdout);
}

static int run_steps(steps_t *s, const peri_queryspec_t *spec, const char *folder,
                     int rank, MPI_Comm comm, const peri_runopts_t *o,
                     peri_execresult_t *reads, peri_err_t *err)
{
    int only_plan = rank == 0 && spec->explain;
    MPI_Bcast(&only_plan, 1, MPI_INT, 0, comm);
    for (size_t i = 0; i < s->n; i++) {
        peri_runstats_t stats;
        peri_queryspec_t own;
        if (rank == 0) {
            own = *spec;
            own.result = s->results;
            own.nresults = i;
        }
        char *to = peri_xasprintf("%s/%zu", folder, i);
        int rc = peri_kernel_run(comm, s->steps[i].kernel, s->steps[i].arguments,
                                 rank == 0 ? &own : NULL, to, only_plan, o, s->arena,
                                 &s->results[i], &stats, err);
        free(to);
        peri_execresult_add_reads(reads, &stats.reads);
        if (rank == 0 && rc == 0 && !only_plan) note_stats(o, s->steps[i].kernel, &stats);
        peri_execresult_clear(&stats.reads);
        if (rc) return -1;
        if (rank == 0 && only_plan) explain_step(&s->steps[i], i, &stats);
    }
    return 0;
}

int peri_steps_run(MPI_Comm comm, const peri_registry_t *registry,
                   const peri_queryspec_t *spec, const peri_runopts_t *o,
                   peri_execresult_t *res, peri_err_t *err)
{
    steps_t s = {.registry = registry, .arena = peri_arena_new()};
    peri_queryspec_t own = {0};
    peri_hosts_t hosts = {0};
    peri_execresult_t reads = {0};
    peri_tempdir_t folder = {0};
    int rank, rc = 0;
    memset(res, 0, sizeof(*res));
    MPI_Comm_rank(comm, &rank);
    if (rank == 0 && spec) {
        own = *spec;
        if (!own.shown_sql) own.shown_sql = spec->sql;
        own.sql = find_calls(&s, spec->sql, err);
        spec = &own;
    }
    rc = rank == 0 && (!spec || !spec->sql) ? -1 : 0;
    if (peri_ranks_agree(rc, comm, err) || tell_steps(&s, rank, comm, err)) {
        rc = -1;
        goto out;
    }
    if (s.n) {
        peri_hosts_find(&hosts, comm);
        rc = make_folder(&folder, spec, s.n, rank, comm, err);
        if (rank == 0) {
            own.results = folder.path;
            own.results_on_nodes = hosts.many;
        }
        peri_hosts_free(&hosts);
        if (rc == 0) rc = run_steps(&s, spec, folder.path, rank, comm, o, &reads, err);
        if (rc) goto out;
        own.result = s.results;
        own.nresults = s.n;
    }
    rc = peri_exec_run(comm, rank == 0 ? spec : NULL, o->exec, res, err);
    peri_execresult_add_reads(res, &reads);
out:
    peri_execresult_clear(&reads);
    if (!res->stuck && s.n) remove_folder(&folder, comm);
    for (size_t i = 0; i < s.n; i++) json_decref(s.steps[i].arguments);
    peri_arena_free(s.arena);
    return rc;
}
