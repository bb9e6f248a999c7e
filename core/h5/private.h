/* private.h - what the files of core/h5 share. Nobody else includes it.
 *
 * A dataset's element is turned into a flat list of fields once (type.c). Reading is then
 * two steps that know nothing of each other: bring raw elements, laid out as in the file,
 * into a block (cursor.c, filter.c), and convert one field of the block's rows
 * (convert.c).
 */
#ifndef CORE_H5_PRIVATE_H
#define CORE_H5_PRIVATE_H

#include <stdatomic.h>

#include "core/h5/h5.h"

#if PERIGEE_SANITIZED
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable() (void)0
#define __lsan_enable()  (void)0
#endif

/* Blocks end in this many readable bytes, so that any integer may be loaded as 8 bytes.
 */
#define H5_SLACK 16
/* No chunk, block, row or text buffer grows over this. */
#define H5_MAX_BYTES  ((uint64_t)1 << 30)
#define H5_MAX_FIELDS 65536
/* Dims of a value after those that are adjacent in memory have been merged. */
#define H5_MAX_RUNS 8

/* ---- lock.c, guard.c ---- */

/* peri_h5_lock with a note of which file is at work, for the guard's message. `busy` is
 * the CPU time in seconds after which the call counts as an endless loop. */
#define H5_BUSY_META 20 /* opening, listing */
#define H5_BUSY_ONE  3  /* one attribute, one conversion */
void peri_h5_enter(const char *path, unsigned busy);
void peri_h5_leave(void);
/* From here on until the matching leave it is this file. Forget the path before it is
 * freed. */
void peri_h5_now_at(const char *path);
void peri_h5_forget(const char *path);
/* HDF5's own words for the call that just failed in this thread; under the lock. */
const char *peri_h5_why(char buf[256]);

/* What the guard sees of the thread that holds the lock. */
typedef struct {
    _Atomic(const char *) path; /* NULL: nobody is inside */
    atomic_uint busy;
    atomic_int tid;
    atomic_ullong seq; /* one more each time the lock is taken */
} peri_h5_note_t;
extern peri_h5_note_t peri_h5_note;
/* Gives this thread a stack for the crash handler, if the guard is on. */
void peri_h5_guard_thread(void);

/* ---- file.c ---- */

struct peri_h5file {
    atomic_uint refs;
    hid_t hid;
    int fd; /* HDF5's own descriptor: for pread only */
    char *path;
    char *real;
    char *root; /* NULL = no limit */
    uint64_t size;
    int64_t mtime_ns;
    uint64_t inode;
    uint64_t base;          /* bytes before the superblock */
    peri_h5file_t **linked; /* opened through external links; under the lock */
    size_t nlinked;
    char *attrs_path; /* whose attributes were read last; NULL = none; under the lock */
    hid_t attrs_of;   /* that object, still open */
    peri_h5file_t *attrs_in;  /* the file it is in, if that is another one */
    unsigned holds;           /* both under the lock of the list (file.c) */
    peri_h5file_t *next_held; /* while there are any */
};

/* Read exactly n bytes at off, else PERI_EFORMAT (short) or PERI_EIO. */
int peri_h5file_pread(const peri_h5file_t *f, void *buf, size_t n, uint64_t off,
                      peri_err_t *err);

/* Close the object whose attributes were read last (attr.c). Under the lock. */
void peri_h5_attrs_close(peri_h5file_t *f);

/* ---- link.c ---- */

/* Open the object at `path`, following soft and external links ourselves so that the root
 * policy holds. *in: the file it really is in (a new reference). Under the lock. */
hid_t peri_h5_object_open(peri_h5file_t *f, const char *path, peri_h5file_t **in,
                          peri_err_t *err);

/* ---- policy.c ---- */

/* A file that a link, virtual dataset or external storage in f names: its real path
 * (caller frees). PERI_ENOTFOUND: none of the places HDF5 looks in has it; PERI_EDENIED.
 */
char *peri_h5_target(const peri_h5file_t *f, const char *name, peri_err_t *err);
/* The places where HDF5 would look for it, in its order: how many; the caller frees each.
 */
size_t peri_h5_places(const peri_h5file_t *f, const char *name, char *out[4]);
/* The name in the folder of a path; the caller frees. */
char *peri_h5_beside(const char *path, const char *name);
/* The sentence for a file outside of the root; -1. */
int peri_h5_denied(const peri_h5file_t *f, const char *real, peri_err_t *err);

/* ---- sources.c ---- */

/* Do the dataset's virtual sources or external files all lie below the root? Under the
 * lock. */
int peri_h5_storage_check(peri_h5file_t *f, hid_t dcpl, unsigned depth, peri_err_t *err);

/* ---- text.c ---- */

/* Bytes of strings, valid until the next reset; keeps its memory between resets. */
typedef struct h5_blk h5_blk_t;
typedef struct {
    h5_blk_t *head;
    size_t total;
} h5_pool_t;
void peri_h5pool_free(h5_pool_t *p);
void peri_h5pool_reset(h5_pool_t *p);
/* NULL if the pool would grow over H5_MAX_BYTES. 8-byte aligned. */
void *peri_h5pool_alloc(h5_pool_t *p, size_t n);
/* Copy text into the pool as valid UTF-8 (invalid bytes are taken as Latin-1). */
int peri_h5_text(h5_pool_t *p, const char *s, size_t n, peri_str_t *out, peri_err_t *err);

/* ---- heap.c ---- */

#define H5_HEAP_REFERENCE 16u /* bytes of a reference in a file with 8-byte addresses */
typedef struct h5_heap h5_heap_t;
h5_heap_t *peri_h5_heap_new(peri_h5file_t *f); /* f outlives it */
void peri_h5_heap_free(h5_heap_t *h);          /* accepts NULL */
/* The text of a reference, valid until the next call; ends before the first NUL. */
int peri_h5_heap_text(h5_heap_t *h, const uint8_t *reference, const char **text,
                      size_t *len, peri_err_t *err);
/* Can texts of such a dataset be read this way? Under the lock. */
bool peri_h5_heap_fits(hid_t file, hid_t type, hid_t dcpl);

/* ---- type.c ---- */

typedef enum {
    H5_CONV_NONE, /* unreadable */
    H5_CONV_COPY, /* stored = native */
    H5_CONV_SWAP,
    H5_CONV_INT, /* any width, order, bit offset up to 8 bytes */
    H5_CONV_BOOL,
    H5_CONV_HALF,
    H5_CONV_ENUM,
    H5_CONV_FIXED, /* fixed-length string */
    H5_CONV_VAR,   /* char *, made by H5Dread */
    H5_CONV_HEAP,  /* a reference to the global heap */
    H5_CONV_OPAQUE,
    H5_CONV_LIB /* H5Tconvert */
} h5_conv_kind_t;

typedef struct {
    int64_t value;
    peri_str_t name;
} h5_enum_t;

typedef struct {
    h5_conv_kind_t kind;
    peri_type_t to;
    size_t size; /* stored bytes of one value */
    bool big, is_signed;
    uint8_t lshift, rshift; /* H5_CONV_INT: brings the precision out of 64 bits */
    H5T_str_t pad;
    h5_enum_t *enums; /* sorted by value */
    size_t nenums;
    hid_t lib_from, lib_to;
} h5_conv_t;

typedef struct {
    uint64_t n;
    uint64_t stride;
} h5_run_t;

typedef struct {
    h5_conv_t conv;
    uint64_t offset;            /* of the first value in the row */
    h5_run_t runs[H5_MAX_RUNS]; /* outermost first */
    unsigned nruns;             /* 0 = scalar */
} h5_field_t;

typedef struct {
    peri_h5field_t *pub;
    h5_field_t *priv;
    size_t n, cap;
} h5_fields_t;

/* Flatten the element type `type` into fields. dims[0..ndims) are the dataset's after the
 * first, with their strides in a block. Under the lock. */
int peri_h5_fields_make(h5_fields_t *fs, hid_t type, const h5_run_t *dims, unsigned ndims,
                        const char *what, peri_err_t *err);
void peri_h5_fields_free(h5_fields_t *fs); /* under the lock */
/* Does the type hold variable-length data anywhere? 0 no, 's' only strings, 'v' lists or
 * references, which we don't read. */
char peri_h5_type_vlen(hid_t type);
/* A copy of the type (same size and offsets) without what we don't read; negative if
 * nothing is left. */
hid_t peri_h5_type_readable(hid_t type);

/* ---- convert.c ---- */

/* Where texts come from and go to. */
typedef struct {
    h5_pool_t pool;
    h5_heap_t *heap; /* for H5_CONV_HEAP */
} h5_texts_t;

/* One field of nrows rows, the first of which is at `rows`. */
int peri_h5_convert(const h5_field_t *f, const uint8_t *rows, uint64_t row_stride,
                    uint64_t nrows, void *out, h5_texts_t *texts, peri_err_t *err);
/* An integer of a conv of kind INT, BOOL or ENUM; 8 bytes at p are readable. */
int64_t peri_h5_load_int(const h5_conv_t *cv, const uint8_t *p);

/* ---- filter.c ---- */

#define H5_MAX_FILTERS 32
typedef struct {
    int id;
    unsigned param; /* deflate: level; shuffle: element size */
} h5_filter_t;
typedef struct {
    h5_filter_t f[H5_MAX_FILTERS];
    unsigned n;
    bool own; /* all of them are decoded here */
    char *text;
} h5_pipe_t;

/* Reads the pipeline; PERI_EUNSUPP names a filter that is not installed. Under the lock.
 */
int peri_h5pipe_make(h5_pipe_t *p, hid_t dcpl, const char *what, peri_err_t *err);
void peri_h5pipe_free(h5_pipe_t *p);
/* Largest and smallest plausible stored size of a chunk of `raw` bytes. */
uint64_t peri_h5pipe_max_stored(const h5_pipe_t *p, uint64_t raw);
/* Undo the pipeline on len bytes in buf[0]; both buffers hold peri_h5pipe_max_stored
 * bytes. Returns the index of the buffer with the `raw` decoded bytes, or -1. */
int peri_h5pipe_decode(const h5_pipe_t *p, uint32_t mask, uint8_t *buf[2], size_t len,
                       size_t raw, void *inflater, peri_err_t *err);
void *peri_h5_inflater_new(void);
void peri_h5_inflater_free(void *inflater); /* accepts NULL */
void peri_h5_unshuffle(const uint8_t *src, uint8_t *dst, size_t len, size_t elem);

/* ---- lzf.c ---- */

#define H5_FILTER_LZF 32000
bool peri_h5_lzf_decode(const uint8_t *in, size_t len, uint8_t *out, size_t cap,
                        size_t *got);
void peri_h5_lzf_register(void);

/* ---- set.c ---- */

struct peri_h5set {
    atomic_uint refs;
    peri_h5file_t *file; /* the one the data is in */
    char *what;          /* "dataset '/a' in FILE", for messages */
    hid_t dset, space, memtype;
    peri_layout_t layout;
    bool rows_whole; /* chunked, and each chunk holds whole rows */

    uint64_t rows, chunk_rows;
    uint64_t row_bytes;   /* of a row in a block */
    uint64_t raw_bytes;   /* rows as the dataset's shape says */
    uint64_t block_rows;  /* LIBRARY: rows of one H5Dread */
    uint64_t chunk_bytes; /* decoded */
    uint64_t offset;      /* CONTIGUOUS: in the file, or UINT64_MAX */
    uint64_t stored;      /* UINT64_MAX: not yet known */
    unsigned rank;
    hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    size_t elem; /* bytes of an element in a block */
    bool vlen;   /* HDF5 allocates what elements hold */
    bool heap;   /* elements are references to the global heap: heap.c */
    bool btree;  /* chunks are indexed by a version-1 B-tree */
    h5_fields_t fields;
    h5_pipe_t pipe;
    uint8_t *compact; /* COMPACT: all raw bytes */
    uint8_t *fill;    /* one element; NULL = zeros */
    _Atomic(peri_chunkloc_t *) map;
};

/* ---- chunkmap.c ---- */

/* Give the set a map from its B-tree, if that costs little; NULL if not. */
const peri_chunkloc_t *peri_h5set_auto_map(peri_h5set_t *s);

/* ---- btree1.c ---- */

#define H5_HAVE_BTREE1 (!H5_VERSION_GE(1, 12, 0))
/* The chunk map out of a version-1 B-tree, read directly. Fills locs (preset to "not
 * allocated"); -1: not such a dataset, or not to be trusted: ask HDF5. */
int peri_h5_btree1_map(const peri_h5set_t *s, peri_chunkloc_t *locs, uint64_t nchunks,
                       uint64_t *found);

#endif
