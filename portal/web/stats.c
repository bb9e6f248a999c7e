/* stats.c - see stats.h. Any thread; each number is right, together they may be of
 * slightly different times.
 */
#include "portal/web/stats.h"

#include <stdatomic.h>

const double peri_stats_bounds[PERI_STATS_BUCKETS] = {0.001, 0.005, 0.02, 0.1,
                                                      0.5,   2,     10,   60};

static atomic_uint_fast64_t answers[6], within[PERI_STATS_BUCKETS], microseconds;
static atomic_int_fast64_t under_way;

void peri_stats_begin(void)
{
    atomic_fetch_add(&under_way, 1);
}

void peri_stats_answer(int status, double seconds)
{
    const int kind = status / 100;
    atomic_fetch_add(&answers[kind > 0 && kind < 6 ? kind : 0], 1);
    atomic_fetch_add(&microseconds, (uint64_t)(seconds * 1e6));
    for (int i = 0; i < PERI_STATS_BUCKETS; i++)
        if (seconds <= peri_stats_bounds[i]) {
            atomic_fetch_add(&within[i], 1);
            break;
        }
}

void peri_stats_end(void)
{
    atomic_fetch_sub(&under_way, 1);
}

void peri_stats_read(peri_webstats_t *out)
{
    uint64_t sum = 0;
    for (int i = 0; i < 6; i++) out->answers[i] = atomic_load(&answers[i]);
    for (int i = 0; i < PERI_STATS_BUCKETS; i++)
        out->within[i] = sum += atomic_load(&within[i]);
    out->seconds = (double)atomic_load(&microseconds) / 1e6;
    out->under_way = (uint64_t)atomic_load(&under_way);
}
