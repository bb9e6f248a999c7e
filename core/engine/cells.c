/* cells.c - functions that the planner puts into joins by distance (core/sql/near.c).
 *
 *   peri_cell(position, size, count)            the number of the cell it lies in
 *   peri_cells(centre, radius, size, count)     all cells that the sphere reaches
 *
 * size: the lengths of a cell; count: cells along each axis, after which they repeat. If
 * a position is within the radius of a centre, its cell is in the centre's list, once.
 * Rounding at a cell's border must not break that, so spheres are taken a thousandth of
 * a cell larger: enough for positions of 10^9 boxes.
 *
 * NULL and what is no number has no cell. Threads: no state.
 */
#include <math.h>

#include "core/engine/space.h"

#define AXIS_BITS 21

static bool is_valid(const uint64_t *mask, idx_t i)
{
    return !mask || mask[i / 64] >> (i % 64) & 1;
}

/* Argument k of row i: three numbers, or one that is the same for all. False: NULL. */
typedef struct {
    const double *data;
    uint64_t *valid, *parts_valid;
    idx_t width;
} arg_t;

static arg_t argument(duckdb_data_chunk in, idx_t k, idx_t width)
{
    duckdb_vector v = duckdb_data_chunk_get_vector(in, k);
    arg_t a = {.valid = duckdb_vector_get_validity(v), .width = width};
    if (width == 3) {
        v = duckdb_array_vector_get_child(v);
        a.parts_valid = duckdb_vector_get_validity(v);
    }
    a.data = duckdb_vector_get_data(v);
    return a;
}

static bool read(const arg_t *a, idx_t i, double out[3])
{
    if (!is_valid(a->valid, i)) return false;
    for (idx_t d = 0; d < 3; d++) {
        idx_t at = a->width == 3 ? 3 * i + d : i;
        if (!is_valid(a->parts_valid, at)) return false;
        out[d] = a->data[at];
    }
    return true;
}

static int64_t repeated(double cell, double count)
{
    cell = fmod(cell, count);
    return (int64_t)(cell < 0 ? cell + count : cell);
}

static int64_t number(const int64_t at[3])
{
    return at[0] << (2 * AXIS_BITS) | at[1] << AXIS_BITS | at[2];
}

static void on_cell(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    (void)info;
    const arg_t position = argument(in, 0, 3), sizes = argument(in, 1, 3),
                counts = argument(in, 2, 3);
    int64_t *cells = duckdb_vector_get_data(out);
    duckdb_vector_ensure_validity_writable(out);
    uint64_t *valid = duckdb_vector_get_validity(out);
    const idx_t n = duckdb_data_chunk_get_size(in);
    for (idx_t i = 0; i < n; i++) {
        double x[3], size[3], count[3];
        int64_t at[3];
        bool known =
            read(&position, i, x) && read(&sizes, i, size) && read(&counts, i, count);
        for (int d = 0; known && d < 3; d++) {
            double cell = floor(x[d] / size[d]);
            known = isfinite(cell);
            if (known) at[d] = repeated(cell, count[d]);
        }
        if (known)
            cells[i] = number(at);
        else
            duckdb_validity_set_row_invalid(valid, i);
    }
}

/* First and number of the cells along one axis; 0 if the sphere is none. */
static idx_t span(double x, double r, double size, double count, double *first)
{
    const double more = r + 1e-3 * size;
    if (!(r >= 0) || !isfinite(x)) return 0;
    *first = floor((x - more) / size);
    const double n = floor((x + more) / size) - *first + 1;
    if (n < count) return (idx_t)n;
    *first = 0; /* all of them; n may be infinite */
    return (idx_t)count;
}

static void on_cells(duckdb_function_info info, duckdb_data_chunk in, duckdb_vector out)
{
    const arg_t centres = argument(in, 0, 3), radii = argument(in, 1, 1),
                sizes = argument(in, 2, 3), counts = argument(in, 3, 3);
    duckdb_list_entry *lists = duckdb_vector_get_data(out);
    const idx_t rows = duckdb_data_chunk_get_size(in);
    idx_t used = 0, room = 0;
    for (idx_t i = 0; i < rows; i++) {
        double x[3], r[3], size[3], count[3], first[3] = {0};
        idx_t n[3] = {0}, all = 1;
        bool known = read(&centres, i, x) && read(&radii, i, r) &&
                     read(&sizes, i, size) && read(&counts, i, count);
        for (int d = 0; d < 3; d++) {
            if (known) n[d] = span(x[d], r[d], size[d], count[d], &first[d]);
            all *= n[d];
        }
        lists[i] = (duckdb_list_entry){used, all};
        if (used + all > room) {
            room = 2 * (used + all);
            if (duckdb_list_vector_reserve(out, room) == DuckDBError) {
                duckdb_scalar_function_set_error(info, "no memory for cells of spheres");
                return;
            }
        }
        int64_t *cells = duckdb_vector_get_data(duckdb_list_vector_get_child(out)), at[3];
        for (idx_t k = 0; k < all; k++) {
            at[0] = repeated(first[0] + (double)(k / (n[1] * n[2])), count[0]);
            at[1] = repeated(first[1] + (double)(k / n[2] % n[1]), count[1]);
            at[2] = repeated(first[2] + (double)(k % n[2]), count[2]);
            cells[used++] = number(at);
        }
    }
    duckdb_list_vector_set_size(out, used);
}

static int add(duckdb_connection con, const char *name, const char *params,
               duckdb_logical_type result, duckdb_scalar_function_t f)
{
    duckdb_scalar_function fn = duckdb_create_scalar_function();
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    duckdb_logical_type vector = duckdb_create_array_type(number, 3);
    duckdb_scalar_function_set_name(fn, name);
    for (; *params; params++)
        duckdb_scalar_function_add_parameter(fn, *params == 'V' ? vector : number);
    duckdb_scalar_function_set_return_type(fn, result);
    duckdb_scalar_function_set_function(fn, f);
    duckdb_state st = duckdb_register_scalar_function(con, fn);
    duckdb_destroy_logical_type(&vector);
    duckdb_destroy_logical_type(&number);
    duckdb_destroy_scalar_function(&fn);
    return st == DuckDBError ? -1 : 0;
}

int peri_cells_register(duckdb_connection con, peri_err_t *err)
{
    duckdb_logical_type cell = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_logical_type cells = duckdb_create_list_type(cell);
    int rc = add(con, "peri_cell", "VVV", cell, on_cell) ||
                     add(con, "peri_cells", "VDVV", cells, on_cells)
                 ? peri_err_set(err, PERI_EINTERNAL,
                                "DuckDB did not take the functions of cells")
                 : 0;
    duckdb_destroy_logical_type(&cells);
    duckdb_destroy_logical_type(&cell);
    return rc;
}
