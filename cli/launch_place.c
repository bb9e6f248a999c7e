/* launch_place.c - see launch_place.h. */
#include "cli/launch_place.h"

#include <dirent.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli/spawn.h"
#include "core/base/util.h"

/* Below it go sockets, whose names are limited to 107 bytes. */
#define MAX_DIR 60

/* ---- programs ---- */

char *peri_launchplace_of_task(peri_err_t *err)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0) {
        peri_err_set(err, PERI_EIO, "cannot tell where this program is: %m");
        return NULL;
    }
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    char *task = peri_xasprintf("%s/perigee-task", self);
    if (access(task, X_OK) == 0) return task;
    peri_err_set(err, PERI_ENOTFOUND,
                 "the program perigee-task is missing beside perigee in %s: the "
                 "installation is not complete",
                 self);
    free(task);
    return NULL;
}

/* Ranks may be placed on other machines by a batch system or a host file. */
bool peri_launchplace_is_one(void)
{
    static const char *const elsewhere[] = {"PBS_NODEFILE",
                                            "LSB_HOSTS",
                                            "LSB_DJOB_HOSTFILE",
                                            "PE_HOSTFILE",
                                            "OAR_NODEFILE",
                                            "SLURM_JOB_ID",
                                            "OMPI_MCA_orte_default_hostfile"};
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        if (getenv(elsewhere[i])) return false;
    return true;
}

char *peri_launchplace_starter(bool *slurm, peri_err_t *err)
{
    char *srun = getenv("SLURM_JOB_ID") ? peri_find_program("srun") : NULL;
    *slurm = srun != NULL;
    if (srun) return srun;
    char *mpirun = peri_find_program("mpirun");
    if (!mpirun)
        peri_err_set(err, PERI_EUNSUPP,
                     "mpirun was not found: install Open MPI (on Debian: apt install "
                     "openmpi-bin), or use one process with threads (-n 1 -t N)");
    return mpirun;
}

/* In many containers a process may not read another one's memory; Open MPI finds out too
 * late. */
bool peri_launchplace_may_read_memory(void)
{
    char from = 1, to = 0;
    struct iovec a = {&to, 1}, b = {&from, 1};
    return process_vm_readv(getpid(), &a, 1, &b, 1, 0) == 1;
}

/* ---- folders ---- */

static char *make_folder(const char *below, peri_err_t *err)
{
    char *dir = peri_xasprintf("%s/perigee-XXXXXX", below);
    if (mkdtemp(dir)) return dir;
    peri_err_set(err, PERI_EIO,
                 "cannot make a temporary folder below %s: %m (choose another with "
                 "--temp-dir)",
                 below);
    free(dir);
    return NULL;
}

static int write_task(const peri_launchplace_t *p, const peri_queryspec_t *spec,
                      bool here, peri_err_t *err)
{
    peri_queryspec_t s = *spec;
    if (here) s.temp_dir = p->spill;
    peri_buf_t json;
    peri_buf_init(&json, 16u << 20);
    int rc = peri_queryspec_to_json(&s, &json, err);
    if (rc == 0) rc = peri_file_write_atomic(p->task, json.data, json.len, err);
    peri_buf_free(&json);
    return rc;
}

int peri_launchplace_make(peri_launchplace_t *p, const peri_queryspec_t *spec, bool here,
                          peri_err_t *err)
{
    memset(p, 0, sizeof(*p));
    const char *temp = getenv("TMPDIR");
    if (!temp || !*temp) temp = "/tmp";
    p->dir = make_folder(strlen(temp) > MAX_DIR ? "/tmp" : temp, err);
    if (!p->dir) return -1;
    p->task = peri_xasprintf("%s/task.json", p->dir);
    p->socket = peri_xasprintf("%s/control", p->dir);
    if (here) {
        p->spill = make_folder(spec->temp_dir ? spec->temp_dir : temp, err);
        if (!p->spill) goto fail;
        p->shm = make_folder("/dev/shm", NULL);
    }
    if (write_task(p, spec, here, err)) goto fail;
    return 0;
fail:
    peri_launchplace_remove(p);
    return -1;
}

static void remove_folder(char *dir)
{
    if (dir) peri_folder_sweep(dir);
    free(dir);
}

void peri_launchplace_remove(peri_launchplace_t *p)
{
    remove_folder(p->dir);
    remove_folder(p->spill);
    remove_folder(p->shm);
    free(p->task);
    free(p->socket);
    memset(p, 0, sizeof(*p));
}

/* The writer's temporary file is ".NAME.perigee-PID-RANDOM.tmp" beside the place, where
 * links are followed. */
void peri_launchplace_remove_output(const char *into, pid_t pid)
{
    if (!into || pid <= 0) return;
    char *real = realpath(into, NULL);
    char *for_dir = peri_xstrdup(real ? real : into);
    char *for_name = peri_xstrdup(real ? real : into);
    const char *dir = dirname(for_dir);
    char *start = peri_xasprintf(".%.160s.perigee-%ld-", basename(for_name), (long)pid);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (strncmp(e->d_name, start, strlen(start)) || n < 4 ||
            strcmp(e->d_name + n - 4, ".tmp"))
            continue;
        unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d) closedir(d);
    free(start);
    free(for_name);
    free(for_dir);
    free(real);
}
