/* resolve.h - what resolve.c (reads files) hands to settle.c (makes the table). Private
 * to these two.
 */
#ifndef CORE_TABLE_RESOLVE_H
#define CORE_TABLE_RESOLVE_H

#include "core/table/fileset.h"
#include "core/table/limits.h"
#include "core/table/members.h"
#include "core/table/units.h"

/* A column in the making: one field of one dataset. */
typedef struct {
    const char *source; /* what a descriptor calls it: see peri_colspec_t */
    const char *dataset, *field;
    peri_type_t type; /* 0: not readable anywhere yet */
    uint32_t width;
    const char *stored_as;
    const char *why_not; /* left out, because ... */
    size_t first_file;   /* where the type is from */
    bool has_rows;       /* seen in a file with rows */
    bool mixed;          /* files with rows have it in several widths */
    peri_meaning_t meaning;
} cand_t;

typedef struct {
    uint64_t rows, size, inode;
    int64_t mtime_ns;
    uint8_t *has; /* one flag a candidate, malloc'd; NULL = none */
    size_t nhas;  /* later candidates: not there */
} resolved_file_t;

typedef struct {
    const peri_tablespec_t *spec;
    const peri_adapter_t *adapter;
    peri_arena_t *scratch;
    peri_members_t *members;
    peri_fileset_t set;
    resolved_file_t *files;
    size_t nfiles; /* files of the table: the first of the set's */
    size_t files_without_path;
    cand_t *cands;
    size_t ncands, cands_cap, hint;
    peri_unitsystem_t units;
    double box_size, mass; /* mass: the header's, of all particles of this type */
    const char *notes[PERI_MAX_NOTES + 1];
    size_t nnotes;
} peri_resolver_state_t;

/* Adds the note (scratch memory) once. */
void peri_resolve_note(peri_resolver_state_t *r, const char *text);

/* The table, in its own arena. May have no columns. */
peri_table_t *peri_resolve_settle(peri_resolver_state_t *r, peri_err_t *err);

#endif
