/* count.c - times pair counts of uniform random points in a periodic box.
 *
 *     bench_pairs [-n POINTS] [-k r|smu|rppi] [-w] [-m] [-t TIMES]
 *
 * The points, the box of 420 and the 14 bins from 0.167536 to 23.8755 are those that
 * Corrfunc's own test uses (drand48 with seed 42: x, y, z of point after point).
 * PERIGEE_SIMD chooses the instruction set. Prints the best of TIMES, and a checksum.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "mpi/halo/pairs.h"

static const double edges[15] = {0.167536, 0.238755, 0.340251, 0.484892, 0.691021,
                                 0.984777, 1.40341,  2.0,      2.8502,   4.06184,
                                 5.78853,  8.24925,  11.756,   16.7536,  23.8755};

/* Processor time: other programs on the machine disturb it less than they do the clock.
 */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t n = 1000000, times = 3;
    bool weights = false, mean = false;
    peri_pairs_kind_t kind = PERI_PAIRS_R;
    for (int c; (c = getopt(argc, argv, "n:k:wmt:")) != -1;) {
        if (c == 'n')
            n = strtoul(optarg, NULL, 10);
        else if (c == 't')
            times = strtoul(optarg, NULL, 10);
        else if (c == 'w')
            weights = true;
        else if (c == 'm')
            mean = true;
        else if (c == 'k')
            kind = !strcmp(optarg, "smu")    ? PERI_PAIRS_S_MU
                   : !strcmp(optarg, "rppi") ? PERI_PAIRS_RP_PI
                                             : PERI_PAIRS_R;
        else
            return 2;
    }
    double *p[4], second[41];
    for (int d = 0; d < 4; d++) p[d] = peri_xmalloc(n * sizeof(double));
    srand48(42);
    for (size_t i = 0; i < n; i++)
        for (int d = 0; d < 3; d++) p[d][i] = 420 * drand48();
    for (size_t i = 0; i < n; i++) p[3][i] = drand48();
    const size_t nsecond = kind == PERI_PAIRS_RP_PI ? 40 : 20;
    for (size_t k = 0; k <= nsecond; k++)
        second[k] = kind == PERI_PAIRS_RP_PI ? (double)k : (double)k / 20;
    const peri_pairs_points_t points = {
        .n = n, .x = p[0], .y = p[1], .z = p[2], .weight = weights ? p[3] : NULL};
    const peri_pairs_bins_t bins = {kind, PERI_LOS_Z, 14, edges, nsecond, second};
    const peri_pairs_opts_t opts = {.box = {420, 420, 420}, .mean = mean};
    double best = INFINITY;
    uint64_t pairs = 0, check = 0;
    for (size_t t = 0; t < times; t++) {
        peri_err_t err;
        const double start = seconds();
        peri_pairs_counts_t *c = peri_pairs_count(&points, NULL, &bins, &opts, &err);
        if (!c) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        best = fmin(best, seconds() - start);
        pairs = check = 0;
        for (size_t k = 0; k < c->nbins; k++) {
            pairs += c->count[k];
            check = check * 31 + c->count[k];
        }
        peri_pairs_counts_free(c);
    }
    printf("%" PRIu64 " pairs in %.3f s: %.3g pairs/s (check %016" PRIx64 ")\n", pairs,
           best, (double)pairs / best, check);
    for (int d = 0; d < 4; d++) free(p[d]);
    return 0;
}
