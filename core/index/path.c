/* path.c - where the index of a table lies.
 *
 * The name must be the same however the table is spelled on the command line and from
 * whichever folder, so for tables that are not in a descriptor it comes from the first
 * file and the HDF5 path. Tables that share a name by that rule share the index: entries
 * are found by file and dataset, so this costs nothing but room.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "core/index/index.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The folder part of a path; "" for none. */
static size_t folder_len(const char *path)
{
    return (size_t)(base_name(path) - path) - (strchr(path, '/') != NULL);
}

/* "dataset.table", as table.h has it, and no file name. */
static bool is_dataset_table(const peri_table_t *t)
{
    const char *dot = strchr(t->name, '.');
    if (t->root == NULL || dot == NULL || dot == t->name || dot[1] == '\0') return false;
    for (const char *p = t->name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_' && p != dot) return false;
    const char *file = t->nfiles ? t->files[0].path : "";
    return strcmp(base_name(file), t->name) != 0 && strlen(t->name) < 200;
}

/* A dataset's root, else the deepest folder that holds all files. */
static char *data_folder(const peri_table_t *t)
{
    if (is_dataset_table(t)) return peri_xstrdup(t->root);
    if (t->nfiles == 0) return peri_xstrdup("");
    const char *first = t->files[0].path;
    size_t n = folder_len(first);
    for (size_t i = 1; i < t->nfiles; i++) {
        const char *path = t->files[i].path;
        while (n > 0 && (strncmp(first, path, n) != 0 || path[n] != '/')) do
                n--;
            while (n > 0 && first[n] != '/');
    }
    return peri_xasprintf("%.*s", (int)n, first);
}

static void append_clean(char *out, size_t cap, const char *s, size_t n)
{
    size_t at = strlen(out);
    for (size_t i = 0; i < n && at + 1 < cap; i++) {
        unsigned char c = (unsigned char)s[i];
        if (isalnum(c) || c == '_' || c == '.')
            out[at++] = (char)c;
        else if (at > 0 && out[at - 1] != '-')
            out[at++] = '-';
    }
    out[at] = '\0';
}

static char *index_name(const peri_table_t *t, const char *folder)
{
    if (is_dataset_table(t)) return peri_xstrdup(t->name);
    const char *file = t->nfiles ? t->files[0].path : "";
    const char *dataset = t->ncolumns ? t->columns[0].dataset : "";
    size_t n = strlen(dataset);
    if (t->ncolumns > 1 && t->columns[0].field[0] == '\0') n = folder_len(dataset);

    size_t skip = strlen(folder);
    const char *below = strncmp(file, folder, skip) == 0 ? file + skip : file;
    uint64_t h = peri_hash_add(PERI_HASH_START, below, strlen(below) + 1);
    h = peri_hash_add(h, dataset, n);
    const char *base = base_name(file);
    char text[128] = "";
    append_clean(text, 64, base, strlen(base));
    append_clean(text, sizeof text, "-", 1);
    append_clean(text, sizeof text, dataset, n);
    return peri_xasprintf("%s-%016llx", text, (unsigned long long)h);
}

/* May an index lie in this folder? Not in one that everybody may write to, such as /tmp:
 * there a stranger could put a false one. */
static bool folder_is_ours(const char *folder)
{
    struct stat st;
    return stat(folder, &st) == 0 && S_ISDIR(st.st_mode) && !(st.st_mode & S_IWOTH);
}

static bool can_write_beside(const char *folder)
{
    if (!folder_is_ours(folder)) return false;
    char *own = peri_xasprintf("%s/.perigee", folder);
    struct stat st;
    bool can = stat(own, &st) == 0 ? access(own, W_OK | X_OK) == 0
                                   : access(folder, W_OK | X_OK) == 0;
    free(own);
    return can;
}

static int64_t modified(const char *path)
{
    struct stat st;
    if (stat(path, &st)) return INT64_MIN;
    return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

char *peri_index_path(const peri_table_t *t, bool for_writing)
{
    char *folder = data_folder(t);
    char *name = index_name(t, folder);
    char *state = peri_state_dir();
    uint64_t h = peri_hash_add(PERI_HASH_START, folder, strlen(folder));
    char *beside = peri_xasprintf("%s/.perigee/%s.pidx", folder, name);
    /* Nodes have other files in the same folder, and may share the state folder. */
    const char *node =
        t->nfiles && t->files[0].at == PERI_AT_NODE ? peri_node_name() : "";
    char *apart = peri_xasprintf("%s/index/%016llx-%s%s%s.pidx", state,
                                 (unsigned long long)h, name, *node ? "@" : "", node);
    bool use_beside = can_write_beside(folder);
    if (!for_writing) {
        int64_t b = folder_is_ours(folder) ? modified(beside) : INT64_MIN;
        int64_t a = modified(apart);
        if (a != b) use_beside = b > a;
    }
    free(folder);
    free(name);
    free(state);
    char *chosen = use_beside ? beside : apart;
    free(use_beside ? apart : beside);
    return chosen;
}

/* The indexes of the folders that hold a table's files. */
peri_index_t *peri_index_open_table(const peri_table_t *t)
{
    const char *seen[64];
    size_t nseen = 0;
    peri_index_t *all = NULL;
    for (size_t i = 0; i < t->nfiles; i++) {
        const peri_file_t *f = &t->files[i];
        size_t k = 0;
        if (f->root && f->at == PERI_AT_AWAY) continue;
        while (k < nseen && seen[k] != f->root &&
               !(seen[k] && f->root && strcmp(seen[k], f->root) == 0))
            k++;
        if (k < nseen || nseen == sizeof(seen) / sizeof(seen[0])) continue;
        seen[nseen++] = f->root;
        peri_table_t part = *t;
        if (f->root) {
            part.root = f->root;
            part.files = f;
            part.nfiles = 1;
        }
        char *path = peri_index_path(&part, false);
        /* No index, or a damaged one: the query is slower, not wrong. */
        all = peri_index_join(all, path ? peri_index_open(path, NULL) : NULL);
        free(path);
    }
    return all;
}
