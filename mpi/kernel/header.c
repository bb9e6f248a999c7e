/* header.c - see header.h. */
#include "mpi/kernel/header.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/h5/h5.h"
#include "core/table/units.h"

void peri_simulation_init(peri_simulation_t *s)
{
    *s = (peri_simulation_t){.box = {NAN, NAN, NAN},
                             .redshift = NAN,
                             .a = NAN,
                             .omega_m = NAN,
                             .omega_lambda = NAN,
                             .hubble = NAN,
                             .particle_mass = NAN,
                             .time = NAN,
                             .snapnum = -1,
                             .length = "",
                             .mass = "",
                             .velocity = ""};
}

/* The first of these places that has the number; NAN: none. */
static double look_for(peri_h5file_t *f, const char *const (*places)[2], size_t element)
{
    double v;
    for (; (*places)[0]; places++)
        if (peri_h5attr_double(f, (*places)[0], (*places)[1], element, &v, NULL) == 0)
            return v;
    return NAN;
}

static double mass_of_type(peri_h5file_t *f, const char *dataset)
{
    static const char part[] = "/PartType";
    const char *at = strstr(dataset, part);
    double v;
    if (!at || at[sizeof(part) - 1] < '0' || at[sizeof(part) - 1] > '9') return NAN;
    const size_t type = (size_t)(at[sizeof(part) - 1] - '0');
    if (peri_h5attr_double(f, "/Header", "MassTable", type, &v, NULL) || v <= 0)
        return NAN;
    return v;
}

/* The units in which files of this kind have lengths, masses and velocities. */
static void read_units(peri_h5file_t *f, peri_arena_t *arena, peri_simulation_t *s)
{
    peri_unitsystem_t sys;
    peri_unitsystem_read(f, &sys);
    if (!sys.length || !sys.mass || !sys.velocity) return;
    s->length = peri_unit_compose(&sys, &(peri_dims_t){.a = 1, .h = -1, .l = 1}, arena);
    s->mass = peri_unit_compose(&sys, &(peri_dims_t){.h = -1, .m = 1}, arena);
    s->velocity = peri_unit_compose(&sys, &(peri_dims_t){.v = 1}, arena);
}

int peri_simulation_read(const char *path, const char *root, const char *dataset,
                         peri_arena_t *arena, peri_simulation_t *s, peri_err_t *err)
{
    static const char *const box[][2] = {
        {"/Header", "BoxSize"}, {"/Parameters", "BoxSize"}, {NULL, NULL}};
    static const char *const redshift[][2] = {
        {"/Header", "Redshift"}, {"/Cosmology", "Redshift"}, {NULL, NULL}};
    static const char *const omega_m[][2] = {{"/Header", "Omega0"},
                                             {"/Parameters", "Omega0"},
                                             {"/Header", "OmegaM"},
                                             {"/Cosmology", "Omega_m"},
                                             {NULL, NULL}};
    static const char *const lambda[][2] = {{"/Header", "OmegaLambda"},
                                            {"/Parameters", "OmegaLambda"},
                                            {"/Cosmology", "Omega_lambda"},
                                            {NULL, NULL}};
    static const char *const hubble[][2] = {{"/Header", "HubbleParam"},
                                            {"/Parameters", "HubbleParam"},
                                            {"/Cosmology", "h"},
                                            {NULL, NULL}};
    static const char *const time[][2] = {{"/Header", "Time"}, {NULL, NULL}};
    peri_h5file_t *f = peri_h5file_open(path, root, err);
    if (!f) return -1;
    for (size_t i = 0; i < 3; i++) {
        s->box[i] = look_for(f, box, i);
        if (isnan(s->box[i])) s->box[i] = s->box[0];
    }
    s->redshift = look_for(f, redshift, 0);
    s->a = 1 / (1 + s->redshift);
    s->omega_m = look_for(f, omega_m, 0);
    s->omega_lambda = look_for(f, lambda, 0);
    s->hubble = look_for(f, hubble, 0);
    s->time = look_for(f, time, 0);
    s->particle_mass = mass_of_type(f, dataset);
    read_units(f, arena, s);
    peri_h5file_unref(f);
    return 0;
}
