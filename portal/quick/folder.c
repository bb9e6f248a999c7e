/* folder.c - see folder.h. */
#include "portal/quick/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/task/folder.h"

/* /tmp and /dev/shm, which are memory; what does not fit there goes into the folder. */
#define SHM_MAX (128ull << 20)
#define MARGIN  (1ull << 30) /* of the disk, or a 64th of it */

static const char *folder_of(const peri_portal_t *p, const char *id, peri_arena_t *a)
{
    return peri_arena_printf(a, "%s/quick/%s", p->config->spool, id);
}

/* Nobody needs it after a crash: it is not synced. */
static int write_launch(const char *folder, const peri_launch_t *l, peri_arena_t *a,
                        peri_err_t *err)
{
    const char *path = peri_arena_printf(a, "%s/launch.json", folder);
    peri_buf_t json;
    peri_buf_init(&json, 64u << 20);
    int rc = peri_launch_to_json(l, &json, err);
    const int fd = rc ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (rc == 0 && (fd < 0 || peri_write_all(fd, json.data, json.len)))
        rc = peri_err_set(err, PERI_EIO, "cannot write %s: %m", path);
    if (fd >= 0) close(fd);
    peri_buf_free(&json);
    return rc;
}

static const peri_env_t *environment(const peri_binds_t *b, const peri_quicktask_t *task,
                                     const char *tmp, peri_arena_t *a, size_t *n)
{
    const char *columns = task->width ? peri_arena_printf(a, "%u", task->width) : NULL;
    const peri_env_t all[] = {{"PERIGEE_WORD", "1"},
                              {"TMPDIR", tmp},
                              {"LC_ALL", task->ascii ? "C" : "C.UTF-8"},
                              {"COLUMNS", columns},
                              {"PERIGEE_AGE", peri_arena_printf(a, "%.3f", task->age)},
                              {"PERIGEE_SCHEMAS", b->schemas},
                              {"PERIGEE_DATASETS", b->datasets},
                              {"PERIGEE_KERNELS", b->kernels}};
    peri_env_t *env = peri_arena_calloc(a, sizeof(all) / sizeof(*all), sizeof(*env));
    *n = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (all[i].value) env[(*n)++] = all[i];
    return env;
}

/* A query reads files of others, which may be made to break what reads them: then it has
 * nothing in its hands that it could change. */
static void only_read(peri_sandbox_t *s, peri_arena_t *a)
{
    peri_bind_t *binds = peri_arena_calloc(a, s->nbinds + 1, sizeof(*binds));
    memcpy(binds, s->binds, s->nbinds * sizeof(*binds));
    for (size_t i = 0; i < s->nbinds; i++) binds[i].write = false;
    s->binds = binds;
}

int peri_quickfolder_make(const peri_portal_t *p, peri_db_t *db,
                          const peri_quicktask_t *task, peri_arena_t *a,
                          peri_binds_t *binds, const char **path, peri_err_t *err)
{
    static const peri_spec_t any = {0}; /* all volumes that she may use */
    const char *folder = folder_of(p, task->id, a);
    const char *tmp = peri_arena_printf(a, "%s/0", folder);
    const char **argv = peri_arena_calloc(a, task->argc + 1, sizeof(*argv));
    if (peri_binds_make(p, db, task->account, &any, NULL, a, binds, err)) return -1;
    if (!task->writes) only_read(&binds->sandbox, a);
    for (size_t i = 0; i < task->argc; i++) argv[i] = task->argv[i];
    argv[0] = peri_arena_printf(a, "%s/%s", p->config->bin, argv[0]);
    peri_launch_t l = {.uuid = task->id,
                       .step = "quick",
                       .argv = argv,
                       .argc = task->argc,
                       .dir = binds->dir,
                       .nodes = 1,
                       .ranks = 1,
                       .cpus = 1,
                       .memory = SHM_MAX,
                       .sandbox = &binds->sandbox};
    l.env = environment(binds, task, tmp, a, &l.nenv);
    if (mkdir(folder, 0700) || mkdir(tmp, 0700))
        return peri_err_set(err, PERI_EIO, "cannot make the folder %s: %m", tmp);
    *path = folder;
    return write_launch(folder, &l, a, err);
}

void peri_quickfolder_remove(const peri_portal_t *p, const char *id)
{
    peri_arena_t *a = peri_arena_new();
    peri_folder_sweep(folder_of(p, id, a));
    peri_arena_free(a);
}

int peri_quickfolder_sweep(const peri_portal_t *p, peri_err_t *err)
{
    char *all = peri_xasprintf("%s/quick", p->config->spool);
    peri_folder_sweep(all);
    int rc = peri_mkdirs(all, err);
    if (rc == 0 && chmod(all, 0700))
        rc = peri_err_set(err, PERI_EIO, "cannot set the mode of %s: %m", all);
    free(all);
    return rc;
}

int peri_quickfolder_file(const peri_portal_t *p, peri_err_t *err)
{
    char *all = peri_xasprintf("%s/quick", p->config->spool);
    const int fd = peri_file_nameless(all);
    if (fd < 0) peri_err_set(err, PERI_EIO, "cannot make a file in %s: %m", all);
    free(all);
    return fd;
}

bool peri_quickfolder_room(int fd, uint64_t more, uint64_t *left)
{
    struct statvfs fs;
    *left = UINT64_MAX;
    if (fstatvfs(fd, &fs)) return true;
    const uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    const uint64_t part = (uint64_t)fs.f_blocks * fs.f_frsize / 64;
    const uint64_t margin = part < MARGIN ? part : MARGIN;
    *left = room > margin ? room - margin : 0;
    return room >= more + margin;
}
