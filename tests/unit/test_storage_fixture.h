/* Three "nodes" in one process: folders n0, n1, n2, and a link `disk` that stands for the
 * folder that each node has under the same name. A look at a node's disk follows the
 * link, so that every copy of a file can be read here.
 */
#ifndef TEST_STORAGE_FIXTURE_H
#define TEST_STORAGE_FIXTURE_H

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/table/dataset.h"
#include "core/table/survey.h"

#define NODES 3

static char top[] = "/tmp/peri-storage-XXXXXX";
static char disk[64], shared[64];
static const char *const node_names[NODES] = {"a", "b", "c"};

static void shell(const char *command)
{
    if (system(command) != 0) abort();
}

/* Which node this process is on. */
static void be_on(int node)
{
    char folder[64];
    snprintf(folder, sizeof(folder), "n%d", node);
    unlink(disk);
    if (symlink(folder, disk)) abort();
}

static void storage_up(void)
{
    if (!mkdtemp(top)) abort();
    snprintf(disk, sizeof(disk), "%s/disk", top);
    snprintf(shared, sizeof(shared), "%s/shared", top);
    char *command =
        peri_xasprintf("mkdir -p %s/n0 %s/n1 %s/n2 %s/shared", top, top, top, top);
    shell(command);
    free(command);
    be_on(0);
}

static void storage_down(void)
{
    char *command = peri_xasprintf("rm -rf %s", top);
    shell(command);
    free(command);
}

/* Empty everything. */
static void storage_clear(void)
{
    char *command = peri_xasprintf("rm -rf %s/n?/* %s/n?/.p* %s/shared/*", top, top, top);
    shell(command);
    free(command);
}

static void put_column(hid_t f, const char *name, hid_t type, const void *values,
                       hsize_t n, hsize_t chunk)
{
    hid_t space = H5Screate_simple(1, &n, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk) H5Pset_chunk(plist, 1, &chunk);
    hid_t d = H5Dcreate2(f, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (n) H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(d);
    H5Pclose(plist);
    H5Sclose(space);
}

/* A file with `n` rows of id (from `first`), and of `more` if it has a name. */
static void make_file(const char *folder, const char *name, int first, int n,
                      const char *more)
{
    char *path = peri_xasprintf("%s/%s/%s", top, folder, name);
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (f < 0) abort();
    int32_t *v = peri_xcalloc((size_t)n, sizeof(*v));
    for (int i = 0; i < n; i++) v[i] = first + i;
    put_column(f, "id", H5T_NATIVE_INT32, v, (hsize_t)n, n > 100 ? 100 : 0);
    if (more) put_column(f, more, H5T_NATIVE_INT32, v, (hsize_t)n, 0);
    H5Fclose(f);
    free(v);
    free(path);
}

static void copy_file(const char *from, const char *to, const char *name)
{
    char *command =
        peri_xasprintf("cp -p %s/%s/%s %s/%s/%s", top, from, name, top, to, name);
    shell(command);
    free(command);
}

#endif
