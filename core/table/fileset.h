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
    peri_nameparts_t parts;
} peri_filename_t;

typedef struct {
    peri_filename_t *files; /* sorted: snapnum, then number in the set, then name */
    size_t nfiles;
    const char *const *patterns; /* absolute, without braces */
    size_t npatterns;
    const char *base; /* absolute folder that relative patterns start from */
} peri_fileset_t;

/* All memory is the arena's. Errors: PERI_ENOTFOUND if a pattern fits no file,
 * PERI_EDENIED if one leads out of spec->root, PERI_EINVAL, PERI_ELIMIT. */
int peri_fileset_find(const peri_tablespec_t *spec, peri_arena_t *arena,
                      peri_fileset_t *out, peri_err_t *err);

/* True if b belongs to the numbered set of a. */
bool peri_fileset_same_set(const peri_filename_t *a, const peri_filename_t *b);

/* The numbered set that starts at file `first`: is it whole? `expected` is what a header
 * says, or 0. Only files that a pattern asked for count as missing: "snap.[0-3].hdf5" is
 * whole with four files. *missing gets 0, or how many; then *text (arena) is
 * "442 of 448 files of ... are missing: 6-447" and *example the path of the first. */
void peri_fileset_gaps(const peri_fileset_t *set, size_t first, int64_t expected,
                       peri_arena_t *arena, size_t *missing, const char **text,
                       const char **example);

/* Split one pattern at its braces: "a{b,c}" -> "ab", "ac". Exposed for the tests. */
int peri_braces_expand(const char *pattern, peri_arena_t *arena, const char *const **out,
                       size_t *n, peri_err_t *err);

#endif
