/* nullnan.h - the NaN that is NULL where files have no other way to say it: quiet, and
 * with a payload as R has it in its NA, which nobody computes. In the first value of a
 * vector the next higher one says that all values are NULL, but the vector is not.
 */
#ifndef CORE_BASE_NULLNAN_H
#define CORE_BASE_NULLNAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PERI_NULL_F32 UINT32_C(0x7fc007a2)
#define PERI_NULL_F64 UINT64_C(0x7ff80000000007a2)

/* Either of the two. */
static inline bool peri_is_null_f32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v - PERI_NULL_F32 <= 1;
}

static inline bool peri_is_null_f64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v - PERI_NULL_F64 <= 1;
}

#endif
