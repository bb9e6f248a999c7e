/* registry.c - see registry.h. */
#include "mpi/kernel/registry.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/util.h"
#include "mpi/kernel/args.h"

#define MAX_KERNELS 256

typedef struct {
    const peri_kernel_t *kernel;
    char *file;
    void *handle;
} entry_t;

struct peri_registry {
    entry_t entries[MAX_KERNELS];
    size_t n;
    char **notes;
    size_t nnotes;
};

/* ---- is it well made? ---- */

static bool is_name(const char *s)
{
    if (!s || !islower((unsigned char)*s)) return false;
    for (; *s; s++)
        if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_')
            return false;
    return true;
}

static int check_param(const peri_kernel_t *k, const peri_param_t *p, peri_err_t *err)
{
    if (!is_name(p->name) || !p->help || p->type < PERI_PARAM_FLOAT ||
        p->type > PERI_PARAM_OUTPUT)
        return peri_err_set(err, PERI_EINVAL,
                            "a parameter of kernel %s lacks a name in small letters, a "
                            "type or a help text",
                            k->name);
    bool taken = false;
    for (size_t i = 0; i < peri_nstandard_params; i++)
        taken = taken || strcmp(p->name, peri_standard_params[i].name) == 0;
    for (size_t i = 0; i < k->ninputs; i++)
        taken = taken || strcmp(p->name, k->inputs[i].name) == 0;
    for (const peri_param_t *q = k->params; q < p; q++)
        taken = taken || strcmp(p->name, q->name) == 0;
    if (!taken) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "kernel %s cannot have a parameter %s: that name is in use",
                        k->name, p->name);
}

static int check_columns(const peri_kernel_t *k, const peri_coldef_t *c, size_t n,
                         bool any_width, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++)
        if (!c[i].name || !c[i].unit || !c[i].help || c[i].type < PERI_COL_I32 ||
            c[i].type > PERI_COL_F64 || c[i].width > 64 || (!c[i].width && !any_width))
            return peri_err_set(err, PERI_EINVAL,
                                "column %zu of kernel %s lacks its name, type, width, "
                                "unit or help text",
                                i, k->name);
    return 0;
}

int peri_kernel_check(const peri_kernel_t *k, peri_err_t *err)
{
    if (k->abi != PERI_KERNEL_ABI || k->size != sizeof(*k))
        return peri_err_set(err, PERI_EINVAL,
                            "it was compiled with the header of another version of "
                            "Perigee: compile it again");
    if (!is_name(k->name))
        return peri_err_set(err, PERI_EINVAL,
                            "the kernel's name must be of small letters, digits and _");
    if (!k->summary || !k->help || !k->example || !k->run)
        return peri_err_set(err, PERI_EINVAL,
                            "kernel %s lacks its summary, help, example or function",
                            k->name);
    if (k->ninputs < 1 || k->ninputs > 4)
        return peri_err_set(err, PERI_EINVAL, "kernel %s needs 1 to 4 inputs", k->name);
    for (size_t i = 0; i < k->ninputs; i++) {
        const peri_input_t *in = &k->inputs[i];
        if (!is_name(in->name) || !in->help)
            return peri_err_set(err, PERI_EINVAL,
                                "input %zu of kernel %s lacks its name or help text", i,
                                k->name);
        if (in->columns && check_columns(k, in->columns, in->ncolumns, true, err))
            return -1;
    }
    for (size_t i = 0; i < k->nparams; i++)
        if (check_param(k, &k->params[i], err)) return -1;
    return check_columns(k, k->columns, k->ncolumns, false, err);
}

/* ---- loading ---- */

static void note(peri_registry_t *r, const char *file, const char *why)
{
    r->notes = peri_xrealloc(r->notes, r->nnotes + 1, sizeof(*r->notes));
    r->notes[r->nnotes++] = peri_xasprintf("kernel file %s is left out: %s", file, why);
}

static void load_file(peri_registry_t *r, const char *path)
{
    peri_err_t err = {0};
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        note(r, path, dlerror());
        return;
    }
    peri_kernel_f entry;
    *(void **)&entry = dlsym(handle, "peri_kernel_entry");
    const peri_kernel_t *k = entry ? entry() : NULL;
    if (!k)
        peri_err_set(&err, PERI_EINVAL,
                     "it has no kernel in it: say PERI_KERNEL(...) once in its source");
    else if (peri_kernel_check(k, &err) == 0 && peri_registry_find(r, k->name))
        peri_err_set(&err, PERI_EINVAL, "there is a kernel %s already", k->name);
    else if (!err.code && r->n == MAX_KERNELS)
        peri_err_set(&err, PERI_ELIMIT, "there are %d kernels already", MAX_KERNELS);
    if (err.code) {
        note(r, path, err.text);
        dlclose(handle);
        return;
    }
    r->entries[r->n++] = (entry_t){k, peri_xstrdup(path), handle};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load_folder(peri_registry_t *r, const char *folder)
{
    char **files = NULL;
    size_t n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len < 4 || strcmp(e->d_name + len - 3, ".so")) continue;
        files = peri_xrealloc(files, n + 1, sizeof(*files));
        files[n++] = peri_xasprintf("%s/%s", folder, e->d_name);
    }
    if (d) closedir(d);
    if (n) qsort(files, n, sizeof(*files), by_name);
    for (size_t i = 0; i < n; i++) {
        load_file(r, files[i]);
        free(files[i]);
    }
    free(files);
}

static void load_configured(peri_registry_t *r)
{
    const char *list = getenv("PERIGEE_KERNELS");
    for (const char *s = list; s && *s;) {
        size_t n = strcspn(s, ":");
        char *folder = peri_xasprintf("%.*s", (int)n, s);
        if (n) load_folder(r, folder);
        free(folder);
        s += n + (s[n] == ':');
    }
    char *state = peri_state_dir();
    char *folder = peri_xasprintf("%s/kernels", state);
    load_folder(r, folder);
    free(folder);
    free(state);
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n <= 0) return;
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    folder = peri_xasprintf("%s/../lib/perigee/kernels", self);
    load_folder(r, folder);
    free(folder);
}

static int by_kernel_name(const void *a, const void *b)
{
    return strcmp(((const entry_t *)a)->kernel->name, ((const entry_t *)b)->kernel->name);
}

peri_registry_t *peri_registry_new(const peri_kernel_t *const *builtin)
{
    peri_registry_t *r = peri_xcalloc(1, sizeof(*r));
    for (size_t i = 0; builtin[i]; i++)
        r->entries[r->n++] = (entry_t){.kernel = builtin[i]};
    load_configured(r);
    qsort(r->entries, r->n, sizeof(r->entries[0]), by_kernel_name);
    return r;
}

void peri_registry_free(peri_registry_t *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->n; i++) {
        free(r->entries[i].file);
        if (r->entries[i].handle) dlclose(r->entries[i].handle);
    }
    for (size_t i = 0; i < r->nnotes; i++) free(r->notes[i]);
    free(r->notes);
    free(r);
}

size_t peri_registry_count(const peri_registry_t *r)
{
    return r->n;
}

const peri_kernel_t *peri_registry_kernel(const peri_registry_t *r, size_t i)
{
    return r->entries[i].kernel;
}

const char *peri_registry_file(const peri_registry_t *r, size_t i)
{
    return r->entries[i].file;
}

const peri_kernel_t *peri_registry_find(const peri_registry_t *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcasecmp(r->entries[i].kernel->name, name) == 0)
            return r->entries[i].kernel;
    return NULL;
}

size_t peri_registry_nnotes(const peri_registry_t *r)
{
    return r->nnotes;
}

const char *peri_registry_note(const peri_registry_t *r, size_t i)
{
    return r->notes[i];
}

bool peri_registry_named_in(const peri_registry_t *r, const char *sql)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcasestr(sql, r->entries[i].kernel->name)) return true;
    return false;
}
