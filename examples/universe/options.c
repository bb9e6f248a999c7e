/* options.c - see options.h. One table of options gives the parser and the help. */
#include "examples/universe/options.h"

#include <errno.h>
#include <float.h>
#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

typedef enum { WHOLE, REAL, TEXT, FLAG } kind_t;

typedef struct {
    const char *name;
    kind_t kind;
    size_t offset;
    double low, high; /* of numbers; a REAL must be above `low` */
    const char *value, *help;
} option_t;

#define AT(field) offsetof(options_t, field)

static const option_t table[] = {
    {"particles", WHOLE, AT(particles), 2, 8192, "N",
     "particles a side: N^3 in all (64)"},
    {"mesh", WHOLE, AT(mesh), 8, 16384, "N", "mesh cells a side (two for each particle)"},
    {"box", REAL, AT(box), 0, 1e5, "L", "side of the periodic box in Mpc/h (50)"},
    {"redshifts", TEXT, 0, 0, 0, "LIST",
     "redshifts of the snapshots\n(10,6,4,3,2.5,2,1.5,1,0.75,0.5,0.25,0)"},
    {"start-redshift", REAL, AT(start_redshift), 0, 999, "Z", "where to start (49)"},
    {"steps", WHOLE, AT(steps), 1, 100000, "N",
     "steps in time; a few more are made, to\nmeet every snapshot (64)"},
    {"seed", WHOLE, AT(seed), 0, 9e15, "N",
     "of the random waves; the same seed gives\nthe same large waves at any resolution "
     "(3)"},
    {"omega-m", REAL, AT(cosmology.omega_m), 0, 1, "X", "matter, rest is Lambda (0.308)"},
    {"omega-b", REAL, AT(cosmology.omega_b), 0, 1, "X", "baryons in it (0.0482)"},
    {"h", REAL, AT(cosmology.h), 0, 10, "X", "Hubble constant / 100 km/s/Mpc (0.678)"},
    {"sigma8", REAL, AT(cosmology.sigma8), 0, 10, "X", "strength of structure (0.83)"},
    {"n-s", REAL, AT(cosmology.n_s), -3, 4, "X", "slope of the first spectrum (0.968)"},
    {"spectrum", TEXT, AT(cosmology.file), 0, 0, "FILE",
     "lines of k and P(k) today, for the shape\nof the spectrum (Eisenstein & Hu 1998)"},
    {"fixed-amplitude", FLAG, AT(fixed_amplitude), 0, 0, NULL,
     "all waves as strong as the spectrum says,\nonly their phases are random"},
    {"output", TEXT, AT(output), 0, 0, "FOLDER", "where the results go; needed"},
    {"name", TEXT, AT(name), 0, 0, "NAME", "of the dataset in SQL (minibox)"},
    {"compress", WHOLE, AT(compress), 0, 9, "N", "deflate level of snapshots (0: none)"},
    {"quiet", FLAG, AT(quiet), 0, 0, NULL, "no progress"},
    {"help", FLAG, AT(help), 0, 0, NULL, "this text"},
    {"version", FLAG, AT(version), 0, 0, NULL, "the version"},
};
#define NOPTIONS (sizeof(table) / sizeof(table[0]))

void options_help(void)
{
    puts("perigee-universe - a small N-body simulation of cosmic structure\n"
         "\n"
         "Usage: mpirun -n RANKS perigee-universe --output FOLDER [OPTION...]\n"
         "\n"
         "Follows dark matter in a periodic box from linear waves to halos with a "
         "particle-\n"
         "mesh code, and writes snapshots as GADGET-4 does, one file a rank, and a "
         "dataset's\n"
         "descriptor for Perigee.\n");
    for (size_t i = 0; i < NOPTIONS; i++) {
        const option_t *o = &table[i];
        int used = printf("  --%s %s", o->name, o->value ? o->value : "");
        const char *text = o->help, *end;
        for (; (end = strchr(text, '\n')); text = end + 1, used = 0)
            printf("%*s%.*s\n", 26 - used, "", (int)(end - text), text);
        printf("%*s%s\n", 26 - used, "", text);
    }
    puts(
        "\n"
        "Exit status: 0 done, 1 failed, 2 wrong option. The descriptor is written last:\n"
        "if FOLDER/universe.yaml is there, so is all of the run.\n"
        "\n"
        "Example\n"
        "  mpirun -n 2 perigee-universe --particles 64 --box 50 --output minibox\n"
        "  perigee dataset add minibox/universe.yaml\n"
        "  perigee query \"SELECT count(*) FROM minibox.dm WHERE snapnum = 10\"");
}

/* ---- values ---- */

static int number_of(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end == text || *end || !(*out >= -DBL_MAX && *out <= DBL_MAX) ? -1 : 0;
}

static int set_whole(const option_t *o, const char *text, options_t *out, peri_err_t *err)
{
    char *end;
    errno = 0;
    int64_t v = strtoll(text, &end, 10);
    if (end == text || *end || errno || (double)v < o->low || (double)v > o->high)
        return peri_err_set(err, PERI_EINVAL,
                            "--%s needs a whole number from %.0f to %.0f, not \"%s\"",
                            o->name, o->low, o->high, text);
    void *at = (char *)out + o->offset;
    if (o->offset == AT(seed))
        *(uint64_t *)at = (uint64_t)v;
    else
        *(int *)at = (int)v;
    return 0;
}

static int set_real(const option_t *o, const char *text, options_t *out, peri_err_t *err)
{
    double v;
    if (number_of(text, &v) || v <= o->low || v > o->high)
        return peri_err_set(err, PERI_EINVAL,
                            "--%s needs a number above %g, at most %g, not \"%s\"",
                            o->name, o->low, o->high, text);
    *(double *)((char *)out + o->offset) = v;
    return 0;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int set_redshifts(const char *text, options_t *out, peri_err_t *err)
{
    char *copy = peri_xstrdup(text), *rest = copy, *word;
    int rc = 0;
    out->nredshifts = 0;
    while (!rc && (word = strsep(&rest, ","))) {
        double z;
        if (number_of(word, &z) || z < 0)
            rc = peri_err_set(err, PERI_EINVAL,
                              "--redshifts needs numbers from 0 on with commas between "
                              "them, such as 2,1,0.5,0, not \"%s\"",
                              text);
        else if (out->nredshifts == MAX_SNAPSHOTS)
            rc = peri_err_set(err, PERI_EINVAL, "--redshifts takes at most %d numbers",
                              MAX_SNAPSHOTS);
        else
            out->redshifts[out->nredshifts++] = z;
    }
    free(copy);
    qsort(out->redshifts, (size_t)out->nredshifts, sizeof(double), falling);
    return rc;
}

static int set_option(const option_t *o, const char *text, options_t *out,
                      peri_err_t *err)
{
    switch (o->kind) {
    case WHOLE:
        return set_whole(o, text, out, err);
    case REAL:
        return set_real(o, text, out, err);
    case FLAG:
        *(bool *)((char *)out + o->offset) = true;
        return 0;
    case TEXT:
        break;
    }
    if (!strcmp(o->name, "redshifts")) return set_redshifts(text, out, err);
    *(const char **)((char *)out + o->offset) = text;
    return 0;
}

/* ---- what must fit together ---- */

static int check_name(const char *name, peri_err_t *err)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (n > 0 && n <= 63 && !name[n] && name[0] >= 'a' && name[0] <= 'z') return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "--name needs a small letter, then small letters, digits and _, "
                        "63 at most, not \"%s\"",
                        name);
}

static int check(const options_t *o, peri_err_t *err)
{
    if (!o->output || !*o->output)
        return peri_err_set(err, PERI_EINVAL,
                            "say where the results go: --output FOLDER");
    if (o->mesh < o->particles)
        return peri_err_set(err, PERI_EINVAL,
                            "a mesh of %d cells a side is too coarse for %d particles a "
                            "side: give --mesh %d or more",
                            o->mesh, o->particles, o->particles);
    if (o->cosmology.omega_b >= o->cosmology.omega_m)
        return peri_err_set(
            err, PERI_EINVAL,
            "--omega-b %g is not below --omega-m %g, of which baryons are "
            "a part",
            o->cosmology.omega_b, o->cosmology.omega_m);
    if (o->redshifts[0] > o->start_redshift)
        return peri_err_set(
            err, PERI_EINVAL,
            "there can be no snapshot at redshift %g, before the start at "
            "%g: give a larger --start-redshift",
            o->redshifts[0], o->start_redshift);
    for (int i = 1; i < o->nredshifts; i++)
        if (o->redshifts[i] == o->redshifts[i - 1])
            return peri_err_set(err, PERI_EINVAL, "--redshifts has %g twice",
                                o->redshifts[i]);
    return check_name(o->name, err);
}

static void set_defaults(options_t *o)
{
    *o = (options_t){
        .particles = 64,
        .box = 50,
        .cosmology = {.omega_m = 0.308,
                      .omega_b = 0.0482,
                      .h = 0.678,
                      .n_s = 0.968,
                      .sigma8 = 0.83},
        .start_redshift = 49,
        .steps = 64,
        .seed = 3,
        .name = "minibox",
        .nredshifts = 12,
        .redshifts = {10, 6, 4, 3, 2.5, 2, 1.5, 1, 0.75, 0.5, 0.25, 0},
    };
}

static int unknown(const char *word, peri_err_t *err)
{
    const char *names[NOPTIONS];
    for (size_t i = 0; i < NOPTIONS; i++) names[i] = table[i].name;
    word += strspn(word, "-");
    const char *near = peri_did_you_mean(word, names, NOPTIONS);
    return peri_err_set(
        err, PERI_EINVAL,
        near ? "\"%s\" is no option that can be used so; is it --%s? "
               "--help lists them"
             : "\"%s\" is no option that can be used so; --help lists them",
        word, near);
}

int options_parse(int argc, char **argv, options_t *o, peri_err_t *err)
{
    struct option longs[NOPTIONS + 1];
    memset(longs, 0, sizeof(longs));
    for (size_t i = 0; i < NOPTIONS; i++) {
        longs[i].name = table[i].name;
        longs[i].has_arg = table[i].kind == FLAG ? no_argument : required_argument;
        longs[i].val = 256 + (int)i;
    }
    set_defaults(o);
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
        if (c == ':')
            return peri_err_set(err, PERI_EINVAL, "%s needs a value", argv[optind - 1]);
        if (c < 256) return unknown(argv[optind - 1], err);
        if (set_option(&table[c - 256], optarg, o, err)) return -1;
    }
    if (o->help || o->version) return 0;
    if (optind < argc)
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is no option; --help lists them",
                            argv[optind]);
    if (!o->mesh) o->mesh = 2 * o->particles > 8 ? 2 * o->particles : 8;
    return check(o, err);
}
