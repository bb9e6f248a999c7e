/* hdf5.h - what hdf5.c, which writes new files, and h5extend.c, which lets rows go behind
 * those of an old one, share. Calls on HDF5 are made under its lock.
 */
#ifndef CORE_OUT_HDF5_H
#define CORE_OUT_HDF5_H

#include <hdf5.h>

#include "core/out/binary.h"
#include "core/out/format.h"

typedef struct {
    peri_binary_t kind;
    size_t width; /* numbers a row */
    size_t item;  /* bytes a row in `data` */
    const char *link;
    char *data;     /* chunk_rows rows; texts as char * */
    uint8_t *nulls; /* chunk_rows * width flags */
    bool has_null;  /* in the rows collected */
    bool vector;
    hid_t type, set, mask;
} column_t;

typedef struct {
    hid_t file, nulls; /* the group */
    const char *const *links;
    column_t *cols;
    size_t room_rows;  /* of each column's data */
    size_t chunk_rows; /* of the file's chunks: never more */
    size_t widest;     /* bytes of a row of the widest column of numbers */
    size_t fill;       /* rows collected */
    size_t kept;       /* of them: first ones that the file has already. Texts have no
                          data there */
    uint64_t written;
    bool created; /* the datasets */
    struct libdeflate_compressor *deflate;
    char *shuffled, *packed; /* room for the largest chunk */
    size_t room;
    uint64_t texts, heap; /* that were written, and their bytes */
    uint64_t bytes; /* of an extended file: all that is neither of its values nor of new
                       texts */
    peri_buf_t text;
} hdf5_t;

/* ---- hdf5.c ---- */

/* w->state, without buffers and file. */
hdf5_t *peri_h5_state_new(peri_writer_t *w);
hid_t peri_h5_file_type(peri_binary_t k); /* the caller's */
/* Right after the call that failed: its reason. */
int peri_h5_fail(const peri_writer_t *w, peri_err_t *err);

/* ---- h5extend.c ---- */

bool peri_h5_can_extend(peri_writer_t *w, const char *path);
void peri_h5_settle(peri_writer_t *w, const char *path);
/* The target as a copy of w->opts.extends; the rows of its last chunk, if that is not
 * full, are collected anew. Not under the lock. */
int peri_h5_extend(peri_writer_t *w, hdf5_t *h, peri_err_t *err);
/* Before the first rows are written: room of the chunk that is replaced. */
int peri_h5_extend_begin(const peri_writer_t *w, hdf5_t *h);
/* After the last ones. Not under the lock. */
int peri_h5_extend_end(peri_writer_t *w, hdf5_t *h, peri_err_t *err);

#endif
