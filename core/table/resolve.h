/* resolve.h - what resolve.c (reads files) or survey.c (hears of them from other nodes)
 * hands to settle.c (makes the table). Private to these.
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
    uint64_t chunk_rows;
    const char *sql_type; /* that all files with rows name; "" if none does */
    bool sql_mixed;       /* they name several: the stored type counts */
    bool nullable;        /* a file has a mask of its NULLs */
    peri_meaning_t meaning;
} cand_t;

/* One field as one file has it. */
typedef struct {
    peri_type_t type;
    uint32_t width;
    const char *stored_as;
    const char *why_not; /* it cannot be a column; else NULL */
    uint64_t chunk_rows;
    const char *sql_type; /* as the file says it, or "" */
    bool has_mask;
} sight_t;

typedef struct {
    uint64_t rows, size, inode;
    int64_t mtime_ns;
    int64_t expected; /* files of its set as its header says, or 0 */
    bool read, no_path;
    uint8_t *has; /* one flag a candidate, malloc'd; NULL = none */
    size_t nhas;  /* later candidates: not there */
} resolved_file_t;

/* Told of each field of each file, in order. */
typedef struct {
    void (*sight)(void *arg, size_t file, size_t cand, const sight_t *s);
    void *arg;
} peri_watch_t;

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
    const peri_watch_t *watch; /* or NULL */
    const char *const *hosts;  /* that were asked */
    size_t nhosts;
} peri_resolver_state_t;

void peri_resolve_init(peri_resolver_state_t *r, const peri_tablespec_t *spec);
void peri_resolve_clear(peri_resolver_state_t *r);
/* Find the files and read them. */
int peri_resolve_read(peri_resolver_state_t *r, peri_err_t *err);

/* Is the numbered set that starts at file i whole? Its `expected` must be known. */
int peri_resolve_check_set(peri_resolver_state_t *r, size_t i, peri_err_t *err);
/* The candidate of this field, or SIZE_MAX. */
size_t peri_resolve_find(peri_resolver_state_t *r, const char *dataset,
                         const char *field);
/* A new one; strings are kept. */
size_t peri_resolve_add(peri_resolver_state_t *r, const char *source, const char *dataset,
                        const char *field, const peri_meaning_t *meaning);
/* File i has it so. files[i].has must have room for all candidates. */
int peri_resolve_take(peri_resolver_state_t *r, size_t i, size_t cand, const sight_t *s,
                      peri_err_t *err);
/* After all files: the table, or why there is none. */
peri_table_t *peri_resolve_finish(peri_resolver_state_t *r, peri_err_t *err);

/* Adds the note (scratch memory) once. */
void peri_resolve_note(peri_resolver_state_t *r, const char *text);

/* The table, in its own arena. May have no columns. */
peri_table_t *peri_resolve_settle(peri_resolver_state_t *r, peri_err_t *err);

#endif
