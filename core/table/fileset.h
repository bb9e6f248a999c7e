/* fileset.h - from patterns to the sorted list of a table's files. Looks at folders,
 * opens no file. Private to core/table.
 */
#ifndef CORE_TABLE_FILESET_H
#define CORE_TABLE_FILESET_H

#include "core/base/arena.h"
#include "core/table/nameparts.h"
#include "core/table/table.h"

typedef struct {
    const char *path; /* absolute */
    const char *name; /* see peri_file_t.name */
    const char *key;  /* what it is sorted and numbered by: with storages its name, which
                         is the same on all nodes, else its path */
    peri_nameparts_t parts;    /* of the key */
    const peri_copy_t *places; /* with storages: best first; path is that of the first */
    size_t nplaces;
    uint64_t size;      /* with storages */
    const char *where;  /* the node it was found on, for messages; NULL: here */
    const void *record; /* what a node told of it (survey.c) */
} peri_filename_t;

typedef struct {
    peri_filename_t *files; /* sorted: snapnum, then number in the set, then name */
    size_t nfiles;
    const char *const *patterns; /* of keys, without braces */
    size_t npatterns;
    const char
        *base;   /* absolute folder that relative patterns start from; "" with storages */
    bool *found; /* with storages: a flag for each of the spec's files */
    const char *where; /* with storages: the nodes that were asked, or NULL: only here */
} peri_fileset_t;

/* All memory is the arena's. Errors: PERI_ENOTFOUND if a pattern fits no file (unless
 * spec->partial), PERI_EDENIED if one leads out of spec->root, PERI_EINVAL, PERI_ELIMIT,
 * PERI_EFORMAT if copies differ in size. */
int peri_fileset_find(const peri_tablespec_t *spec, peri_arena_t *arena,
                      peri_fileset_t *out, peri_err_t *err);

/* _find for a spec with storages (stored.c). */
int peri_fileset_find_stored(const peri_tablespec_t *spec, peri_arena_t *arena,
                             peri_fileset_t *out, peri_err_t *err);
/* Sort files by key and join those of one key: places of all, best first. */
int peri_fileset_join(peri_fileset_t *set, peri_arena_t *arena, peri_err_t *err);
/* The patterns of a spec with storages, for peri_fileset_gaps. */
int peri_fileset_patterns(const peri_tablespec_t *spec, peri_arena_t *arena,
                          peri_fileset_t *out, peri_err_t *err);
/* The error for file or pattern i of a spec with storages that nobody has. */
int peri_fileset_nowhere(const peri_tablespec_t *spec, size_t i, const char *where,
                         peri_err_t *err);

/* ---- setnames.c ---- */

/* Room for one more file, zeroed; *cap is that of the set. PERI_ELIMIT. */
peri_filename_t *peri_fileset_push(peri_fileset_t *set, size_t *cap,
                                   const peri_tablespec_t *spec, peri_arena_t *arena,
                                   peri_err_t *err);
/* By snapshot, number in the set, name. */
void peri_fileset_sort(peri_fileset_t *set);

/* True if b belongs to the numbered set of a. */
bool peri_fileset_same_set(const peri_filename_t *a, const peri_filename_t *b);

/* The numbered set that starts at file `first`: is it whole? `expected` is what a header
 * says, or 0. Only files that a pattern asked for count as missing: "snap.[0-3].hdf5" is
 * whole with four files. *missing gets 0, or how many; then *text (arena) is
 * "442 of 448 files of ... are missing: 6-447" and *example the path of the first. */
void peri_fileset_gaps(const peri_fileset_t *set, size_t first, int64_t expected,
                       peri_arena_t *arena, size_t *missing, const char **text,
                       const char **example);

/* Texts in an arena. */
typedef struct {
    peri_arena_t *arena;
    const char **v;
    size_t n, cap;
} peri_strings_t;
void peri_strings_add(peri_strings_t *s, const char *text);
/* Is one of the path's names ".."? */
bool peri_has_dotdot(const char *path);
/* Split one pattern at its braces: "a{b,c}" -> "ab", "ac". Exposed for the tests. */
int peri_braces_expand(const char *pattern, peri_arena_t *arena, const char *const **out,
                       size_t *n, peri_err_t *err);

#endif
