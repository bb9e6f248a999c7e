/* view.h - what the files of perigee-h5 share: it answers one question about one HDF5
 * file, which is not trusted, and ends.
 *
 * One thread. Everything that looks into the file runs behind the wall (wall.c): from
 * then on the process has its memory and two descriptors, and opens nothing.
 */
#ifndef PORTAL_H5_VIEW_VIEW_H
#define PORTAL_H5_VIEW_VIEW_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "perigee/err.h"
#include "portal/h5/view/select.h"
#include "portal/h5/view/status.h"

#define PERI_H5VIEW_ANSWER  (256u << 20) /* bytes of an answer */
#define PERI_H5VIEW_MEMORY  (1536u << 20)
#define PERI_H5VIEW_ENTRIES 10000 /* attributes of an object, and children at once */
#define PERI_H5VIEW_DEPTH   8     /* of types in types, and of groups in `meta` */

/* ---- the wall (wall.c) ---- */

/* Limits of memory and time, no descriptor but 0, 1 and `file`. */
int peri_h5view_limits(int file, peri_err_t *err);
/* From here on no system call but those that compute, read and write. */
int peri_h5view_wall(peri_err_t *err);

/* ---- the file (file.c) ---- */

/* Opens what the descriptor holds; nothing else can be opened through it. name: for
 * sentences. */
hid_t peri_h5view_open(int fd, uint64_t size, const char *name, peri_err_t *err);
/* *err from HDF5's innermost complaint: "WHAT: ..."; returns -1. */
int peri_h5view_fail(peri_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- the answer (out.c) ---- */

/* All that is written counts; more than PERI_H5VIEW_ANSWER is an error at the end. */
typedef struct {
    int fd;
    uint64_t sent;
    bool failed;
    bool inside; /* of type.c: the { is there already */
    peri_buf_t buf;
} peri_h5out_t;
void peri_h5out_init(peri_h5out_t *o, int fd);
void peri_h5out_bytes(peri_h5out_t *o, const void *p, size_t n);
void peri_h5out_text(peri_h5out_t *o, const char *s);
void peri_h5out_number(peri_h5out_t *o, int64_t v);
void peri_h5out_real(peri_h5out_t *o, double v);                  /* null if not finite */
void peri_h5out_string(peri_h5out_t *o, const char *s, size_t n); /* as JSON */
void peri_h5out_key(peri_h5out_t *o, const char *key);            /* "key": */
int peri_h5out_end(peri_h5out_t *o, peri_err_t *err);

/* ---- types (type.c) ---- */

/* {"class": ..., "size": ...} as H5Web reads it. */
void peri_h5type_json(peri_h5out_t *o, hid_t type, int depth);
/* numpy's name of it, in Python's syntax ("'<f8'", "[('a', '<i4')]"); false: none. */
bool peri_h5type_numpy(peri_buf_t *b, hid_t type, int depth);
/* {"FALSE", "TRUE"}, as h5py writes it. */
bool peri_h5type_is_bool(hid_t type);
/* A type of this machine that browsers have arrays for. -1: not a number. */
hid_t peri_h5type_safe(hid_t type);
bool peri_h5type_is_plain(hid_t type); /* no variable length, no references */

/* ---- values (value.c) ---- */

/* A type in memory, taken apart once. */
typedef struct peri_h5value peri_h5value_t;
/* NULL: *err. type: of memory, the caller's. */
peri_h5value_t *peri_h5value_new(hid_t type, hid_t file, peri_arena_t *a,
                                 peri_err_t *err);
void peri_h5value_json(peri_h5out_t *o, const peri_h5value_t *v, const void *p);
/* Integers, floats, enumerations and bits only. */
double peri_h5value_real(const peri_h5value_t *v, const void *p);
bool peri_h5value_is_number(const peri_h5value_t *v);
bool peri_h5value_is_float(const peri_h5value_t *v);
/* The type of memory for JSON, to be closed. */
hid_t peri_h5value_type(hid_t stored, peri_err_t *err);

/* JSON of an array, element by element. */
typedef struct {
    peri_h5out_t *o;
    const peri_h5value_t *v;
    size_t rank; /* 0: a scalar */
    uint64_t dims[PERI_H5SELECT_DIMS], at[PERI_H5SELECT_DIMS];
    uint64_t done;
    size_t size; /* of an element in memory, for who calls _put */
} peri_h5array_t;
void peri_h5array_put(peri_h5array_t *a, const void *p, size_t n, size_t size);
/* Where there are no elements at all. */
void peri_h5array_empty(const peri_h5array_t *a);

/* ---- reading (read.c) ---- */

typedef int (*peri_h5block_f)(void *ctx, const void *p, size_t n, peri_err_t *err);
/* The part of a dataset in C order, in blocks of some megabytes. */
int peri_h5read(hid_t set, hid_t memory, const peri_h5part_t *part, const char *name,
                peri_h5block_f f, void *ctx, peri_err_t *err);
/* It can be read: its filters are here, its data in this file. */
int peri_h5read_check(hid_t set, const char *name, peri_err_t *err);

/* ---- questions (meta.c, data.c) ---- */

typedef enum { PERI_H5LINKS_VALID, PERI_H5LINKS_ALL, PERI_H5LINKS_NONE } peri_h5links_t;
typedef struct {
    const char *file; /* its name, for sentences */
    const char *path; /* in the file */
    const char *selection, *format, *dtype;
    bool flatten;
    peri_h5links_t links;
    int depth;
    uint64_t from, limit; /* children */
    const char *const *keys;
    size_t nkeys; /* 0: all attributes */
    peri_arena_t *arena;
} peri_h5ask_t;

typedef int (*peri_h5answer_f)(hid_t file, const peri_h5ask_t *q, peri_h5out_t *o,
                               peri_err_t *err);
int peri_h5view_meta(hid_t, const peri_h5ask_t *, peri_h5out_t *, peri_err_t *);
int peri_h5view_attr(hid_t, const peri_h5ask_t *, peri_h5out_t *, peri_err_t *);
int peri_h5view_paths(hid_t, const peri_h5ask_t *, peri_h5out_t *, peri_err_t *);
int peri_h5view_data(hid_t, const peri_h5ask_t *, peri_h5out_t *, peri_err_t *);
int peri_h5view_stats(hid_t, const peri_h5ask_t *, peri_h5out_t *, peri_err_t *);

/* The object at q->path. *link: it is a link that is not followed, described by
 * `meta`; otherwise the id (H5Oclose). -1: *err. */
hid_t peri_h5view_object(hid_t file, const peri_h5ask_t *q, bool *link, peri_err_t *err);

#endif
