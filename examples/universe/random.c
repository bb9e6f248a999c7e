/* random.c - see random.h. */
#include "examples/universe/random.h"

#include <math.h>

static void philox_round(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    uint64_t first = 0xD2511F53ull * c[0], second = 0xCD9E8D57ull * c[2];
    c[0] = (uint32_t)(second >> 32) ^ c[1] ^ key0;
    c[1] = (uint32_t)second;
    c[2] = (uint32_t)(first >> 32) ^ c[3] ^ key1;
    c[3] = (uint32_t)first;
}

void philox(const uint32_t key[2], uint32_t counter[4])
{
    for (uint32_t i = 0; i < 10; i++)
        philox_round(counter, key[0] + i * 0x9E3779B9u, key[1] + i * 0xBB67AE85u);
}

/* Between 0 and 1, neither of them. */
static double fraction_of(uint32_t high, uint32_t low)
{
    uint64_t bits = ((uint64_t)high << 32 | low) >> 12;
    return ((double)bits + 0.5) * 0x1p-52;
}

pair_t random_wave(uint64_t seed, int x, int y, int z, int fixed)
{
    int mirrored = z < 0 || (z == 0 && (y < 0 || (y == 0 && x < 0)));
    int sign = mirrored ? -1 : 1;
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t bits[4] = {(uint32_t)(sign * x), (uint32_t)(sign * y), (uint32_t)(sign * z),
                        0};
    philox(key, bits);
    double amplitude = fixed ? 1 : sqrt(-log(fraction_of(bits[0], bits[1])));
    double phase = 2 * M_PI * fraction_of(bits[2], bits[3]);
    return (pair_t){amplitude * cos(phase), sign * amplitude * sin(phase)};
}
