/* curve.c - Peano-Hilbert and Morton keys.
 *
 * GADGET's Hilbert curve goes through the octants of a cube in one order (VISIT), and
 * through each octant in the same way again, but with axes swapped and mirrored (TURN).
 * So instead of a table of 24 orientations, the coordinates that are left are turned into
 * the octant's own system at each level: a swap and two or three XORs.
 */
#include "core/base/curve.h"

/* When the curve visits octant 4x + 2y + z. */
static const uint8_t VISIT[8] = {0, 7, 1, 6, 3, 4, 2, 5};

/* What makes the curve inside the octant that is visited as number i out of the whole
 * curve: first swap two axes, then mirror some. */
static const struct {
    enum { NONE, X_AND_Z, Y_AND_Z } swap;
    uint8_t x, y, z; /* mirrored */
} TURN[8] = {{Y_AND_Z, 0, 0, 0}, {X_AND_Z, 0, 0, 0}, {X_AND_Z, 0, 0, 0},
             {NONE, 1, 1, 0},    {NONE, 1, 1, 0},    {X_AND_Z, 1, 0, 1},
             {X_AND_Z, 1, 0, 1}, {Y_AND_Z, 0, 1, 1}};

uint64_t peri_ph_key(uint32_t x, uint32_t y, uint32_t z, int bits)
{
    uint64_t key = 0;
    for (int level = bits - 1; level >= 0; level--) {
        uint32_t octant =
            (x >> level & 1) << 2 | (y >> level & 1) << 1 | (z >> level & 1);
        uint32_t i = VISIT[octant];
        key = key << 3 | i;
        x ^= 0u - TURN[i].x;
        y ^= 0u - TURN[i].y;
        z ^= 0u - TURN[i].z;
        uint32_t old = z;
        if (TURN[i].swap == X_AND_Z) {
            z = x;
            x = old;
        } else if (TURN[i].swap == Y_AND_Z) {
            z = y;
            y = old;
        }
    }
    return key;
}

/* Two zero bits behind each of the lowest 21. */
static uint64_t spread(uint64_t v)
{
    v &= 0x1fffff;
    v = (v | v << 32) & 0x001f00000000ffff;
    v = (v | v << 16) & 0x001f0000ff0000ff;
    v = (v | v << 8) & 0x100f00f00f00f00f;
    v = (v | v << 4) & 0x10c30c30c30c30c3;
    return (v | v << 2) & 0x1249249249249249;
}

uint64_t peri_z_index(uint32_t x, uint32_t y, uint32_t z, int bits)
{
    uint32_t mask = (1u << bits) - 1;
    return spread(x & mask) | spread(y & mask) << 1 | spread(z & mask) << 2;
}
