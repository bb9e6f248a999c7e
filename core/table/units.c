/* units.c - see units.h. */
#include "core/table/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"

static bool is_near(double a, double b, double relative)
{
    return fabs(a - b) <= relative * fabs(b);
}

/* ---- the unit system ---- */

static double first_attr(peri_h5file_t *f, const char *name)
{
    static const char *const places[] = {"/Header", "/Parameters", "/Units"};
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        double v;
        if (peri_h5attr_double(f, places[i], name, 0, &v, NULL) == 0) return v;
    }
    return NAN;
}

static double or_zero(double v)
{
    return isfinite(v) && v > 0 ? v : 0;
}

void peri_unitsystem_read(peri_h5file_t *f, peri_unitsystem_t *out)
{
    out->length = or_zero(first_attr(f, "UnitLength_in_cm"));
    out->mass = or_zero(first_attr(f, "UnitMass_in_g"));
    out->velocity = or_zero(first_attr(f, "UnitVelocity_in_cm_per_s"));
    double comoving = first_attr(f, "ComovingIntegrationOn");
    out->comoving = isnan(comoving) || comoving != 0;
    double v;
    out->arepo = peri_h5attr_double(f, "/Header", "Nsubgroups_Total", 0, &v, NULL) == 0;
}

typedef struct {
    double cgs;
    const char *name;
} baseunit_t;

static const baseunit_t lengths[] = {
    {1, "cm"}, {3.085678e18, "pc"}, {3.085678e21, "kpc"}, {3.085678e24, "Mpc"}};
static const baseunit_t masses[] = {
    {1, "g"}, {1.989e33, "Msun"}, {1.989e43, "1e10 Msun"}};
static const baseunit_t velocities[] = {{1, "cm/s"}, {100, "m/s"}, {1e5, "km/s"}};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const char *base_name(const baseunit_t *units, size_t n, double cgs)
{
    for (size_t i = 0; i < n; i++)
        if (is_near(cgs, units[i].cgs, 1e-3)) return units[i].name;
    return NULL;
}

/* ---- writing a unit ---- */

typedef struct {
    const char *name;
    double power;
} factor_t;

static bool is_compound(const char *name)
{
    return strpbrk(name, " /") != NULL;
}

static void put_factor(peri_buf_t *b, const factor_t *f, bool alone)
{
    double power = fabs(f->power);
    bool paren = is_compound(f->name) && (power != 1 || !alone);
    if (b->len || f->power < 0) {
        if (f->power < 0)
            peri_buf_puts(b, b->len ? "/" : "1/");
        else
            peri_buf_putc(b, ' ');
    }
    if (power == 0.5) {
        peri_buf_printf(b, "sqrt(%s)", f->name);
        return;
    }
    peri_buf_printf(b, paren ? "(%s)" : "%s", f->name);
    if (power != 1) peri_buf_printf(b, "^%g", power);
}

static const char *write_factors(const factor_t *f, size_t n, peri_arena_t *arena)
{
    peri_buf_t b;
    peri_buf_init(&b, 256);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) used += f[i].power != 0;
    for (int sign = 1; sign >= -1; sign -= 2)
        for (size_t i = 0; i < n; i++)
            if (f[i].power * sign > 0) put_factor(&b, &f[i], used == 1);
    const char *text = b.len ? peri_arena_strdup(arena, b.data) : "";
    peri_buf_free(&b);
    return text;
}

const char *peri_unit_compose(const peri_unitsystem_t *sys, const peri_dims_t *dims,
                              peri_arena_t *arena)
{
    peri_dims_t d = *dims;
    const char *length = base_name(lengths, COUNT(lengths), sys->length);
    const char *mass = base_name(masses, COUNT(masses), sys->mass);
    const char *velocity = base_name(velocities, COUNT(velocities), sys->velocity);
    if ((d.l && !length) || (d.m && !mass) || (d.v && !velocity)) return "";
    if (!sys->comoving) d.a = 0;

    /* What each length and mass carries by itself goes into its name: ckpc/h, Msun/h. */
    if (d.l != 0 && d.a == d.l && sys->comoving) {
        length = peri_arena_printf(arena, "c%s", length);
        d.a = 0;
    }
    if ((d.l != 0 || d.m != 0) && d.h == -(d.l + d.m)) {
        if (d.l != 0) length = peri_arena_printf(arena, "%s/h", length);
        if (d.m != 0) mass = peri_arena_printf(arena, "%s/h", mass);
        d.h = 0;
    }
    if (d.v == 1 && d.a == 0.5 && d.l == 0 && d.m == 0 && d.h == 0 &&
        strcmp(velocity, "km/s") == 0)
        return "km sqrt(a)/s";
    const factor_t factors[] = {
        {mass, d.m}, {length, d.l}, {velocity, d.v}, {"h", d.h}, {"a", d.a}};
    return write_factors(factors, COUNT(factors), arena);
}

/* ---- attributes of GADGET-4 and AREPO ---- */

static double in_cgs(const peri_unitsystem_t *sys, const peri_dims_t *d)
{
    return pow(sys->length, d->l) * pow(sys->mass, d->m) * pow(sys->velocity, d->v);
}

/* The exponents are believed only if they lead to the factor beside them: some files have
 * exponents that do not fit. *found tells whether the attributes are there at all. */
static const char *scaling_unit(peri_h5file_t *f, const char *path,
                                const peri_unitsystem_t *sys, peri_arena_t *arena,
                                bool *found)
{
    static const char *const names[] = {"a_scaling",        "h_scaling",
                                        "length_scaling",   "mass_scaling",
                                        "velocity_scaling", "to_cgs"};
    double v[6];
    *found = false;
    for (size_t i = 0; i < 6; i++)
        if (peri_h5attr_double(f, path, names[i], 0, &v[i], NULL) != 0) return "";
    *found = true;
    const peri_dims_t d = {v[0], v[1], v[2], v[3], v[4]};
    const peri_unitsystem_t cgs = {1, 1, 1, sys->comoving, sys->arepo};
    double factor = v[5];
    if (factor <= 0 || (d.l == 0 && d.m == 0 && d.v == 0 && d.a == 0 && d.h == 0))
        return "";
    if (is_near(in_cgs(sys, &d), factor, 2e-3)) return peri_unit_compose(sys, &d, arena);
    if (is_near(factor, 1, 1e-6)) return peri_unit_compose(&cgs, &d, arena);
    bool mass_per_time = d.m == 1 && d.l == -1 && d.v == 1;
    if (mass_per_time && is_near(factor, 6.3027e25, 2e-3)) return "Msun/yr";
    return peri_arena_printf(arena, "%g cgs", factor);
}

/* ---- documented fields ---- */

/* Names ending in * are prefixes. */
static const struct {
    const char *name;
    peri_dims_t dims;
    const char *text; /* instead of dims */
    bool arepo_only;
} known[] = {
    {"Coordinates", {1, -1, 1, 0, 0}, NULL, false},
    {"Velocities", {0.5, 0, 0, 0, 1}, NULL, false},
    {"Masses", {0, -1, 0, 1, 0}, NULL, false},
    {"Density", {-3, 2, -3, 1, 0}, NULL, false},
    {"InternalEnergy", {0, 0, 0, 0, 2}, NULL, false},
    {"SmoothingLength", {1, -1, 1, 0, 0}, NULL, false},
    {"GroupPos", {1, -1, 1, 0, 0}, NULL, false},
    {"GroupCM", {1, -1, 1, 0, 0}, NULL, false},
    {"GroupVel", {-1, 0, 0, 0, 1}, NULL, true},
    {"GroupMass*", {0, -1, 0, 1, 0}, NULL, false},
    {"Group_M_*", {0, -1, 0, 1, 0}, NULL, false},
    {"Group_R_*", {1, -1, 1, 0, 0}, NULL, false},
    {"GroupBHMass", {0, -1, 0, 1, 0}, NULL, false},
    {"GroupWindMass", {0, -1, 0, 1, 0}, NULL, false},
    {"GroupSFR", {0, 0, 0, 0, 0}, "Msun/yr", true},
    {"SubhaloPos", {1, -1, 1, 0, 0}, NULL, false},
    {"SubhaloCM", {1, -1, 1, 0, 0}, NULL, false},
    {"SubhaloVel", {0, 0, 0, 0, 1}, NULL, true},
    {"SubhaloVelDisp", {0, 0, 0, 0, 1}, NULL, false},
    {"SubhaloVmax", {0, 0, 0, 0, 1}, NULL, false},
    {"SubhaloVmaxRad", {1, -1, 1, 0, 0}, NULL, false},
    {"SubhaloHalfmassRad*", {1, -1, 1, 0, 0}, NULL, false},
    {"SubhaloMass*", {0, -1, 0, 1, 0}, NULL, false},
    {"SubhaloBHMass", {0, -1, 0, 1, 0}, NULL, false},
    {"SubhaloWindMass", {0, -1, 0, 1, 0}, NULL, false},
    {"SubhaloSFR*", {0, 0, 0, 0, 0}, "Msun/yr", true},
};

static bool name_fits(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);
    if (n && pattern[n - 1] == '*') return strncmp(name, pattern, n - 1) == 0;
    return strcmp(name, pattern) == 0;
}

static const char *known_unit(const char *name, const peri_unitsystem_t *sys,
                              peri_arena_t *arena)
{
    for (size_t i = 0; i < COUNT(known); i++) {
        if (!name_fits(known[i].name, name)) continue;
        if (known[i].arepo_only && !sys->arepo) return "";
        if (!sys->length || !sys->mass || !sys->velocity) return "";
        return known[i].text ? known[i].text
                             : peri_unit_compose(sys, &known[i].dims, arena);
    }
    return "";
}

/* ---- attributes ---- */

static const char *first_text(peri_h5file_t *f, const char *path,
                              const char *const *names, peri_arena_t *arena)
{
    for (size_t i = 0; names[i]; i++) {
        char *text = NULL;
        if (peri_h5attr_string(f, path, names[i], &text, NULL) != 0) continue;
        char *start = text + strspn(text, " \t\r\n");
        size_t n = strlen(start);
        while (n > 0 && strchr(" \t\r\n", start[n - 1])) n--;
        const char *copy = n ? peri_arena_strndup(arena, start, n) : NULL;
        free(text);
        if (copy) return copy;
    }
    return "";
}

void peri_meaning_read(peri_h5file_t *f, const char *path, const char *name,
                       const peri_unitsystem_t *sys, const peri_adapter_t *adapter,
                       peri_arena_t *arena, peri_meaning_t *out)
{
    static const char *const units[] = {"unit",
                                        "units",
                                        "Unit",
                                        "Units",
                                        "UNIT",
                                        "UNITS",
                                        "Expression for physical CGS units",
                                        NULL};
    static const char *const descriptions[] = {"description", "Description", "desc",
                                               "long_name", NULL};
    static const char *const sql_names[] = {"sql_name", NULL};
    static const char *const ucds[] = {"ucd", "UCD", NULL};
    out->unit = first_text(f, path, units, arena);
    out->description = first_text(f, path, descriptions, arena);
    out->ucd = first_text(f, path, ucds, arena);
    out->name = first_text(f, path, sql_names, arena);
    bool said = *out->unit != 0;
    if (!said) out->unit = scaling_unit(f, path, sys, arena, &said);
    if (!said && adapter) out->unit = known_unit(name, sys, arena);
}
