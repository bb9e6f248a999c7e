/* dataset.c - see dataset.h.
 *
 * The table has the columns of the Millennium database's Snapshots: snapnum, a, z, Hz and
 * lookBackTime.
 */
#include "examples/universe/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "examples/universe/growth.h"
#include "examples/universe/h5write.h"
#include "examples/universe/units.h"

/* ---- the table of snapshots ---- */

static double number_at(const options_t *o, int column, int i)
{
    const power_params_t *c = &o->cosmology;
    double z = o->redshifts[i], a = 1 / (1 + z);
    switch (column) {
    case 0:
        return i;
    case 1:
        return a;
    case 2:
        return z;
    case 3:
        return HUBBLE * c->h * expansion_rate(c->omega_m, a);
    default:
        return lookback_time(c->omega_m, a) * TIME_GYR / (HUBBLE * c->h);
    }
}

static int put_snapshots(hid_t file, const void *arg)
{
    const options_t *o = arg;
    static const struct {
        const char *name, *unit, *description;
    } columns[] = {
        {"snapnum", "", "Number of the snapshot"},
        {"a", "", "Scale factor, 1 today"},
        {"z", "", "Redshift"},
        {"Hz", "km/s/Mpc", "Hubble parameter at that time"},
        {"lookBackTime", "Gyr", "Time from then to today"},
    };
    hid_t g = H5Gcreate2(file, "Snapshots", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int rc = g < 0 ? -1 : 0, whole[MAX_SNAPSHOTS];
    double real[MAX_SNAPSHOTS];
    const hsize_t rows = (hsize_t)o->nredshifts;
    for (int c = 0; !rc && c < 5; c++) {
        for (int i = 0; i < o->nredshifts; i++) {
            real[i] = number_at(o, c, i);
            whole[i] = i;
        }
        h5_column_t how = {columns[c].name,
                           c ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT,
                           rows,
                           1,
                           MAX_SNAPSHOTS,
                           0};
        hid_t set = h5_put_column(g, &how, c ? (const void *)real : whole);
        if (set < 0) rc = -1;
        if (!rc && *columns[c].unit) rc = h5_put_text(set, "unit", columns[c].unit);
        if (!rc) rc = h5_put_text(set, "description", columns[c].description);
        if (set >= 0) rc |= H5Dclose(set) < 0 ? -1 : 0;
    }
    if (g >= 0) rc |= H5Gclose(g) < 0 ? -1 : 0;
    return rc;
}

static int write_snapshots(const options_t *o, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/snapshots.hdf5", o->output);
    size_t size = 0;
    void *image = h5_image(put_snapshots, o, 1 << 16, &size, err);
    int rc = image ? peri_file_write_atomic(path, image, size, err) : -1;
    free(image);
    free(path);
    return rc;
}

/* ---- the descriptor ---- */

static char *descriptor(const options_t *o)
{
    const power_params_t *c = &o->cosmology;
    return peri_xasprintf(
        "# Written by perigee-universe " PERIGEE_VERSION ". Register it with\n"
        "#   perigee dataset add universe.yaml\n"
        "name: %s\n"
        "title: %d^3 dark matter particles in a box of %g Mpc/h\n"
        "description: >-\n"
        "  A particle-mesh simulation with a mesh of %d^3 cells, from redshift %g to "
        "%g.\n"
        "  Omega_m = %g, Omega_Lambda = %g, Omega_b = %g, h = %g, sigma_8 = %g, n_s = "
        "%g,\n"
        "  seed %llu. Lengths are comoving Mpc/h, masses 1e10 Msun/h, velocities km/s.\n"
        "tags: [simulation, cosmology, dark matter, n-body]\n"
        "root: .\n"
        "sources:\n"
        "  - format: gadget-snapshot\n"
        "    files: snapdir_*/snapshot_*.hdf5\n"
        "    tables: [dm]\n"
        "tables:\n"
        "  snapshots:\n"
        "    description: The times of the snapshots\n"
        "    files: snapshots.hdf5\n"
        "    path: /Snapshots\n",
        o->name, o->particles, o->box, o->mesh, o->start_redshift,
        o->redshifts[o->nredshifts - 1], c->omega_m, 1 - c->omega_m, c->omega_b, c->h,
        c->sigma8, c->n_s, (unsigned long long)o->seed);
}

int dataset_write(const options_t *o, peri_err_t *err)
{
    if (write_snapshots(o, err)) return -1;
    char *text = descriptor(o), *path = peri_xasprintf("%s/universe.yaml", o->output);
    int rc = peri_file_write_atomic(path, text, strlen(text), err);
    free(text);
    free(path);
    return rc;
}
