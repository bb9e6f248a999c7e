/* query_run.c - see query_run.h. */
#include "cli/query_run.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/launch.h"
#include "cli/progress.h"
#include "core/base/util.h"

typedef struct {
    const peri_queryrun_t *o;
    peri_bar_t *bar;
    peri_err_t refused; /* why check ended it */
} here_t;

static int on_tick(const peri_progress_t *p, void *arg)
{
    here_t *h = arg;
    if (h->bar) peri_bar_update(h->bar, p->rows, p->rows_all, p->bytes);
    if (h->o->check && !h->refused.code) (void)h->o->check(h->o->arg, &h->refused);
    return peri_cli_interrupted() || h->refused.code;
}

static int run_here(const peri_queryspec_t *spec, const peri_queryrun_t *o,
                    peri_queryran_t *ran, peri_err_t *err)
{
    double started = peri_now();
    peri_query_t *q = peri_query_new(spec, 1, NULL, err);
    if (!q) return -1;
    here_t h = {.o = o};
    if (!spec->explain && peri_bar_wanted(o->quiet))
        h.bar = peri_bar_new(stderr, "query", "rows");
    int rc = peri_query_run_local(q, on_tick, &h, &ran->rows, err);
    if (rc && h.refused.code) *err = h.refused;
    peri_hostread_t here = {.name = peri_node_name()};
    peri_session_progress(peri_query_session(q), &here.read);
    ran->bytes = here.read.bytes;
    ran->cut = peri_query_cut(q);
    ran->marked = peri_query_marked(q);
    if (h.bar && rc == 0)
        peri_bar_update(h.bar, here.read.rows, here.read.rows_all, here.read.bytes);
    peri_bar_finish(h.bar);
    if (rc == 0 && !o->quiet && !o->silent && !spec->explain) {
        char line[512];
        peri_query_summary(q, ran->rows, peri_now() - started, &here.read, line,
                           sizeof(line));
        fprintf(stderr, "%s\n", line);
        if (ran->cut)
            fprintf(stderr, "the result was cut: there are more rows (limit of %s)\n",
                    ran->cut);
    }
    /* Who reads the word needs no report, and does not wait for the disk. */
    if (rc == 0 && !spec->explain && !peri_cli_word_is_wanted())
        rc = peri_query_report_write(ran->rows, &here, 1, err);
    peri_query_free(q);
    return rc;
}

static int run_ranks(const peri_queryspec_t *spec, int ranks, const peri_queryrun_t *o,
                     peri_queryran_t *ran, peri_err_t *err)
{
    const peri_launchopts_t launch = {.quiet = o->quiet,
                                      .silent = o->silent,
                                      .check = o->check,
                                      .arg = o->arg,
                                      .rows = &ran->rows,
                                      .marked = &ran->marked,
                                      .bytes = &ran->bytes};
    memset(err, 0, sizeof(*err));
    if (!spec->max_rows || (spec->limit >= 0 && (uint64_t)spec->limit <= spec->max_rows))
        return peri_launch_query(spec, ranks, &launch, err);
    /* They do not look whether there is one more. */
    peri_queryspec_t most = *spec;
    most.limit = (int64_t)spec->max_rows;
    const int rc = peri_launch_query(&most, ranks, &launch, err);
    if (rc == 0 && ran->rows == spec->max_rows) ran->cut = "rows";
    return rc;
}

static int default_ranks(void)
{
    const char *tasks = getenv("SLURM_JOB_ID") ? getenv("SLURM_NTASKS") : NULL;
    int n = tasks ? atoi(tasks) : 1;
    return n >= 1 ? n : 1;
}

static int cores(void)
{
    cpu_set_t mine;
    CPU_ZERO(&mine);
    return sched_getaffinity(0, sizeof(mine), &mine) ? 1 : CPU_COUNT(&mine);
}

int peri_query_run(const peri_queryspec_t *spec, const peri_queryrun_t *o,
                   peri_queryran_t *ran, peri_err_t *err)
{
    const int ranks = o->ranks ? o->ranks : default_ranks();
    *ran = (peri_queryran_t){0};
    if (ranks > 1) return run_ranks(spec, ranks, o, ran, err);
    int rc = run_here(spec, o, ran, err);
    /* Kernels are programs for MPI, and have no other way to use all cores. */
    if (rc && err->code == PERI_EKERNEL)
        rc = run_ranks(spec, o->ranks ? o->ranks : cores(), o, ran, err);
    return rc;
}
