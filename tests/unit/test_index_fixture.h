/* A table in memory with awkward values, and its index written without any HDF5 file. */
#ifndef TEST_INDEX_FIXTURE_H
#define TEST_INDEX_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/index/index_private.h"

enum { FX_FILES = 6, FX_ZONE = 500, FX_CHUNKS = 7 };

/* Columns; VX and VZ are components of one vector dataset, M lacks in some files. */
enum { FX_I, FX_U, FX_F, FX_D, FX_B, FX_V, FX_VX, FX_VZ, FX_M, FX_S, FX_NCOLS };

static const struct {
    const char *name, *dataset;
    int component;
    peri_type_t type;
    uint32_t width;
} fx_cols[FX_NCOLS] = {[FX_I] = {"i", "/T/i", -1, PERI_T_I32, 1},
                       [FX_U] = {"u", "/T/u", -1, PERI_T_U64, 1},
                       [FX_F] = {"f", "/T/f", -1, PERI_T_F32, 1},
                       [FX_D] = {"d", "/T/d", -1, PERI_T_F64, 1},
                       [FX_B] = {"b", "/T/b", -1, PERI_T_BOOL, 1},
                       [FX_V] = {"v", "/T/v", -1, PERI_T_F32, 3},
                       [FX_VX] = {"vx", "/T/w", 0, PERI_T_F64, 1},
                       [FX_VZ] = {"vz", "/T/w", 2, PERI_T_F64, 1},
                       [FX_M] = {"m", "/T/m", -1, PERI_T_I64, 1},
                       [FX_S] = {"s", "/T/s", -1, PERI_T_STR, 1}};

typedef struct {
    char dir[64], path[96];
    peri_column_t columns[FX_NCOLS];
    peri_file_t files[FX_FILES];
    char paths[FX_FILES][64], names[FX_FILES][64];
    uint8_t has[FX_FILES][FX_NCOLS];
    peri_table_t table;
    /* values by file; vectors interleaved, both as wide as 3 */
    int32_t *i[FX_FILES];
    uint64_t *u[FX_FILES];
    float *f[FX_FILES], *v[FX_FILES];
    double *d[FX_FILES], *w[FX_FILES];
    uint8_t *b[FX_FILES];
    int64_t *m[FX_FILES];
} fixture_t;

/* Values that drift with the row, so that zones differ, with every special one mixed in.
 */
static double fx_real(uint64_t row)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, -0.0};
    if (row / FX_ZONE % 5 == 2) return NAN; /* whole zones */
    if (row / FX_ZONE % 3 == 1 && lrand48() % 50 == 0) return special[lrand48() % 4];
    return (double)(row / 100) + drand48() * 3 - 20;
}

static void fx_fill(fixture_t *x, int k)
{
    uint64_t n = x->files[k].rows;
    x->i[k] = calloc(n + 1, sizeof(int32_t));
    x->u[k] = calloc(n + 1, sizeof(uint64_t));
    x->f[k] = calloc(n + 1, sizeof(float));
    x->v[k] = calloc(3 * n + 1, sizeof(float));
    x->d[k] = calloc(n + 1, sizeof(double));
    x->w[k] = calloc(3 * n + 1, sizeof(double));
    x->b[k] = calloc(n + 1, 1);
    x->m[k] = calloc(n + 1, sizeof(int64_t));
    for (uint64_t r = 0; r < n; r++) {
        x->i[k][r] = (int32_t)(r / 10) - 100 + (int32_t)(lrand48() % 5);
        x->u[k][r] = UINT64_MAX - r * 1000003u;
        x->f[k][r] = (float)fx_real(r);
        x->d[k][r] = fx_real(r);
        x->b[k][r] = r / FX_ZONE % 2 == 0 && lrand48() % 2 == 0;
        x->m[k][r] = ((int64_t)1 << 60) + (int64_t)r;
        for (int c = 0; c < 3; c++) {
            x->v[k][3 * r + c] = (float)fx_real(r) * (float)(c + 1);
            x->w[k][3 * r + c] = fx_real(r) - 10 * c;
        }
    }
}

static inline const void *fx_values(const fixture_t *x, int k, int col)
{
    switch (col) {
    case FX_I:
        return x->i[k];
    case FX_U:
        return x->u[k];
    case FX_F:
        return x->f[k];
    case FX_D:
        return x->d[k];
    case FX_B:
        return x->b[k];
    case FX_V:
        return x->v[k];
    case FX_M:
        return x->m[k];
    default:
        return x->w[k];
    }
}

static int fx_write_file(const fixture_t *x, int k, peri_idxwriter_t *w, peri_err_t *err)
{
    /* datasets sorted by name; w once for both of its columns */
    static const int order[] = {FX_B, FX_D, FX_F, FX_I, FX_M, FX_S, FX_U, FX_V, FX_VX};
    const peri_file_t *f = &x->files[k];
    peri_chunkloc_t locs[FX_CHUNKS];
    for (int c = 0; c < FX_CHUNKS; c++)
        locs[c] = (peri_chunkloc_t){.offset = 100u + 10u * (unsigned)c, .size = 10};
    locs[3].offset = UINT64_MAX;
    if (peri_idxwriter_file(w, f->path, f->size, f->mtime_ns, f->inode, err)) return -1;
    for (size_t i = 0; i < sizeof order / sizeof *order && f->rows > 0; i++) {
        int col = order[i];
        if (!x->has[k][col]) continue;
        bool string = col == FX_S;
        if (peri_idxwriter_set(w, fx_cols[col].dataset, f->rows, string ? 0 : FX_ZONE,
                               locs, col == FX_F || string ? FX_CHUNKS : 0, err))
            return -1;
        if (string) continue;
        peri_type_t type = fx_cols[col].type;
        uint32_t width = col == FX_V || col == FX_VX ? 3 : 1;
        uint64_t n = peri_idxset_nzones(f->rows, FX_ZONE);
        peri_zone_t *z = calloc(n * width, sizeof *z);
        size_t row_size = width * (type == PERI_T_BOOL                        ? 1
                                   : type == PERI_T_F32 || type == PERI_T_I32 ? 4
                                                                              : 8);
        for (uint64_t q = 0; q < n * width; q++) peri_zone_clear(&z[q], type);
        for (uint64_t q = 0; q < n; q++) {
            uint64_t left = f->rows - q * FX_ZONE;
            peri_zone_add(&z[q], n, type, width,
                          (const char *)fx_values(x, k, col) + q * FX_ZONE * row_size,
                          left < FX_ZONE ? left : FX_ZONE);
        }
        int rc = peri_idxwriter_field(w, "", type, width, z, n, err);
        free(z);
        if (rc) return -1;
    }
    return 0;
}

static int fx_write(const fixture_t *x, const char *path, peri_err_t *err)
{
    uint64_t size;
    peri_idxwriter_t *w = peri_idxwriter_new(path, err);
    if (w == NULL) return -1;
    for (int k = FX_FILES - 1; k >= 0; k--) {
        if (fx_write_file(x, k, w, err)) {
            peri_idxwriter_abort(w);
            return -1;
        }
    }
    return peri_idxwriter_finish(w, &size, err);
}

static fixture_t *fx_new(void)
{
    fixture_t *x = calloc(1, sizeof *x);
    srand48(7);
    snprintf(x->dir, sizeof x->dir, "/tmp/perigee-test-XXXXXX");
    if (mkdtemp(x->dir) == NULL) abort();
    snprintf(x->path, sizeof x->path, "%s/t.pidx", x->dir);
    for (int c = 0; c < FX_NCOLS; c++)
        x->columns[c] = (peri_column_t){.name = fx_cols[c].name,
                                        .dataset = fx_cols[c].dataset,
                                        .field = "",
                                        .component = fx_cols[c].component,
                                        .type = fx_cols[c].type,
                                        .width = fx_cols[c].width};
    static const uint64_t rows[FX_FILES] = {5000, 0, 499, 500, 501, 12345};
    for (int k = 0; k < FX_FILES; k++) {
        snprintf(x->paths[k], sizeof x->paths[k], "/data/snap_%03d/f.%d.hdf5", k / 2, k);
        snprintf(x->names[k], sizeof x->names[k], "snap_%03d/f.%d.hdf5", k / 2, k);
        memset(x->has[k], 1, FX_NCOLS);
        x->has[k][FX_M] = k % 3 != 2;
        x->files[k] = (peri_file_t){.path = x->paths[k],
                                    .name = x->names[k],
                                    .rows = rows[k],
                                    .snapnum = k / 2,
                                    .size = 1000 + (unsigned)k,
                                    .mtime_ns = 77 + k,
                                    .inode = 5 + (unsigned)k,
                                    .has = x->has[k]};
        x->files[k].row0 = x->table.rows;
        x->table.rows += rows[k];
        fx_fill(x, k);
    }
    x->table.name = "test.t";
    x->table.columns = x->columns;
    x->table.ncolumns = FX_NCOLS;
    x->table.files = x->files;
    x->table.nfiles = FX_FILES;
    x->table.has_snapnum = true;
    x->table.refs = 1;
    peri_err_t err;
    if (fx_write(x, x->path, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return x;
}

static void fx_free(fixture_t *x)
{
    for (int k = 0; k < FX_FILES; k++) {
        free(x->i[k]);
        free(x->u[k]);
        free(x->f[k]);
        free(x->v[k]);
        free(x->d[k]);
        free(x->w[k]);
        free(x->b[k]);
        free(x->m[k]);
    }
    unlink(x->path);
    rmdir(x->dir);
    free(x);
}

/* ---- random conditions, and what they truly select ---- */

enum { FX_MAX_VALUES = 4 };
enum { FX_FILE = FX_NCOLS, FX_ROW, FX_SNAPNUM, FX_NTARGETS };

typedef struct {
    peri_pred_t pred;
    peri_const_t values[FX_MAX_VALUES];
    int target; /* FX_I.. or FX_FILE.. */
} cond_t;

static inline void fx_random_const(const fixture_t *x, int target, peri_const_t *c)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 1e300};
    *c = (peri_const_t){.kind = PERI_CONST_INT};
    int k = (int)(lrand48() % FX_FILES);
    uint64_t rows = x->files[k].rows, r = rows ? (uint64_t)lrand48() % rows : 0;
    bool real = lrand48() % 2;
    switch (target) {
    case FX_I:
        c->i = x->i[k][r] + lrand48() % 3 - 1;
        break;
    case FX_U:
        c->i = (__int128)x->u[k][r] + lrand48() % 2;
        break;
    case FX_M:
        c->i = ((__int128)1 << 60) + lrand48() % 14000;
        break;
    case FX_ROW:
        c->i = lrand48() % 13000 - 100;
        break;
    case FX_SNAPNUM:
        c->i = lrand48() % 4;
        break;
    case FX_B:
        c->kind = PERI_CONST_BOOL;
        c->i = lrand48() % 2;
        return;
    case FX_FILE:
        c->kind = PERI_CONST_STR;
        c->s = x->names[k];
        return;
    case FX_S:
        c->kind = PERI_CONST_STR;
        c->s = "text";
        return;
    case FX_F:
        c->d = x->f[k][r];
        break;
    default:
        c->d = x->d[k][r];
    }
    bool is_int = target == FX_I || target == FX_U || target == FX_M ||
                  target == FX_ROW || target == FX_SNAPNUM;
    if (is_int && real && target != FX_U && target != FX_M) {
        c->kind = PERI_CONST_REAL;
        c->d = (double)c->i + (lrand48() % 3 - 1) * 0.5;
    } else if (!is_int) {
        c->kind = PERI_CONST_REAL;
        if (lrand48() % 10 == 0) c->d = special[lrand48() % 5];
        if (lrand48() % 10 == 0) {
            c->kind = PERI_CONST_INT;
            c->i = lrand48() % 140 - 20;
        }
    }
}

static inline void fx_random_cond(const fixture_t *x, cond_t *c)
{
    memset(c, 0, sizeof *c);
    c->target = (int)(lrand48() % FX_NTARGETS);
    static const char *const virtuals[] = {"file", "row", "snapnum"};
    c->pred.column =
        c->target < FX_NCOLS ? fx_cols[c->target].name : virtuals[c->target - FX_NCOLS];
    c->pred.component = c->target == FX_V ? (int)(lrand48() % 3) : -1;
    c->pred.op = (peri_op_t)(lrand48() % 6);
    c->pred.nvalues =
        c->pred.op == PERI_OP_IN ? 1 + (size_t)lrand48() % FX_MAX_VALUES : 1;
    c->pred.values = c->values;
    for (size_t i = 0; i < c->pred.nvalues; i++)
        fx_random_const(x, c->target, &c->values[i]);
}

static inline bool fx_compare(peri_op_t op, int order)
{
    switch (op) {
    case PERI_OP_LT:
        return order < 0;
    case PERI_OP_LE:
        return order <= 0;
    case PERI_OP_GE:
        return order >= 0;
    case PERI_OP_GT:
        return order > 0;
    case PERI_OP_NEVER:
        return false;
    default:
        return order == 0;
    }
}

/* As DuckDB orders reals: NaN above all, equal to itself. */
static inline int fx_order(double a, double b)
{
    if (isnan(a) || isnan(b)) return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static inline bool fx_true_const(const fixture_t *x, const cond_t *c,
                                 const peri_const_t *v, int k, uint64_t r)
{
    peri_op_t op = c->pred.op;
    __int128 i = 0;
    double d = 0;
    bool is_int = true;
    switch (c->target) {
    case FX_I:
        i = x->i[k][r];
        break;
    case FX_U:
        i = x->u[k][r];
        break;
    case FX_B:
        i = x->b[k][r];
        break;
    case FX_M:
        if (!x->has[k][FX_M]) return false;
        i = x->m[k][r];
        break;
    case FX_ROW:
        i = r;
        break;
    case FX_SNAPNUM:
        i = x->files[k].snapnum;
        break;
    case FX_FILE:
        return fx_compare(op, strcmp(x->names[k], v->s));
    case FX_S:
        return true;
    default:
        is_int = false;
        d = c->target == FX_F   ? x->f[k][r]
            : c->target == FX_D ? x->d[k][r]
            : c->target == FX_V ? x->v[k][3 * r + (unsigned)c->pred.component]
                                : x->w[k][3 * r + (unsigned)fx_cols[c->target].component];
    }
    if (is_int && v->kind != PERI_CONST_REAL)
        return fx_compare(op, (i > v->i) - (i < v->i));
    if (is_int) return fx_compare(op, fx_order((double)i, v->d));
    double cd = v->kind == PERI_CONST_INT ? (double)v->i : v->d;
    if (fx_compare(op, fx_order(d, cd))) return true;
    /* DuckDB may also round the constant to the column's type. */
    return fx_cols[c->target].type == PERI_T_F32 &&
           fx_compare(op, fx_order(d, (float)cd));
}

static inline bool fx_true(const fixture_t *x, const cond_t *c, int k, uint64_t r)
{
    for (size_t i = 0; i < c->pred.nvalues; i++)
        if (fx_true_const(x, c, &c->values[i], k, r)) return true;
    return false;
}

#endif
