/* stats.h - what the HTTP servers have done since the daemon started. */
#ifndef PORTAL_WEB_STATS_H
#define PORTAL_WEB_STATS_H

#include <stdint.h>

#define PERI_STATS_BUCKETS 8

typedef struct {
    uint64_t answers[6]; /* by the first digit of their status */
    uint64_t under_way;  /* requests now */
    double seconds;      /* from their first byte to their answer, all together */
    uint64_t within[PERI_STATS_BUCKETS]; /* answered within peri_stats_bounds[i] */
} peri_webstats_t;

extern const double peri_stats_bounds[PERI_STATS_BUCKETS]; /* seconds */

void peri_stats_read(peri_webstats_t *out);
/* Private to portal/web. */
void peri_stats_begin(void);
void peri_stats_answer(int status, double seconds);
void peri_stats_end(void);

#endif
