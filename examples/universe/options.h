/* options.h - what to simulate, from the command line. */
#ifndef UNIVERSE_OPTIONS_H
#define UNIVERSE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "examples/universe/power.h"
#include "perigee/err.h"

#define MAX_SNAPSHOTS 1000 /* names have three digits */

typedef struct {
    int particles, mesh; /* a side */
    double box;          /* Mpc/h */
    power_params_t cosmology;
    double start_redshift;
    int nredshifts;
    double redshifts[MAX_SNAPSHOTS]; /* falling */
    int steps;
    uint64_t seed;
    bool fixed_amplitude;
    int compress; /* 0 to 9 */
    const char *output, *name;
    bool quiet, help, version;
} options_t;

/* The texts stay argv's. */
int options_parse(int argc, char **argv, options_t *o, peri_err_t *err);
void options_help(void);

#endif
