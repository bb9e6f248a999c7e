/* members.h - the datasets of one group of one file, as columns with their lengths. Types
 * seen in earlier files are remembered, so that for the next file of a set only shapes
 * and types have to be compared. One thread; takes HDF5's lock itself. Private to
 * core/table.
 */
#ifndef CORE_TABLE_MEMBERS_H
#define CORE_TABLE_MEMBERS_H

#include "core/base/arena.h"
#include "core/h5/h5.h"

typedef struct {
    const char *name; /* "" for the element itself, else the member path of a compound */
    peri_type_t type; /* 0: cannot be read, because of why_not */
    const char *why_not;
    uint32_t width;
    const char *stored_as;
} peri_memberfield_t;

typedef struct {
    const char *name;    /* of the dataset in the group; "" if the path is the dataset */
    const char *dataset; /* its path in the file */
    uint64_t rows;
    const peri_memberfield_t *fields;
    size_t nfields;
    bool compound;
    uint32_t ndims;      /* of the dataset */
    uint64_t chunk_rows; /* of the first dataset of this name and type; 0 = no chunks */
    const char *why_not; /* the dataset cannot be opened: nfields is 0 */
} peri_member_t;

typedef struct peri_members peri_members_t;

/* Strings of all files read live in the arena. */
peri_members_t *peri_members_new(peri_arena_t *arena);
void peri_members_free(peri_members_t *m); /* accepts NULL; before the arena */

/* Datasets at `path`, a group or a dataset, sorted by name; valid until the next read,
 * and the caller may order them anew. 0, or 1 if there is nothing at the path, or -1:
 * PERI_EDENIED (a link out of the allowed tree), PERI_EFORMAT, PERI_EIO, PERI_ELIMIT. A
 * dataset that is sound but cannot be read is listed with why_not. */
int peri_members_read(peri_members_t *m, peri_h5file_t *f, const char *path,
                      peri_member_t **out, size_t *n, peri_err_t *err);

/* The number of rows of a group: the length that more than half of its datasets have; a
 * group with two lengths equally often has none (false). No datasets: 0 rows. */
bool peri_members_rows(const peri_member_t *v, size_t n, uint64_t *rows);

/* Why a dataset cannot be a column of its group, or NULL: it is a field on a grid, or a
 * scalar beside the columns. */
const char *peri_member_not_a_column(const peri_member_t *m);

/* "/a/b" from "/a" and "b". */
const char *peri_path_join(peri_arena_t *arena, const char *group, const char *name);

#endif
