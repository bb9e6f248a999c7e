/* query_run.h - one SELECT of a specification: in this process, or on many ranks. */
#ifndef CLI_QUERY_RUN_H
#define CLI_QUERY_RUN_H

#include "core/query/query.h"

typedef struct {
    int ranks;   /* 0: not said */
    bool quiet;  /* no progress, no closing line */
    bool silent; /* no closing line */
    /* Asked ten times a second, perhaps from another thread: non-zero, with the reason,
     * ends the query. May be NULL. */
    int (*check)(void *arg, peri_err_t *err);
    void *arg;
} peri_queryrun_t;

typedef struct {
    uint64_t rows;   /* of the result */
    uint64_t marked; /* peri_query_marked */
    uint64_t bytes;  /* read from files */
    const char *cut; /* see peri_query_cut */
} peri_queryran_t;

/* Needs peri_cli_catch_interrupts(). A query that calls kernels goes to ranks, as many as
 * there are cores if none are said. */
int peri_query_run(const peri_queryspec_t *spec, const peri_queryrun_t *o,
                   peri_queryran_t *ran, peri_err_t *err);

#endif
