/* fixed.h - sums that do not depend on the order of their terms.
 *
 * Terms are taken as multiples of a unit, about 2^-80 of the largest that there can be,
 * and added as integers of 128 bits: exact for up to 2^46 terms.
 */
#ifndef MPI_HALO_FIXED_H
#define MPI_HALO_FIXED_H

#include <math.h>
#include <stdint.h>

/* The power of 2 with |term| * it < 2^80 for |term| <= bound. */
static inline double fixed_scale(double bound)
{
    return bound > 0x1p-900 && isfinite(bound) ? ldexp(1, 79 - ilogb(bound)) : 0x1p900;
}

/* As (__int128)x for |x| < 2^96, quicker. */
static inline __int128 fixed(double x)
{
    int64_t high = (int64_t)(x * 0x1p-40);
    return (__int128)high * ((__int128)1 << 40) + (int64_t)(x - (double)high * 0x1p40);
}

#endif
