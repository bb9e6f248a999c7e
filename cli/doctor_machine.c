/* doctor_machine.c - checks of the machine and of what is installed; see doctor.h. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/spawn.h"
#include "core/base/util.h"

#define TRIAL_TIME 60.0

/* Newer than this program's source: a clock that stands before it is wrong. */
#define EPOCH_2025 1735689600

void peri_check_programs(peri_doctor_t *d)
{
    static const char *const programs[] = {"perigee-task", "perigee-launch", "perigeed",
                                           "perigee-h5", "perigee-helper"};
    int missing = 0;
    for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
        char *path = peri_xasprintf("%s/%s", d->conf->bin, programs[i]);
        if (access(path, X_OK)) {
            missing++;
            peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "programs",
                            "install all programs of Perigee into one folder",
                            "%s is missing beside perigee in %s", programs[i],
                            d->conf->bin);
        }
        free(path);
    }
    if (!missing)
        peri_doctor_say(d, PERI_DOCTOR_OK, "programs", NULL, "version %s, in %s",
                        PERIGEE_VERSION, d->conf->bin);
}

/* The first line of what a program printed. */
static const char *first_line(peri_buf_t *b)
{
    peri_buf_putc(b, '\0');
    if (!b->data) return "";
    b->data[strcspn(b->data, "\n")] = '\0';
    return b->data;
}

/* A real query on two ranks: mpirun, PMIx, perigee-task and DuckDB together. */
void peri_check_parallel(peri_doctor_t *d)
{
    char *mpirun = peri_find_program("mpirun");
    char *self = peri_xasprintf("%s/perigee", d->conf->bin);
    const char *const argv[] = {
        self, "query", "-n", "2", "-q", "--format", "csv", "SELECT 6*7 AS answer", NULL};
    peri_buf_t out;
    peri_err_t err = {0};
    peri_buf_init(&out, 4096);
    if (!mpirun) {
        peri_doctor_say(
            d, PERI_DOCTOR_PROBLEM, "mpi",
            "install Open MPI: apt-get install openmpi-bin",
            "there is no mpirun: queries run on one rank only, and no MPI jobs");
        goto out;
    }
    double start = peri_now();
    int status = peri_spawn(argv, TRIAL_TIME, &out, &err);
    if (status == 0 && out.data && strncmp(out.data, "answer", 6) == 0 &&
        strstr(out.data, "42"))
        peri_doctor_say(d, PERI_DOCTOR_OK, "mpi", NULL,
                        "a query on 2 ranks with %s took %.1f s", mpirun,
                        peri_now() - start);
    else
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "mpi",
                        "perigee query -n 2 \"SELECT 42\" shows all of it",
                        "a query on 2 ranks fails: %s",
                        status < 0 ? err.text : first_line(&out));
out:
    peri_buf_free(&out);
    free(self);
    free(mpirun);
}

static int is_there(const char *pattern)
{
    glob_t g;
    int found = glob(pattern, 0, NULL, &g) == 0;
    globfree(&g);
    return found;
}

void peri_check_filters(peri_doctor_t *d)
{
    static const struct {
        const char *name, *file, *package;
    } filters[] = {{"LZ4", "libh5lz4.so", "hdf5-filter-plugin"},
                   {"BZip2", "libh5bz2.so", "hdf5-filter-plugin"},
                   {"Blosc", "libH5Zblosc.so", "hdf5-filter-plugin-blosc-serial"},
                   {"ZFP", "libh5zzfp.so", "hdf5-filter-plugin-zfp-serial"}};
    char missing[128] = "", remedy[256] = "apt-get install";
    for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
        char *pattern =
            peri_xasprintf("/usr/lib/*/hdf5/serial/plugins/%s", filters[i].file);
        if (!is_there(pattern)) {
            size_t n = strlen(missing), m = strlen(remedy);
            snprintf(missing + n, sizeof(missing) - n, "%s%s", n ? ", " : "",
                     filters[i].name);
            if (!strstr(remedy, filters[i].package) ||
                strstr(remedy, filters[i].package)[strlen(filters[i].package)] == '-')
                snprintf(remedy + m, sizeof(remedy) - m, " %s", filters[i].package);
        }
        free(pattern);
    }
    if (*missing)
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "filters", remedy,
                        "HDF5 files that are compressed with %s cannot be read", missing);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "filters", NULL,
                        "deflate, szip, lzf, LZ4, BZip2, Blosc, ZFP");
}

void peri_check_build(peri_doctor_t *d)
{
    static const char *const tools[] = {"gcc", "cmake", "ninja", "pkg-config", "mpicc"};
    char missing[128] = "";
    for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++) {
        char *path = peri_find_program(tools[i]);
        size_t n = strlen(missing);
        if (!path)
            snprintf(missing + n, sizeof(missing) - n, "%s%s", n ? ", " : "", tools[i]);
        free(path);
    }
    if (*missing)
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "build",
                        "scripts/setup installs them; nothing else needs them",
                        "to build Perigee here, these are missing: %s", missing);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "build", NULL,
                        "gcc, cmake, ninja, pkg-config, mpicc");
}

void peri_check_machine(peri_doctor_t *d)
{
    char memory[16], left[16];
    const char *tmp = getenv("TMPDIR");
    struct statvfs fs;
    if (!tmp || !*tmp) tmp = "/tmp";
    uint64_t bytes =
        (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    peri_doctor_say(d, PERI_DOCTOR_OK, "machine", NULL, "%ld cores, %s of memory free",
                    sysconf(_SC_NPROCESSORS_ONLN), peri_human_bytes(bytes, memory));
    if (statvfs(tmp, &fs)) {
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "scratch",
                        "set TMPDIR to a folder on a disk of this machine",
                        "cannot look at %s: %m", tmp);
        return;
    }
    uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool writable = access(tmp, W_OK | X_OK) == 0;
    peri_doctor_say(d,
                    !writable            ? PERI_DOCTOR_PROBLEM
                    : space < 5000000000 ? PERI_DOCTOR_WARNING
                                         : PERI_DOCTOR_OK,
                    "scratch", "set TMPDIR to a folder with more room",
                    "%s free in %s%s, where queries put what does not fit into memory",
                    peri_human_bytes(space, left), tmp,
                    writable ? "" : ", which may not be written");
}

void peri_check_clock(peri_doctor_t *d)
{
    struct timex t = {0};
    int state = adjtimex(&t);
    if (time(NULL) < EPOCH_2025)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "clock",
                        "set it, and keep it right with chrony or systemd-timesyncd",
                        "it says %ld seconds since 1970, which is in the past",
                        (long)time(NULL));
    else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "clock",
                        "on a cluster, keep all clocks right with chrony or "
                        "systemd-timesyncd (munge refuses what is 5 minutes old)",
                        "nothing keeps it right");
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "clock", NULL, "kept right");
}
