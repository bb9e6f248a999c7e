/* number.h - numbers as text: exact, the shortest that reads back as the same value.
 *
 * Each function writes at p, without a NUL, and returns the end. PERI_NUM_MAX bytes of
 * room are enough for any of them. The C library's printf is not used: it is ten times
 * slower and knows no shortest digits. Thread-safe.
 */
#ifndef CORE_OUT_NUMBER_H
#define CORE_OUT_NUMBER_H

#include <stdint.h>

#define PERI_NUM_MAX 48

char *peri_num_u64(char *p, uint64_t v);
char *peri_num_i64(char *p, int64_t v);
char *peri_num_u128(char *p, unsigned __int128 v);
char *peri_num_i128(char *p, __int128 v);
/* v with leading zeros to at least `width` digits (at most 20). */
char *peri_num_padded(char *p, uint64_t v, int width);
/* v / 10^scale with exactly scale digits after the point; scale 0: no point. */
char *peri_num_decimal(char *p, __int128 v, unsigned scale);
/* "1.5", "100.0", "1e+16", "1e-05": like Python's repr. "nan", "inf", "-inf". */
char *peri_num_double(char *p, double v);
/* The same with the digits that a 32-bit float needs. */
char *peri_num_float(char *p, float v);

#endif
