/* snapshot.c - see snapshot.h. Units are told in attributes as GADGET-4 does. */
#include "examples/universe/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "examples/universe/agree.h"
#include "examples/universe/h5write.h"
#include "examples/universe/units.h"

#define CHUNK_ROWS 8192
#define TYPES      6

/* ---- the unfinished snapshot, and signals ---- */

static char partial_folder[4096], partial_file[4096 + 64];

static void remove_partial(void)
{
    if (*partial_file) unlink(partial_file);
    if (*partial_folder) rmdir(partial_folder); /* the last one succeeds */
}

static void on_signal(int sig)
{
    remove_partial();
    signal(sig, SIG_DFL);
    raise(sig);
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};

static void mask_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        sigaddset(&set, ending[i]);
    sigprocmask(how, &set, NULL);
}

void snapshot_block_signals(void)
{
    mask_signals(SIG_BLOCK);
}

void snapshot_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
        sigaction(ending[i], &action, NULL);
    mask_signals(SIG_UNBLOCK);
}

/* ---- the run's folder ---- */

static bool has(const char *folder, const char *name)
{
    char *path = peri_xasprintf("%s/%s", folder, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static int prepare(const options_t *o, peri_err_t *err)
{
    if (strlen(o->output) + 64 > sizeof(partial_folder))
        return peri_err_set(err, PERI_EINVAL, "the name of the folder %s is too long",
                            o->output);
    if (peri_mkdirs(o->output, err)) return -1;
    if (has(o->output, "universe.yaml") || has(o->output, "snapdir_000"))
        return peri_err_set(err, PERI_EDENIED,
                            "%s holds a run already: remove it, or give another --output",
                            o->output);
    if (access(o->output, W_OK))
        return peri_err_set(err, PERI_EDENIED, "cannot write to %s: %s", o->output,
                            strerror(errno));
    return 0;
}

int snapshot_prepare(MPI_Comm comm, const options_t *o, peri_err_t *err)
{
    int rank;
    MPI_Comm_rank(comm, &rank);
    return agree(comm, rank == 0 ? prepare(o, err) : 0, err);
}

/* ---- one file ---- */

typedef struct {
    const options_t *o;
    const particles_t *s;
    double a, redshift;
    int files;
    uint64_t total;
} content_t;

static int put_header(hid_t file, const content_t *c)
{
    const options_t *o = c->o;
    hid_t g = H5Gcreate2(file, "Header", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (g < 0) return -1;
    const uint64_t here[TYPES] = {0, c->s->count}, all[TYPES] = {0, c->total};
    double density = o->cosmology.omega_m * critical_density();
    const double mass[TYPES] = {0, density * pow(o->box, 3) / (double)c->total};
    int rc = h5_put(g, "NumPart_ThisFile", H5T_NATIVE_UINT64, TYPES, here);
    rc |= h5_put(g, "NumPart_Total", H5T_NATIVE_UINT64, TYPES, all);
    rc |= h5_put(g, "MassTable", H5T_NATIVE_DOUBLE, TYPES, mass);
    rc |= h5_put_double(g, "Time", c->a);
    rc |= h5_put_double(g, "Redshift", c->redshift);
    rc |= h5_put_double(g, "BoxSize", o->box);
    rc |= h5_put_int(g, "NumFilesPerSnapshot", c->files);
    rc |= h5_put_text(g, "Code", "perigee-universe " PERIGEE_VERSION);
    return H5Gclose(g) < 0 ? -1 : rc;
}

static int put_parameters(hid_t file, const content_t *c)
{
    const options_t *o = c->o;
    hid_t g = H5Gcreate2(file, "Parameters", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (g < 0) return -1;
    const struct {
        const char *name;
        double value;
    } reals[] = {
        {"Omega0", o->cosmology.omega_m},
        {"OmegaLambda", 1 - o->cosmology.omega_m},
        {"OmegaBaryon", o->cosmology.omega_b},
        {"HubbleParam", o->cosmology.h},
        {"Hubble", HUBBLE},
        {"BoxSize", o->box},
        {"PrimordialIndex", o->cosmology.n_s},
        {"Sigma8", o->cosmology.sigma8},
        {"TimeBegin", 1 / (1 + o->start_redshift)},
        {"TimeMax", 1 / (1 + o->redshifts[o->nredshifts - 1])},
        {"UnitLength_in_cm", UNIT_LENGTH_CM},
        {"UnitMass_in_g", UNIT_MASS_G},
        {"UnitVelocity_in_cm_per_s", UNIT_VELOCITY_CM_S},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
        rc |= h5_put_double(g, reals[i].name, reals[i].value);
    rc |= h5_put_int(g, "ComovingIntegrationOn", 1);
    rc |= h5_put_int(g, "NSample", o->particles);
    rc |= h5_put_int(g, "GridSize", o->mesh);
    rc |= h5_put(g, "Seed", H5T_NATIVE_UINT64, 1, &o->seed);
    return H5Gclose(g) < 0 ? -1 : rc;
}

/* Powers of the units, of a and of h that a column is in, and its unit in CGS. */
typedef struct {
    double a, h, length, velocity, cgs;
} scaling_t;

static int put_column(hid_t group, const h5_column_t *c, const void *values,
                      const scaling_t *unit)
{
    hid_t set = h5_put_column(group, c, values);
    if (set < 0) return -1;
    int rc = 0;
    if (unit) {
        rc |= h5_put_double(set, "a_scaling", unit->a);
        rc |= h5_put_double(set, "h_scaling", unit->h);
        rc |= h5_put_double(set, "length_scaling", unit->length);
        rc |= h5_put_double(set, "mass_scaling", 0);
        rc |= h5_put_double(set, "velocity_scaling", unit->velocity);
        rc |= h5_put_double(set, "to_cgs", unit->cgs);
    }
    return H5Dclose(set) < 0 ? -1 : rc;
}

static int put_positions(hid_t g, h5_column_t c, const content_t *what, float *values)
{
    for (size_t i = 0; i < what->s->count; i++) {
        for (int d = 0; d < 3; d++) {
            float x = (float)what->s->at[i].x[d];
            values[3 * i + (size_t)d] = x < what->o->box ? x : 0; /* rounded to the box */
        }
    }
    c.name = "Coordinates";
    const scaling_t unit = {1, -1, 1, 0, UNIT_LENGTH_CM};
    return put_column(g, &c, values, &unit);
}

/* GADGET keeps the peculiar velocity a dx/dt over sqrt(a). */
static int put_velocities(hid_t g, h5_column_t c, const content_t *what, float *values)
{
    double factor = pow(what->a, -1.5);
    for (size_t i = 0; i < what->s->count; i++)
        for (int d = 0; d < 3; d++)
            values[3 * i + (size_t)d] = (float)(factor * what->s->at[i].p[d]);
    c.name = "Velocities";
    const scaling_t unit = {0.5, 0, 0, 1, UNIT_VELOCITY_CM_S};
    return put_column(g, &c, values, &unit);
}

/* 32 bits as far as they go. */
static int put_ids(hid_t g, h5_column_t c, const content_t *what)
{
    const particles_t *s = what->s;
    bool small = what->total <= UINT32_MAX;
    void *values = peri_xcalloc(s->count, small ? 4 : 8);
    for (size_t i = 0; i < s->count; i++) {
        if (small)
            ((uint32_t *)values)[i] = (uint32_t)s->at[i].id;
        else
            ((uint64_t *)values)[i] = s->at[i].id;
    }
    c.name = "ParticleIDs";
    c.type = small ? H5T_NATIVE_UINT32 : H5T_NATIVE_UINT64;
    c.width = 1;
    int rc = put_column(g, &c, values, NULL);
    free(values);
    return rc;
}

/* A rank without particles writes no group, as GADGET does. */
static int put_particles(hid_t file, const content_t *what)
{
    if (!what->s->count) return 0;
    hid_t g = H5Gcreate2(file, "PartType1", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (g < 0) return -1;
    const h5_column_t c = {.type = H5T_NATIVE_FLOAT,
                           .rows = what->s->count,
                           .width = 3,
                           .chunk = CHUNK_ROWS,
                           .compress = what->o->compress};
    float *values = peri_xcalloc(what->s->count, 3 * sizeof(float));
    int rc = put_positions(g, c, what, values);
    if (!rc) rc = put_velocities(g, c, what, values);
    if (!rc) rc = put_ids(g, c, what);
    free(values);
    return H5Gclose(g) < 0 ? -1 : rc;
}

static int put_content(hid_t file, const void *arg)
{
    return put_header(file, arg) || put_parameters(file, arg) || put_particles(file, arg);
}

static int fail_file(const char *path, peri_err_t *err)
{
    return peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, strerror(errno));
}

/* Also folders, whose names are content. */
static int sync_file(const char *path, peri_err_t *err)
{
    int fd = open(path, O_RDONLY);
    int rc = fd < 0 || fsync(fd) ? fail_file(path, err) : 0;
    if (fd >= 0) close(fd);
    return rc;
}

static int write_bytes(const char *path, const char *bytes, size_t n, peri_err_t *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666), rc = fd < 0 ? -1 : 0;
    while (!rc && n) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            rc = -1;
        } else {
            bytes += done;
            n -= (size_t)done;
        }
    }
    if (rc || fsync(fd)) rc = fail_file(path, err);
    if (fd >= 0 && close(fd) && !rc) rc = fail_file(path, err);
    return rc;
}

static int write_file(const char *path, const content_t *what, uint64_t *bytes,
                      peri_err_t *err)
{
    size_t size = 0;
    void *image = h5_image(put_content, what, 28 * what->s->count, &size, err);
    int rc = image ? write_bytes(path, image, size, err) : -1;
    free(image);
    *bytes = rc ? 0 : size;
    return rc;
}

/* ---- the snapshot ---- */

/* What a run that was killed has left goes. */
static int make_partial(peri_err_t *err)
{
    DIR *d = opendir(partial_folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (*e->d_name != '.') unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    if (mkdir(partial_folder, 0777) == 0 || errno == EEXIST) return 0;
    return peri_err_set(err, PERI_EIO, "cannot make the folder %s: %s", partial_folder,
                        strerror(errno));
}

static int publish(const options_t *o, const char *number, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/snapdir_%s", o->output, number);
    int rc = sync_file(partial_folder, err);
    if (!rc && rename(partial_folder, path)) rc = fail_file(path, err);
    if (!rc) rc = sync_file(o->output, err);
    free(path);
    return rc;
}

int snapshot_write(MPI_Comm comm, const options_t *o, int number, const particles_t *s,
                   uint64_t *bytes, peri_err_t *err)
{
    int rank, nranks;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    char digits[16];
    snprintf(digits, sizeof(digits), "%03d", number);
    double z = o->redshifts[number];
    content_t what = {o, s, 1 / (1 + z), z, nranks, s->count};
    MPI_Allreduce(MPI_IN_PLACE, &what.total, 1, MPI_UINT64_T, MPI_SUM, comm);
    snprintf(partial_folder, sizeof(partial_folder), "%s/.snapdir_%s", o->output, digits);
    if (agree(comm, rank == 0 ? make_partial(err) : 0, err)) return -1;
    snprintf(partial_file, sizeof(partial_file), "%s/snapshot_%s.%d.hdf5", partial_folder,
             digits, rank);
    int rc = write_file(partial_file, &what, bytes, err);
    MPI_Allreduce(MPI_IN_PLACE, bytes, 1, MPI_UINT64_T, MPI_SUM, comm);
    /* From here on no rank may go away with its file until the snapshot has its name. */
    mask_signals(SIG_BLOCK);
    rc = agree(comm, rc, err);
    if (!rc) rc = agree(comm, rank == 0 ? publish(o, digits, err) : 0, err);
    if (rc) {
        unlink(partial_file);
        MPI_Barrier(comm);
        if (rank == 0) rmdir(partial_folder);
    }
    *partial_file = *partial_folder = 0;
    mask_signals(SIG_UNBLOCK);
    return rc;
}
