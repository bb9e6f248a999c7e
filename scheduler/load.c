/* load.c - schedulers by name: the built-in local one, or the plugin perigee-NAME.so.
 *
 * Knows nothing of what a scheduler does. A plugin stays loaded until its scheduler is
 * closed. Threads: as scheduler.h says; open and close of one scheduler by one thread.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "scheduler/scheduler.h"

struct peri_sched {
    const peri_sched_ops_t *ops;
    void *self;
    void *library; /* NULL: built in */
    char *name;
};

/* ---- the plugin ---- */

/* Of the running program. */
static char *program_folder(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0) return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash) return NULL;
    slash[slash == path] = '\0';
    return peri_xstrdup(path);
}

static char *find_plugin(const char *name, const char *plugins, peri_err_t *err)
{
    char *beside = program_folder();
    char *path = NULL;
    peri_buf_t looked;
    peri_buf_init(&looked, 1u << 16);
    for (int i = 0; i < 3 && !path; i++) {
        const char *folder = i == 0 ? plugins : beside;
        if (!folder) continue;
        path = peri_xasprintf("%s%s/perigee-%s.so", folder,
                              i == 2 ? "/../lib/perigee" : "", name);
        if (access(path, F_OK) == 0) break;
        peri_buf_printf(&looked, "%s%s%s", looked.len ? ", " : "", folder,
                        i == 2 ? "/../lib/perigee" : "");
        free(path);
        path = NULL;
    }
    if (!path)
        peri_err_set(
            err, PERI_EUNSUPP,
            "the scheduler \"%s\" is not installed: there is no perigee-%s.so in "
            "%s; build Perigee where the development files of %s are (for Slurm: "
            "libslurm-dev), or use the scheduler \"local\"",
            name, name, looked.data ? looked.data : "any folder", name);
    peri_buf_free(&looked);
    free(beside);
    return path;
}

static const peri_sched_ops_t *load_plugin(const char *name, const char *plugins,
                                           void **library, peri_err_t *err)
{
    const peri_sched_ops_t *ops = NULL;
    char *path = find_plugin(name, plugins, err);
    if (!path) return NULL;
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*library) {
        peri_err_set(err, PERI_EUNSUPP,
                     "the scheduler \"%s\" cannot be loaded: %s; its libraries may be "
                     "missing or of another version than at its build",
                     name, dlerror());
        goto out;
    }
    ops = dlsym(*library, "peri_sched_ops");
    if (!ops || ops->abi != PERI_SCHED_ABI) {
        if (!ops)
            peri_err_set(err, PERI_EUNSUPP,
                         "%s is not a scheduler for Perigee: it has no peri_sched_ops",
                         path);
        else
            peri_err_set(
                err, PERI_EUNSUPP,
                "%s was built for another version of Perigee (interface %u, here "
                "it is %d): build and install both from the same version",
                path, ops->abi, PERI_SCHED_ABI);
        dlclose(*library);
        *library = NULL;
        ops = NULL;
    }
out:
    free(path);
    return ops;
}

/* Part of a file name. */
static bool is_name(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '-') n++;
    return n > 0 && n <= 32 && s[n] == '\0';
}

static const peri_sched_ops_t *load(const char *name, const char *plugins, void **library,
                                    peri_err_t *err)
{
    *library = NULL;
    if (!is_name(name)) {
        peri_err_set(err, PERI_EINVAL, "\"%s\" cannot be the name of a scheduler", name);
        return NULL;
    }
    if (strcmp(name, peri_sched_local_ops.name) == 0) return &peri_sched_local_ops;
    return load_plugin(name, plugins, library, err);
}

/* ---- the interface ---- */

int peri_sched_check(const char *name, const json_t *conf, const char *plugins,
                     peri_err_t *err)
{
    void *library;
    const peri_sched_ops_t *ops = load(name, plugins, &library, err);
    int rc = ops ? ops->check(conf, err) : -1;
    if (ops && rc) peri_err_prefix(err, "the scheduler \"%s\"", name);
    if (library) dlclose(library);
    return rc;
}

peri_sched_t *peri_sched_open(const char *name, const json_t *conf, const char *state,
                              const char *plugins, void (*wake)(void *), void *arg,
                              peri_err_t *err)
{
    void *library;
    const peri_sched_ops_t *ops = load(name, plugins, &library, err);
    if (!ops) return NULL;
    void *self = ops->open(conf, state, wake, arg, err);
    if (!self) {
        peri_err_prefix(err, "the scheduler \"%s\"", name);
        if (library) dlclose(library);
        return NULL;
    }
    peri_sched_t *s = peri_xcalloc(1, sizeof(*s));
    s->ops = ops;
    s->self = self;
    s->library = library;
    s->name = peri_xstrdup(name);
    return s;
}

void peri_sched_close(peri_sched_t *s)
{
    if (!s) return;
    s->ops->close(s->self);
    if (s->library) dlclose(s->library);
    free(s->name);
    free(s);
}

const char *peri_sched_name(const peri_sched_t *s)
{
    return s->name;
}

int peri_sched_caps(peri_sched_t *s, peri_schedcaps_t *out, peri_err_t *err)
{
    return s->ops->caps(s->self, out, err);
}

int peri_sched_nodes(peri_sched_t *s, void (*each)(const char *name, void *arg),
                     void *arg, peri_err_t *err)
{
    return s->ops->nodes ? s->ops->nodes(s->self, each, arg, err) : 0;
}

int peri_sched_submit(peri_sched_t *s, const peri_schedreq_t *req,
                      char id[PERI_SCHED_ID_MAX], peri_err_t *err)
{
    return s->ops->submit(s->self, req, id, err);
}

int peri_sched_find(peri_sched_t *s, const char *name, char id[PERI_SCHED_ID_MAX],
                    peri_err_t *err)
{
    return s->ops->find(s->self, name, id, err);
}

int peri_sched_poll(peri_sched_t *s, bool all,
                    void (*each)(const peri_schedtask_t *, void *), void *arg,
                    bool *complete, peri_err_t *err)
{
    return s->ops->poll(s->self, all, each, arg, complete, err);
}

int peri_sched_cancel(peri_sched_t *s, const char *id, int32_t index, peri_err_t *err)
{
    return s->ops->cancel(s->self, id, index, err);
}

void peri_sched_forget(peri_sched_t *s, const char *name, const char *id)
{
    s->ops->forget(s->self, name, id);
}
