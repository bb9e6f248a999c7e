/* units.h - GADGET's units and the constants in them.
 *
 * Lengths are comoving Mpc/h, masses 1e10 Msun/h, velocities km/s, so that the Hubble
 * constant is 100 whatever h is.
 */
#ifndef UNIVERSE_UNITS_H
#define UNIVERSE_UNITS_H

#define UNIT_LENGTH_CM     3.085678e24
#define UNIT_MASS_G        1.989e43
#define UNIT_VELOCITY_CM_S 1e5
#define GRAVITY_CGS        6.6738e-8
#define HUBBLE             100.0

/* (Mpc/h) / (km/s) in 1e9 years / h, with a Julian year. */
#define TIME_GYR (UNIT_LENGTH_CM / UNIT_VELOCITY_CM_S / 3.15576e16)

/* Of a flat universe of matter and a cosmological constant, today. */
static inline double critical_density(void)
{
    const double pi = 3.14159265358979323846;
    double gravity = GRAVITY_CGS / UNIT_LENGTH_CM * UNIT_MASS_G /
                     (UNIT_VELOCITY_CM_S * UNIT_VELOCITY_CM_S);
    return 3 * HUBBLE * HUBBLE / (8 * pi * gravity);
}

#endif
