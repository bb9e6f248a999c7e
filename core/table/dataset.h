/* dataset.h - YAML descriptors of datasets, and the catalogue of those this user knows.
 *
 * A descriptor names a dataset's tables (docs/dataset.md is its reference). The catalogue
 * is a folder of descriptors: $PERIGEE_DATASETS (colon-separated folders and
 * descriptors), then datasets/ in the state folder, then /etc/perigee/datasets. `perigee
 * dataset add` copies or links there.
 */
#ifndef CORE_TABLE_DATASET_H
#define CORE_TABLE_DATASET_H

#include "core/table/table.h"

/* A query that shows what a dataset is good for. */
typedef struct {
    const char *title, *sql;
} peri_sample_t;

typedef struct {
    const char *name; /* [a-z][a-z0-9_]*, at most 63 */
    const char *title, *description, *licence, *citation, *contact; /* "" if not given */
    const char *const *tags;
    size_t ntags;
    /* Who may use it at a portal: all, or (private) nobody but these teams. */
    bool is_private;
    const char *const *teams;
    size_t nteams;
    const char *folder; /* absolute: its files as people see them; NULL: not shown */
    const peri_sample_t *queries;
    size_t nqueries;
    const char *root; /* absolute folder of the data; "" if there are storages instead */
    const char *root_said; /* the same as the descriptor says it, links and all */
    const peri_storage_t *storages;
    size_t nstorages;
    const char *source;             /* path of the descriptor */
    const peri_tablespec_t *tables; /* adapters expanded: one spec a table; .name is the
                                       bare table name */
    size_t ntables;
    struct peri_arena *arena; /* private */
} peri_dataset_t;

/* Errors carry "FILE:LINE:COLUMN: ..." of the place in the YAML. Unknown keys are errors
 * with a "did you mean". */
peri_dataset_t *peri_dataset_load(const char *yaml_path, peri_err_t *err);
peri_dataset_t *peri_dataset_parse(const char *text, size_t len, const char *source,
                                   const char *base, peri_err_t *err);
void peri_dataset_free(peri_dataset_t *d);

/* By name from the catalogue: PERI_ENOTFOUND with the nearest name. */
peri_dataset_t *peri_catalog_find(const char *name, peri_err_t *err);
/* Names (sorted) of all; *names is one malloc'd block the caller frees with
 * peri_catalog_free_names. */
int peri_catalog_list(char ***names, size_t *n, peri_err_t *err);
void peri_catalog_free_names(char **names, size_t n);
/* Register a descriptor: parsed and checked first; replaces one of the same name only if
 * `replace`. Relative data paths are made absolute in the copy. */
int peri_catalog_add(const char *yaml_path, bool replace, char **name, peri_err_t *err);
int peri_catalog_remove(const char *name, peri_err_t *err);

/* Resolve one table of a dataset (name ignoring case). The table's name is
 * "dataset.table". */
peri_table_t *peri_dataset_table(const peri_dataset_t *d, const char *table,
                                 bool allow_missing, peri_err_t *err);
/* The specification that this is resolved with; its name is the caller's to free. */
int peri_dataset_spec(const peri_dataset_t *d, const char *table, bool allow_missing,
                      peri_tablespec_t *spec, char **name, peri_err_t *err);
/* Some of the dataset's files lie on nodes: one machine need not see all of them. */
bool peri_dataset_on_nodes(const peri_dataset_t *d);
/* For such a dataset: the part of a table that this machine sees, which may have no files
 * and no columns. For any other as peri_dataset_table. */
peri_table_t *peri_dataset_table_here(const peri_dataset_t *d, const char *table,
                                      bool allow_missing, peri_err_t *err);

/* ---- which files this machine sees ---- */

typedef struct {
    const char *file; /* path below the storage or root: the same on all nodes */
    const char *path;
    uint64_t size;
    int64_t mtime_ns;
    bool on_node; /* in a storage on nodes; else shared */
} peri_seenfile_t;

typedef struct {
    peri_seenfile_t *v; /* sorted by path */
    size_t n;
    struct peri_arena *arena;
} peri_seenlist_t;

/* Every copy of every file of the dataset (of one table, or NULL: of all). Opens none.
 * Patterns that nothing fits here are no error. */
int peri_dataset_places(const peri_dataset_t *d, const char *table, peri_seenlist_t *out,
                        peri_err_t *err);
void peri_seenlist_free(peri_seenlist_t *l);

#endif
