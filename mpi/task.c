/* task.c - perigee-task: the MPI program behind `perigee query -n`. One task file in,
 * rows and files out; see control.h for how it talks to who started it.
 *
 * Exit status as of the perigee command, from rank 0; other ranks end with 0 if they
 * could end in order.
 */
#include <malloc.h>
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/h5/h5.h"
#include "mpi/builtin.h"
#include "mpi/control.h"
#include "mpi/kernel/steps.h"

#define MAX_TASK (16u << 20)
/* Seconds until all ranks have talked to each other. Open MPI 4 below Slurm now and then
 * loses a rank while it starts, and leaves the others waiting. */
#define START_LIMIT 60

static volatile sig_atomic_t signalled, time_is_up;

static void on_signal(int sig)
{
    (void)sig;
    signalled = 1;
}

static void on_time(int sig)
{
    (void)sig;
    time_is_up = 1;
}

static void catch_signals(void)
{
    const struct sigaction t = {.sa_handler = on_time, .sa_flags = SA_RESTART};
    sigaction(SIGUSR2, &t, NULL);
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGUSR1, &a, NULL); /* srun hands this one on at once */
    /* A reader that has gone away is an error of write. Rows go to a terminal although
     * mpirun runs in the background of it. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
}

static int on_cancelled(void *arg)
{
    peri_control_t *c = arg;
    return signalled || (c && peri_control_cancelled(c));
}

static void on_progress(const peri_progress_t *sum, void *arg)
{
    peri_control_progress(arg, sum);
}

static void on_doing(const char *kernel, const char *what, double done, double total,
                     void *arg)
{
    peri_control_kernel(arg, kernel, what, done, total);
}

static void on_note(const char *text, void *arg)
{
    peri_control_note(arg, text);
}

static void on_last_words(const peri_err_t *err, void *arg)
{
    (void)arg;
    peri_control_last_words(err);
}

static bool on_time_asked(void *arg)
{
    const peri_control_t *c = arg;
    return time_is_up || (c && c->time_is_up);
}

/* Threads for each rank: the cores that it may use, shared with the ranks of this machine
 * that may use the same. All ranks take the smallest number found. */
static int threads_per_rank(MPI_Comm comm)
{
    MPI_Comm node;
    int n;
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &n);
    cpu_set_t mine, *all = peri_xcalloc((size_t)n, sizeof(*all));
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof(mine), &mine);
    MPI_Allgather(&mine, sizeof(mine), MPI_BYTE, all, sizeof(mine), MPI_BYTE, node);
    int sharing = 0;
    for (int i = 0; i < n; i++) sharing += CPU_EQUAL(&mine, &all[i]) != 0;
    int cores = CPU_COUNT(&mine) / (sharing ? sharing : 1);
    int threads = cores > 0 ? cores : 1;
    MPI_Allreduce(MPI_IN_PLACE, &threads, 1, MPI_INT, MPI_MIN, comm);
    free(all);
    MPI_Comm_free(&node);
    return threads;
}

static int read_task(const char *path, peri_arena_t *arena, peri_queryspec_t *spec,
                     peri_err_t *err)
{
    char *json = NULL;
    size_t len;
    if (strcmp(path, "-") == 0) path = "/dev/stdin";
    if (peri_file_slurp(path, MAX_TASK, &json, &len, err)) return -1;
    int rc = peri_queryspec_from_json(json, len, arena, spec, err);
    free(json);
    return rc ? peri_err_prefix(err, "task file %s", path) : 0;
}

/* The status of this rank's process. */
static int run(const char *path, int rank)
{
    peri_err_t err = {0};
    peri_control_t control = {.socket = -1};
    peri_arena_t *arena = peri_arena_new();
    peri_queryspec_t spec;
    bool have_spec = false;
    int threads = threads_per_rank(MPI_COMM_WORLD);
    alarm(0);
    if (rank == 0) {
        have_spec = peri_control_open(&control, &err) == 0 &&
                    read_task(path, arena, &spec, &err) == 0;
        if (have_spec && spec.threads == 0) spec.threads = threads;
    }
    void *arg = rank == 0 ? &control : NULL;
    const peri_execopts_t exec = {
        .cancelled = on_cancelled, .progress = on_progress, .arg = arg};
    const peri_runopts_t o = {.exec = &exec,
                              .doing = on_doing,
                              .note = on_note,
                              .last_words = on_last_words,
                              .time_is_up = on_time_asked,
                              .arg = arg};
    peri_execresult_t res;
    peri_registry_t *kernels = peri_registry_new(peri_builtin_kernels);
    int rc =
        peri_steps_run(MPI_COMM_WORLD, kernels, have_spec ? &spec : NULL, &o, &res, &err);
    if (rank == 0 && rc == 0 && res.summary[0]) {
        peri_control_report(&control, res.rows, res.marked, res.hosts, res.nhosts);
        peri_control_summary(&control, res.summary);
    }
    if (rank == 0 && rc) peri_control_error(&control, &err);
    int status = rank == 0 && rc ? peri_err_exit_status(&err) : 0;
    if (res.stuck) MPI_Abort(MPI_COMM_WORLD, status ? status : 1);
    peri_control_close(&control);
    peri_execresult_clear(&res);
    peri_registry_free(kernels);
    peri_arena_free(arena);
    return status;
}

/* For commands that show kernels: they are not linked to MPI. */
static int print_kernels(void)
{
    peri_registry_t *r = peri_registry_new(peri_builtin_kernels);
    json_t *o = peri_registry_describe(r);
    int rc = json_dumpf(o, stdout, JSON_INDENT(1)) || fflush(stdout) ? 1 : 0;
    json_decref(o);
    peri_registry_free(r);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--kernels") == 0) return print_kernels();
    if (argc != 2 || (argv[1][0] == '-' && argv[1][1])) {
        fprintf(stderr, "Usage: perigee-task TASKFILE    (- is standard input)\n"
                        "       perigee-task --kernels   (describes them in JSON)\n"
                        "Started by `perigee query` through mpirun or srun.\n");
        return 2;
    }
    catch_signals();
    peri_h5_guard_signals();
    /* Messages of a megabyte come and go all the time: fresh pages from the kernel for
     * each would halve their speed. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    int provided, rank;
    alarm(START_LIMIT);
    if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided)) return 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (provided < MPI_THREAD_FUNNELED) {
        if (rank == 0)
            fprintf(stderr, "perigee-task: this MPI library cannot be used by a program "
                            "with threads; use another one\n");
        MPI_Finalize();
        return 1;
    }
    int status = run(argv[1], rank);
    MPI_Finalize();
    return status;
}
