/* space.c - the functions of space.h, as vectorised scalar functions of DuckDB.
 *
 * DuckDB hands over whole vectors (2,048 rows). They are worked through in tiles: the
 * arguments of a tile become arrays of double, one for each axis, so that the loops over
 * them are SIMD code without branches; what is left of a call's cost is DuckDB's own.
 *
 * All arithmetic is in double, in one order, whatever the vector's length: the same row
 * gives the same bits on any number of ranks. NULL in any argument, or in a component of
 * a vector, gives NULL. NaN lies in no box and no sphere. A box length that is not a
 * positive number is an error, as it is a slip of the pen in any query.
 *
 * Threads: no state; DuckDB calls from all of its threads.
 */
#include "core/engine/space.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/curve.h"

#define TILE     256
#define MAX_ARGS 4

typedef enum { KIND_F32, KIND_F64, KIND_F64_SCALAR, KIND_I64 } kind_t;

/* One argument of a call, all its rows. */
typedef struct {
    kind_t kind;
    const void *data;
    uint64_t *valid, *parts_valid; /* NULL: all are */
} arg_t;

typedef struct call {
    duckdb_function_info info;
    idx_t nargs;
    arg_t args[MAX_ARGS];
    uint64_t *valid; /* of the result; NULL until something is NULL */
    duckdb_vector out;
    const char *name;
} call_t;

typedef double tile_t[3][TILE];

/* ---- arguments ---- */

/* Rows [row0, row0 + n) of a vector argument, or of a scalar one for all three axes. */
static void fetch(const arg_t *a, idx_t row0, idx_t n, tile_t out)
{
    if (a->kind == KIND_F64_SCALAR) {
        const double *v = (const double *)a->data + row0;
        for (int d = 0; d < 3; d++) memcpy(out[d], v, n * sizeof *v);
    } else if (a->kind == KIND_F32) {
        const float *v = (const float *)a->data + 3 * row0;
        for (idx_t i = 0; i < n; i++)
            for (int d = 0; d < 3; d++) out[d][i] = (double)v[3 * i + (idx_t)d];
    } else {
        const double *v = (const double *)a->data + 3 * row0;
        for (idx_t i = 0; i < n; i++)
            for (int d = 0; d < 3; d++) out[d][i] = v[3 * i + (idx_t)d];
    }
}

static bool is_valid(const uint64_t *mask, idx_t i)
{
    return !mask || mask[i / 64] >> (i % 64) & 1;
}

static bool row_is_valid(const call_t *c, idx_t i)
{
    for (idx_t k = 0; k < c->nargs; k++) {
        const arg_t *a = &c->args[k];
        if (!is_valid(a->valid, i)) return false;
        for (idx_t d = 0; a->parts_valid && d < 3; d++)
            if (!is_valid(a->parts_valid, 3 * i + d)) return false;
    }
    return true;
}

static void set_null(call_t *c, idx_t i)
{
    if (!c->valid) {
        duckdb_vector_ensure_validity_writable(c->out);
        c->valid = duckdb_vector_get_validity(c->out);
    }
    duckdb_validity_set_row_invalid(c->valid, i);
}

static bool is_null(const call_t *c, idx_t i)
{
    return !is_valid(c->valid, i);
}

static void begin(call_t *c, duckdb_data_chunk in, idx_t n)
{
    bool any = false;
    for (idx_t k = 0; k < c->nargs; k++) {
        arg_t *a = &c->args[k];
        duckdb_vector v = duckdb_data_chunk_get_vector(in, k);
        a->valid = duckdb_vector_get_validity(v);
        if (a->kind == KIND_F32 || a->kind == KIND_F64) {
            v = duckdb_array_vector_get_child(v);
            a->parts_valid = duckdb_vector_get_validity(v);
        }
        a->data = duckdb_vector_get_data(v);
        any = any || a->valid || a->parts_valid;
    }
    for (idx_t i = 0; any && i < n; i++)
        if (!row_is_valid(c, i)) set_null(c, i);
}

static void fail(call_t *c, const char *what, double value)
{
    char text[200];
    snprintf(text, sizeof text, "%s: %s, not %g", c->name, what, value);
    duckdb_scalar_function_set_error(c->info, text);
}

/* The box's lengths; false after an error. */
static bool fetch_box(call_t *c, const arg_t *a, idx_t row0, idx_t n, tile_t box)
{
    fetch(a, row0, n, box);
    for (int d = 0; d < (a->kind == KIND_F64_SCALAR ? 1 : 3); d++)
        for (idx_t i = 0; i < n; i++) {
            if ((box[d][i] > 0 && box[d][i] < INFINITY) || is_null(c, row0 + i)) continue;
            fail(c, "the length of the periodic box must be a positive number",
                 box[d][i]);
            return false;
        }
    return true;
}

/* ---- distances ---- */

/* To the nearest integer: beyond 2^52 a double has no fraction, so adding and taking away
 * 1.5 * 2^52 rounds, without a call of a function. */
static inline double nearest(double q)
{
    const double big = 6755399441055744.0;
    return (q + big) - big;
}

static inline double floor_of(double q)
{
    double r = nearest(q);
    return r - (r > q ? 1. : 0.);
}

static void square_distances(const tile_t a, const tile_t b, const tile_t box, idx_t n,
                             double *out)
{
    if (box) {
        for (idx_t i = 0; i < n; i++) {
            double dx = a[0][i] - b[0][i], dy = a[1][i] - b[1][i], dz = a[2][i] - b[2][i];
            dx -= box[0][i] * nearest(dx / box[0][i]);
            dy -= box[1][i] * nearest(dy / box[1][i]);
            dz -= box[2][i] * nearest(dz / box[2][i]);
            out[i] = dx * dx + dy * dy + dz * dz;
        }
    } else {
        for (idx_t i = 0; i < n; i++) {
            double dx = a[0][i] - b[0][i], dy = a[1][i] - b[1][i], dz = a[2][i] - b[2][i];
            out[i] = dx * dx + dy * dy + dz * dz;
        }
    }
}

/* distance(a, b [, box]) and in_sphere(a, centre, radius [, box]). */
static void distances(call_t *c, idx_t n, bool sphere)
{
    tile_t a, b, box;
    double d2[TILE];
    const idx_t ibox = sphere ? 3 : 2;
    const bool periodic = c->nargs > ibox;
    bool *inside = duckdb_vector_get_data(c->out);
    double *out = duckdb_vector_get_data(c->out);
    for (idx_t row = 0; row < n; row += TILE) {
        const idx_t m = n - row < TILE ? n - row : TILE;
        fetch(&c->args[0], row, m, a);
        fetch(&c->args[1], row, m, b);
        if (periodic && !fetch_box(c, &c->args[ibox], row, m, box)) return;
        square_distances(a, b, periodic ? (const double(*)[TILE])box : NULL, m, d2);
        if (sphere) {
            const double *r = (const double *)c->args[2].data + row;
            for (idx_t i = 0; i < m; i++)
                inside[row + i] = (r[i] >= 0) & (d2[i] <= r[i] * r[i]);
        } else {
            for (idx_t i = 0; i < m; i++) out[row + i] = sqrt(d2[i]);
        }
    }
}

static void run_distance(call_t *c, idx_t n)
{
    distances(c, n, false);
}

static void run_in_sphere(call_t *c, idx_t n)
{
    distances(c, n, true);
}

/* ---- boxes ---- */

/* Adds to outside[i] if x[i] lies outside of the range along this axis. Numbers, not
 * truth values: with those the compiler makes no SIMD code. */
static void count_outside(const double *x, const double *lo, const double *hi,
                          const double *box, idx_t n, double *outside)
{
    if (!box) {
        for (idx_t i = 0; i < n; i++)
            outside[i] += (x[i] >= lo[i] ? 0. : 1.) + (x[i] <= hi[i] ? 0. : 1.);
        return;
    }
    double t[TILE]; /* from the lower bound upwards, in the box: 0 <= t */
    for (idx_t i = 0; i < n; i++) {
        double d = x[i] - lo[i];
        t[i] = d - box[i] * floor_of(d / box[i]);
    }
    for (idx_t i = 0; i < n; i++) {
        double width = hi[i] - lo[i];
        bool in = (t[i] <= width) | ((width >= box[i]) & (x[i] - x[i] == 0));
        outside[i] += in ? 0. : 1.;
    }
}

static void run_in_box(call_t *c, idx_t n)
{
    tile_t x, lo, hi, box;
    double outside[TILE];
    const bool periodic = c->nargs > 3;
    bool *in = duckdb_vector_get_data(c->out);
    for (idx_t row = 0; row < n; row += TILE) {
        const idx_t m = n - row < TILE ? n - row : TILE;
        fetch(&c->args[0], row, m, x);
        fetch(&c->args[1], row, m, lo);
        fetch(&c->args[2], row, m, hi);
        if (periodic && !fetch_box(c, &c->args[3], row, m, box)) return;
        memset(outside, 0, sizeof outside);
        for (int d = 0; d < 3; d++)
            count_outside(x[d], lo[d], hi[d], periodic ? box[d] : NULL, m, outside);
        for (idx_t i = 0; i < m; i++) in[row + i] = outside[i] == 0;
    }
}

/* ---- cells ---- */

/* The cell of x if n cells fill the box, which is periodic; false: x is no number. */
static bool find_cell(double x, double n, double box, int64_t *cell)
{
    /* As GADGET and Millennium do it: a factor first, then one product. */
    double i = floor(x * (n / box));
    if (!isfinite(i)) return false;
    i = fmod(i, n);
    *cell = (int64_t)(i < 0 ? i + n : i);
    return true;
}

/* cell(x, n, box) */
static void run_cell(call_t *c, idx_t n)
{
    const double *x = c->args[0].data, *box = c->args[2].data;
    const int64_t *cells = c->args[1].data;
    int64_t *out = duckdb_vector_get_data(c->out);
    for (idx_t i = 0; i < n; i++) {
        if (is_null(c, i)) continue;
        if (cells[i] < 1 || cells[i] > INT32_MAX) {
            fail(c, "the number of cells must be 1 to 2147483647", (double)cells[i]);
            return;
        }
        if (!(box[i] > 0 && box[i] < INFINITY)) {
            fail(c, "the length of the periodic box must be a positive number", box[i]);
            return;
        }
        if (!find_cell(x[i], (double)cells[i], box[i], &out[i])) set_null(c, i);
    }
}

typedef uint64_t (*curve_f)(uint32_t x, uint32_t y, uint32_t z, int bits);

static bool check_bits(call_t *c, int64_t bits)
{
    if (bits >= 1 && bits <= PERI_CURVE_BITS) return true;
    fail(c, "the number of bits must be 1 to 21", (double)bits);
    return false;
}

/* key(pos, bits, box) */
static void keys_of_positions(call_t *c, idx_t n, curve_f key)
{
    tile_t x, box;
    const int64_t *bits = c->args[1].data;
    int64_t *out = duckdb_vector_get_data(c->out);
    for (idx_t row = 0; row < n; row += TILE) {
        const idx_t m = n - row < TILE ? n - row : TILE;
        fetch(&c->args[0], row, m, x);
        if (!fetch_box(c, &c->args[2], row, m, box)) return;
        for (idx_t i = 0; i < m; i++) {
            if (is_null(c, row + i)) continue;
            if (!check_bits(c, bits[row + i])) return;
            const double cells = (double)(1 << bits[row + i]);
            int64_t at[3];
            bool known = true;
            for (int d = 0; d < 3; d++)
                known = known && find_cell(x[d][i], cells, box[d][i], &at[d]);
            if (known)
                out[row + i] = (int64_t)key((uint32_t)at[0], (uint32_t)at[1],
                                            (uint32_t)at[2], (int)bits[row + i]);
            else
                set_null(c, row + i);
        }
    }
}

/* key(ix, iy, iz, bits) */
static void keys_of_cells(call_t *c, idx_t n, curve_f key)
{
    const int64_t *v[4];
    for (int k = 0; k < 4; k++) v[k] = c->args[k].data;
    int64_t *out = duckdb_vector_get_data(c->out);
    for (idx_t i = 0; i < n; i++) {
        if (is_null(c, i)) continue;
        if (!check_bits(c, v[3][i])) return;
        for (int k = 0; k < 3; k++) {
            if (v[k][i] >= 0 && v[k][i] < (int64_t)1 << v[3][i]) continue;
            fail(c, "cells are counted from 0 to 2^bits - 1", (double)v[k][i]);
            return;
        }
        out[i] = (int64_t)key((uint32_t)v[0][i], (uint32_t)v[1][i], (uint32_t)v[2][i],
                              (int)v[3][i]);
    }
}

static void run_ph_key(call_t *c, idx_t n)
{
    (c->nargs == 3 ? keys_of_positions : keys_of_cells)(c, n, peri_ph_key);
}

static void run_z_index(call_t *c, idx_t n)
{
    (c->nargs == 3 ? keys_of_positions : keys_of_cells)(c, n, peri_z_index);
}

/* ---- registration ---- */

/* Parameters: P position (FLOAT[3] or DOUBLE[3]), V DOUBLE[3], B box (DOUBLE or
 * DOUBLE[3]), D DOUBLE, I BIGINT. */
static const struct function {
    const char *name;
    duckdb_type result;
    void (*run)(call_t *c, idx_t n);
    const char *params[2];
} FUNCTIONS[] = {
    {"cell", DUCKDB_TYPE_BIGINT, run_cell, {"DID"}},
    {"distance", DUCKDB_TYPE_DOUBLE, run_distance, {"PV", "PVB"}},
    {"in_box", DUCKDB_TYPE_BOOLEAN, run_in_box, {"PVV", "PVVB"}},
    {"in_sphere", DUCKDB_TYPE_BOOLEAN, run_in_sphere, {"PVD", "PVDB"}},
    {"ph_key", DUCKDB_TYPE_BIGINT, run_ph_key, {"PIB", "IIII"}},
    {"z_index", DUCKDB_TYPE_BIGINT, run_z_index, {"PIB", "IIII"}},
};

static void on_call(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    const struct function *f = duckdb_scalar_function_get_extra_info(info);
    call_t c = {.info = info,
                .nargs = duckdb_data_chunk_get_column_count(in),
                .out = out,
                .name = f->name};
    for (idx_t k = 0; k < c.nargs; k++) {
        duckdb_vector v = duckdb_data_chunk_get_vector(in, k);
        duckdb_logical_type t = duckdb_vector_get_column_type(v);
        duckdb_type id = duckdb_get_type_id(t);
        if (id == DUCKDB_TYPE_ARRAY) {
            duckdb_logical_type child = duckdb_array_type_child_type(t);
            c.args[k].kind =
                duckdb_get_type_id(child) == DUCKDB_TYPE_FLOAT ? KIND_F32 : KIND_F64;
            duckdb_destroy_logical_type(&child);
        } else {
            c.args[k].kind = id == DUCKDB_TYPE_DOUBLE ? KIND_F64_SCALAR : KIND_I64;
        }
        duckdb_destroy_logical_type(&t);
    }
    idx_t n = duckdb_data_chunk_get_size(in);
    begin(&c, in, n);
    f->run(&c, n);
}

static duckdb_logical_type vector_type(duckdb_type of)
{
    duckdb_logical_type value = duckdb_create_logical_type(of);
    duckdb_logical_type array = duckdb_create_array_type(value, 3);
    duckdb_destroy_logical_type(&value);
    return array;
}

/* Bit 0 of `variant` chooses the position's type, bit 1 the box's. */
static duckdb_logical_type param_type(char param, int variant)
{
    switch (param) {
    case 'P':
        return vector_type(variant & 1 ? DUCKDB_TYPE_FLOAT : DUCKDB_TYPE_DOUBLE);
    case 'V':
        return vector_type(DUCKDB_TYPE_DOUBLE);
    case 'B':
        if (variant & 2) return vector_type(DUCKDB_TYPE_DOUBLE);
        return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case 'D':
        return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    default:
        return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    }
}

static void add_overload(duckdb_scalar_function_set set, const struct function *f,
                         const char *params, int variant)
{
    if ((variant & 1 && !strchr(params, 'P')) || (variant & 2 && !strchr(params, 'B')))
        return;
    duckdb_scalar_function fn = duckdb_create_scalar_function();
    duckdb_scalar_function_set_name(fn, f->name);
    for (const char *p = params; *p; p++) {
        duckdb_logical_type t = param_type(*p, variant);
        duckdb_scalar_function_add_parameter(fn, t);
        duckdb_destroy_logical_type(&t);
    }
    duckdb_logical_type result = duckdb_create_logical_type(f->result);
    duckdb_scalar_function_set_return_type(fn, result);
    duckdb_destroy_logical_type(&result);
    duckdb_scalar_function_set_extra_info(fn, (void *)f, NULL);
    duckdb_scalar_function_set_function(fn, on_call);
    duckdb_add_scalar_function_to_set(set, fn);
    duckdb_destroy_scalar_function(&fn);
}

int peri_space_register(duckdb_connection con, peri_err_t *err)
{
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++) {
        const struct function *f = &FUNCTIONS[i];
        duckdb_scalar_function_set set = duckdb_create_scalar_function_set(f->name);
        for (int k = 0; k < 2 && f->params[k]; k++)
            for (int variant = 0; variant < 4; variant++)
                add_overload(set, f, f->params[k], variant);
        duckdb_state st = duckdb_register_scalar_function_set(con, set);
        duckdb_destroy_scalar_function_set(&set);
        if (st == DuckDBError)
            return peri_err_set(err, PERI_EINTERNAL,
                                "DuckDB did not take the function %s", f->name);
    }
    return 0;
}
