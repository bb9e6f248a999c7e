/* moment.h - dates, times and intervals as text.
 *
 * Two styles: SQL is what DuckDB's own cast to VARCHAR gives ("2024-01-02 03:04:05.5",
 * "0044-03-15 (BC)"), ISO is ISO 8601 ("2024-01-02T03:04:05.5", "-0043-03-15"). Every
 * value of the types is covered, also "infinity". Like number.h: written at p without a
 * NUL, the end is returned, PERI_MOMENT_MAX bytes of room are enough. Thread-safe.
 */
#ifndef CORE_OUT_MOMENT_H
#define CORE_OUT_MOMENT_H

#include <duckdb.h>
#include <stdint.h>

#define PERI_MOMENT_MAX 96

typedef enum { PERI_STYLE_SQL, PERI_STYLE_ISO } peri_style_t;

char *peri_moment_date(char *p, int32_t days, peri_style_t style);
/* v counts 1/per_second since 1970; zone: append UTC ("+00", ISO "Z"). */
char *peri_moment_timestamp(char *p, int64_t v, int64_t per_second, int zone,
                            peri_style_t style);
/* v counts 1/per_second since midnight. */
char *peri_moment_time(char *p, int64_t v, int64_t per_second);
/* bits: DuckDB's TIME WITH TIME ZONE. */
char *peri_moment_time_tz(char *p, uint64_t bits);
char *peri_moment_interval(char *p, duckdb_interval v);

#endif
