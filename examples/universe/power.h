/* power.h - the linear power spectrum of matter today. */
#ifndef UNIVERSE_POWER_H
#define UNIVERSE_POWER_H

#include "perigee/err.h"

typedef struct {
    double omega_m, omega_b, h, n_s;
    double sigma8;    /* the spectrum is scaled to it */
    const char *file; /* a table of k and P(k) in place of the formula, or NULL */
} power_params_t;

typedef struct power power_t;

power_t *power_new(const power_params_t *params, peri_err_t *err);
void power_free(power_t *p); /* accepts NULL */
/* P(k) in (Mpc/h)^3, k in h/Mpc. */
double power_at(const power_t *p, double k);
/* Root mean square of the density in spheres of a radius in Mpc/h. */
double power_sigma(const power_t *p, double radius);

/* The transfer function without acoustic oscillations of Eisenstein & Hu (1998). */
double transfer_function(const power_params_t *params, double k);

#endif
