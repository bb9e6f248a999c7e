/* random.h - random numbers that are a function of a place, not of a sequence.
 *
 * Every Fourier mode gets its numbers from the seed and its own wave vector. So a field
 * does not depend on who makes which mode, and a finer grid has the same large waves.
 */
#ifndef UNIVERSE_RANDOM_H
#define UNIVERSE_RANDOM_H

#include <stdint.h>

/* Philox4x32-10 of Salmon et al. (2011, SC'11): the counter is turned into the result. */
void philox(const uint32_t key[2], uint32_t counter[4]);

typedef struct {
    double re, im;
} pair_t;

/* Amplitude and phase of the wave (x, y, z): two Gaussian numbers with <re^2 + im^2> = 1,
 * or, if fixed, with re^2 + im^2 = 1. The wave (-x, -y, -z) has the conjugate. */
pair_t random_wave(uint64_t seed, int x, int y, int z, int fixed);

#endif
