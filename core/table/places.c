/* places.c - a table as one node sees it, and what a node sees of a dataset. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/table/dataset.h"
#include "core/table/fileset.h"

/* ---- this node ---- */

static char node_name[256];

static void find_name(void)
{
    /* Slurm's name of a node may be another than the host's. */
    const char *slurm = getenv("SLURMD_NODENAME");
    if (slurm && *slurm && strlen(slurm) < sizeof(node_name)) {
        strcpy(node_name, slurm);
        return;
    }
    if (gethostname(node_name, sizeof(node_name) - 1)) strcpy(node_name, "localhost");
    node_name[strcspn(node_name, ".")] = 0;
}

const char *peri_node_name(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_name);
    return node_name;
}

/* ---- a part of a table ---- */

/* A copy with other files; all else stays the first one's, which it keeps alive. */
static peri_table_t *derive(const peri_table_t *t, peri_file_t **files)
{
    peri_arena_t *arena = peri_arena_new();
    peri_table_t *d = peri_arena_alloc(arena, sizeof(*d));
    *d = *t;
    d->arena = arena;
    d->refs = 1;
    d->base = peri_table_ref((peri_table_t *)t);
    *files = peri_arena_calloc(arena, t->nfiles, sizeof(**files));
    d->files = *files;
    return d;
}

static const peri_copy_t *place_for(const peri_file_t *f, int host)
{
    const peri_copy_t *shared = NULL;
    for (size_t i = 0; i < f->nplaces; i++) {
        if (f->places[i].host == host) return &f->places[i];
        if (f->places[i].host == PERI_HOST_ANY && !shared) shared = &f->places[i];
    }
    return shared;
}

static void lay(peri_file_t *f, const peri_copy_t *p)
{
    /* The name is the end of every path that the file has. */
    f->name = p->path + (strlen(p->path) - strlen(f->name));
    f->path = p->path;
    f->root = p->root;
    f->mtime_ns = p->mtime_ns;
    f->inode = p->inode;
}

peri_table_t *peri_table_for_host(const peri_table_t *t, int host)
{
    peri_file_t *files;
    peri_table_t *d = derive(t, &files);
    for (size_t i = 0; i < t->nfiles; i++) {
        files[i] = t->files[i];
        if (files[i].nplaces == 0) continue;
        const peri_copy_t *p = place_for(&files[i], host);
        lay(&files[i], p ? p : &files[i].places[0]);
        files[i].at = !p                         ? PERI_AT_AWAY
                      : p->host == PERI_HOST_ANY ? PERI_AT_SHARED
                                                 : PERI_AT_NODE;
    }
    return d;
}

/* On this node: a table that was resolved here has one host. */
static const peri_copy_t *place_in(const peri_file_t *f, size_t storage)
{
    for (size_t i = 0; i < f->nplaces; i++)
        if (f->places[i].storage == storage && f->places[i].host <= 0)
            return &f->places[i];
    return NULL;
}

peri_table_t *peri_table_in_storage(const peri_table_t *t, size_t storage)
{
    peri_file_t *files;
    peri_table_t *d = derive(t, &files);
    d->nfiles = 0;
    d->rows = 0;
    for (size_t i = 0; i < t->nfiles; i++) {
        const peri_copy_t *p = place_in(&t->files[i], storage);
        if (!p) continue;
        peri_file_t *f = &files[d->nfiles++];
        *f = t->files[i];
        lay(f, p);
        d->root = p->root;
        f->root = NULL;
        f->places = NULL;
        f->nplaces = 0;
        f->at = t->storages[storage].on_nodes ? PERI_AT_NODE : PERI_AT_SHARED;
        f->row0 = d->rows;
        d->rows += f->rows;
    }
    d->nstorages = d->nhosts = 0;
    if (d->nfiles > 0) return d;
    peri_table_unref(d);
    return NULL;
}

/* ---- what a node has of a dataset ---- */

static int compare_seen(const void *pa, const void *pb)
{
    const peri_seenfile_t *a = pa, *b = pb;
    return strcmp(a->path, b->path);
}

static void add_seen(peri_seenlist_t *l, size_t *cap, const peri_seenfile_t *f)
{
    if (l->n == *cap) {
        *cap = *cap ? 2 * *cap : 64;
        l->v = peri_xrealloc(l->v, *cap, sizeof(*l->v));
    }
    l->v[l->n++] = *f;
}

static void add_set(peri_seenlist_t *l, size_t *cap, const peri_tablespec_t *spec,
                    const peri_filename_t *name)
{
    for (size_t k = 0; k < name->nplaces; k++) {
        const peri_copy_t *p = &name->places[k];
        const peri_seenfile_t f = {.file = name->key,
                                   .path = p->path,
                                   .size = name->size,
                                   .mtime_ns = p->mtime_ns,
                                   .on_node = spec->storages[p->storage].on_nodes};
        add_seen(l, cap, &f);
    }
}

int peri_dataset_places(const peri_dataset_t *d, const char *table, peri_seenlist_t *out,
                        peri_err_t *err)
{
    size_t cap = 0;
    *out = (peri_seenlist_t){.arena = peri_arena_new()};
    /* One root is a storage that everybody sees. */
    const peri_storage_t root = {.folder = d->root};
    for (size_t i = 0; i < d->ntables; i++) {
        peri_tablespec_t spec = d->tables[i];
        if (table && strcasecmp(table, spec.name) != 0) continue;
        if (!spec.nstorages) {
            spec.storages = &root;
            spec.nstorages = 1;
        }
        spec.partial = true;
        peri_fileset_t set;
        if (peri_fileset_find(&spec, out->arena, &set, err) < 0) {
            peri_seenlist_free(out);
            return -1;
        }
        for (size_t k = 0; k < set.nfiles; k++) add_set(out, &cap, &spec, &set.files[k]);
    }
    /* Several tables may lie in one file. */
    if (out->n) qsort(out->v, out->n, sizeof(*out->v), compare_seen);
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++)
        if (n == 0 || strcmp(out->v[n - 1].path, out->v[i].path) != 0)
            out->v[n++] = out->v[i];
    out->n = n;
    return 0;
}

void peri_seenlist_free(peri_seenlist_t *l)
{
    free(l->v);
    if (l->arena) peri_arena_free(l->arena);
    *l = (peri_seenlist_t){0};
}
