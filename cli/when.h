/* when.h - times and durations as people read and write them. */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include "perigee/err.h"

#define PERI_WHEN 32 /* bytes of out */

/* Local time of epoch seconds: "14:03:11" today, else "2026-11-22 14:03"; "" for 0. */
const char *peri_when_time(double epoch, char out[PERI_WHEN]);
/* "2026-11-22 14:03:11". */
const char *peri_when_exact(double epoch, char out[PERI_WHEN]);
/* "0.4s", "12s", "3m12s", "5h07m", "2d03h"; "" below 0. */
const char *peri_when_span(double seconds, char out[PERI_WHEN]);

/* A span back from now ("90s", "15m", "2h", "2d", "1w"), or a local date or time
 * ("2026-11-20", "2026-11-20 14:00"): epoch seconds. */
int peri_when_parse(const char *s, double *epoch, peri_err_t *err);
/* A span as above. */
int peri_when_parse_span(const char *s, double *seconds, peri_err_t *err);

#endif
