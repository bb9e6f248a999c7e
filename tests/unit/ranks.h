/* ranks.h - for tests that run on several ranks under mpirun: a check that fails ends all
 * of them, and says where. Every file that includes it says in `what` what it is trying.
 */
#ifndef TESTS_UNIT_RANKS_H
#define TESTS_UNIT_RANKS_H

#include <mpi.h>
#include <stdint.h>
#include <stdio.h>

#include "perigee/err.h"

#define COMM MPI_COMM_WORLD

#define CHECK(cond)                                                                      \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            fprintf(stderr, "rank %d of %d, %s: line %d: %s (%s)\n", rank, nranks, what, \
                    __LINE__, #cond, err.text);                                          \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                \
        }                                                                                \
    } while (0)

static int rank, nranks;
static const char *what = "";
static peri_err_t err;

#endif
