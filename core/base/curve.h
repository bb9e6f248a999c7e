/* curve.h - numbers along space-filling curves for the cells of a cube.
 *
 * Cells are counted from 0 to 2^bits - 1 along each axis; bits is 1 to PERI_CURVE_BITS,
 * higher bits of a coordinate are ignored. Pure functions; any thread.
 */
#ifndef CORE_BASE_CURVE_H
#define CORE_BASE_CURVE_H

#include <stdint.h>

#define PERI_CURVE_BITS 21 /* three times that fits an int64_t */

/* The Peano-Hilbert key of GADGET's peano_hilbert_key, Millennium's phKey. */
uint64_t peri_ph_key(uint32_t x, uint32_t y, uint32_t z, int bits);
/* The bits of x, y and z in turn, those of x lowest: Morton's order. */
uint64_t peri_z_index(uint32_t x, uint32_t y, uint32_t z, int bits);

#endif
