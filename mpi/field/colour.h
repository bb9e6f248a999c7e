/* colour.h - colour maps whose lightness grows evenly. Local. */
#ifndef MPI_FIELD_COLOUR_H
#define MPI_FIELD_COLOUR_H

#include <stdint.h>

#include "perigee/err.h"

#define PERI_COLOUR_MAPS "ember|ice|grey"
#define PERI_COLOURS     1024

/* The map of this name as sRGB, from the least value to the largest. */
int peri_colours_fill(const char *name, uint8_t rgb[PERI_COLOURS][3], peri_err_t *err);

#endif
