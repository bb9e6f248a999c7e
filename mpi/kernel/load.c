/* load.c - see load.h. */
#include "mpi/kernel/load.h"

#include <math.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/kernel/roles.h"
#include "mpi/kernel/rowset.h"

/* ---- values ---- */

#define EACH_NUMERIC(X)                                                                  \
    X(DUCKDB_TYPE_TINYINT, int8_t)                                                       \
    X(DUCKDB_TYPE_SMALLINT, int16_t)                                                     \
    X(DUCKDB_TYPE_INTEGER, int32_t)                                                      \
    X(DUCKDB_TYPE_BIGINT, int64_t)                                                       \
    X(DUCKDB_TYPE_UTINYINT, uint8_t)                                                     \
    X(DUCKDB_TYPE_USMALLINT, uint16_t)                                                   \
    X(DUCKDB_TYPE_UINTEGER, uint32_t)                                                    \
    X(DUCKDB_TYPE_UBIGINT, uint64_t)                                                     \
    X(DUCKDB_TYPE_FLOAT, float)                                                          \
    X(DUCKDB_TYPE_DOUBLE, double)

/* n values of a vector's data, `stride` apart. False: no numbers. */
static bool copy_doubles(duckdb_type type, const void *from, size_t first, size_t stride,
                         size_t n, double *out)
{
    switch (type) {
#define COPY(TYPE, C)                                                                    \
    case TYPE:                                                                           \
        for (size_t i = 0; i < n; i++)                                                   \
            out[i] = (double)((const C *)from)[first + i * stride];                      \
        return true;
        EACH_NUMERIC(COPY)
#undef COPY
    default:
        return false;
    }
}

static bool copy_integers(duckdb_type type, const void *from, size_t n, int64_t *out)
{
    if (type == DUCKDB_TYPE_FLOAT || type == DUCKDB_TYPE_DOUBLE) return false;
    switch (type) {
#define COPY(TYPE, C)                                                                    \
    case TYPE:                                                                           \
        for (size_t i = 0; i < n; i++) out[i] = (int64_t)((const C *)from)[i];           \
        return true;
        EACH_NUMERIC(COPY)
#undef COPY
    default:
        return false;
    }
}

static bool all_there(duckdb_vector v, size_t n)
{
    uint64_t *mask = duckdb_vector_get_validity(v);
    for (size_t i = 0; mask && i < n; i++)
        if (!duckdb_validity_row_is_valid(mask, i)) return false;
    return true;
}

/* A column of a chunk: its values, one after the other. */
typedef struct {
    duckdb_type type;
    const void *data;
} values_t;

static int open_column(duckdb_data_chunk chunk, size_t column, size_t n, unsigned width,
                       const char *what, values_t *out, peri_err_t *err)
{
    duckdb_vector v = duckdb_data_chunk_get_vector(chunk, column);
    bool there = all_there(v, n);
    duckdb_logical_type type = duckdb_vector_get_column_type(v);
    if (width > 1) {
        v = duckdb_array_vector_get_child(v);
        there = there && all_there(v, n * width);
        duckdb_destroy_logical_type(&type);
        type = duckdb_vector_get_column_type(v);
    }
    out->type = duckdb_get_type_id(type);
    out->data = duckdb_vector_get_data(v);
    duckdb_destroy_logical_type(&type);
    if (there) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "there are rows without a %s (NULL): leave them out with a "
                        "condition, as filter => '... IS NOT NULL'",
                        what);
}

static int no_number(const char *what, peri_err_t *err)
{
    return peri_err_set(err, PERI_EINVAL, "%s is not of numbers%s", what,
                        strcmp(what, "id") == 0 ? " without fractions" : "");
}

/* ---- particles ---- */

static int make_room(peri_loader_t *l, size_t more, peri_err_t *err)
{
    if (l->n + more <= l->cap) return 0;
    size_t cap = l->cap + l->cap / 2;
    if (cap < l->n + more) cap = l->n + more;
    if (peri_particles_resize(l->particles, cap, err)) return -1;
    l->cap = cap;
    return 0;
}

static int take_vector(duckdb_data_chunk chunk, size_t column, size_t n, peri_role_t role,
                       double factor, double *const out[3], peri_err_t *err)
{
    values_t v;
    const char *what = peri_role_name(role);
    if (open_column(chunk, column, n, 3, what, &v, err)) return -1;
    for (size_t k = 0; k < 3; k++) {
        if (!copy_doubles(v.type, v.data, k, 3, n, out[k])) return no_number(what, err);
        for (size_t i = 0; factor != 1 && i < n; i++) out[k][i] *= factor;
    }
    return 0;
}

static int take_scalar(duckdb_data_chunk chunk, size_t column, size_t n, peri_role_t role,
                       double *out, peri_err_t *err)
{
    values_t v;
    const char *what = peri_role_name(role);
    if (open_column(chunk, column, n, 1, what, &v, err)) return -1;
    return copy_doubles(v.type, v.data, 0, 1, n, out) ? 0 : no_number(what, err);
}

static int take_ids(duckdb_data_chunk chunk, size_t column, size_t n, int64_t *out,
                    peri_err_t *err)
{
    values_t v;
    if (open_column(chunk, column, n, 1, "id", &v, err)) return -1;
    return copy_integers(v.type, v.data, n, out) ? 0 : no_number("id", err);
}

static void copy_column(const peri_loader_t *l, size_t i, int64_t at, const void *from,
                        size_t n)
{
    const peri_coldef_t *c = peri_rowset_column(l->table, i);
    const size_t size = c->width * peri_coltype_size(c->type);
    memcpy((char *)peri_rowset_data(l->table, i) + (size_t)at * size, from, n * size);
}

/* What a row has of a column that is not there. */
static void fill_column(const peri_loader_t *l, size_t i, int64_t at, size_t n)
{
    void *data = peri_rowset_data(l->table, i);
    for (size_t k = (size_t)at; k < (size_t)at + n; k++)
        switch (peri_rowset_column(l->table, i)->type) {
        case PERI_COL_I32:
            ((int32_t *)data)[k] = -1;
            break;
        case PERI_COL_I64:
            ((int64_t *)data)[k] = -1;
            break;
        case PERI_COL_F32:
            ((float *)data)[k] = NAN;
            break;
        case PERI_COL_F64:
            ((double *)data)[k] = NAN;
            break;
        }
}

static int extra_chunk(peri_loader_t *l, duckdb_data_chunk chunk, size_t column, size_t n,
                       peri_err_t *err)
{
    const int64_t at = peri_rowset_extend(l->table, n, err);
    if (at < 0) return -1;
    for (size_t i = 0; i < l->input->nextra; i++) {
        values_t v;
        if (!(l->info->extra >> i & 1)) {
            fill_column(l, i, at, n);
            continue;
        }
        if (open_column(chunk, column++, n, 1, l->input->extra[i].name, &v, err))
            return -1;
        copy_column(l, i, at, v.data, n);
    }
    return 0;
}

static int particle_chunk(peri_loader_t *l, duckdb_data_chunk chunk, size_t n,
                          peri_err_t *err)
{
    if (make_room(l, n, err)) return -1;
    const peri_particles_t *p = l->particles;
    const size_t at = l->n;
    size_t column = 0;
    double *position[3] = {p->x + at, p->y + at, p->z + at};
    if (take_vector(chunk, column++, n, PERI_ROLE_POSITION, 1, position, err)) return -1;
    if (l->info->has & PERI_HAS_VELOCITY) {
        double *velocity[3] = {p->vx + at, p->vy + at, p->vz + at};
        if (take_vector(chunk, column++, n, PERI_ROLE_VELOCITY, l->info->velocity,
                        velocity, err))
            return -1;
    }
    if (l->info->has & PERI_HAS_MASS &&
        take_scalar(chunk, column++, n, PERI_ROLE_MASS, p->mass + at, err))
        return -1;
    if (l->info->has & PERI_HAS_ID && take_ids(chunk, column++, n, p->id + at, err))
        return -1;
    if (l->info->has & PERI_HAS_WEIGHT &&
        take_scalar(chunk, column++, n, PERI_ROLE_WEIGHT, p->weight + at, err))
        return -1;
    l->n += n;
    return l->table ? extra_chunk(l, chunk, column, n, err) : 0;
}

/* ---- tables ---- */

/* The SQL has cast every column to the type that is declared. */
static int table_chunk(peri_loader_t *l, duckdb_data_chunk chunk, size_t n,
                       peri_err_t *err)
{
    const int64_t at = peri_rowset_extend(l->table, n, err);
    if (at < 0) return -1;
    for (size_t i = 0; i < peri_rowset_ncolumns(l->table); i++) {
        const peri_coldef_t *c = peri_rowset_column(l->table, i);
        values_t v;
        if (open_column(chunk, i, n, c->width, c->name, &v, err)) return -1;
        copy_column(l, i, at, v.data, n);
    }
    return 0;
}

/* ---- all of it ---- */

int peri_loader_open(peri_loader_t *l, const peri_input_t *input,
                     const peri_inputinfo_t *info, unsigned wanted, uint64_t rows,
                     peri_err_t *err)
{
    *l = (peri_loader_t){.input = input, .info = info, .wanted = wanted};
    if (input->columns) {
        l->table = peri_rowset_new(input->columns, input->ncolumns);
        return 0;
    }
    if (input->nextra) l->table = peri_rowset_new(input->extra, input->nextra);
    l->particles =
        peri_particles_new(wanted, isnan(info->sim.box[0]) ? NULL : info->sim.box);
    return make_room(l, (size_t)rows, err);
}

int peri_loader_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    peri_loader_t *l = arg;
    const size_t n = duckdb_data_chunk_get_size(chunk);
    return l->particles ? particle_chunk(l, chunk, n, err)
                        : table_chunk(l, chunk, n, err);
}

/* Where there are no ids, particles are numbered in the order of the input. */
static void number_rows(const peri_particles_t *p, MPI_Comm comm)
{
    uint64_t mine = p->n, before = 0;
    int rank;
    MPI_Comm_rank(comm, &rank);
    MPI_Exscan(&mine, &before, 1, MPI_UINT64_T, MPI_SUM, comm);
    if (rank == 0) before = 0;
    for (size_t i = 0; i < p->n; i++) p->id[i] = (int64_t)(before + i);
}

int peri_loader_finish(peri_loader_t *l, MPI_Comm comm, peri_err_t *err)
{
    if (!l->particles) return 0;
    peri_particles_t *p = l->particles;
    if (peri_ranks_agree(peri_particles_resize(p, l->n, err), comm, err)) return -1;
    const unsigned lacking = l->wanted & ~l->info->has;
    for (size_t i = 0; lacking & PERI_HAS_MASS && i < p->n; i++)
        p->mass[i] = l->info->mass;
    for (size_t i = 0; lacking & PERI_HAS_WEIGHT && i < p->n; i++) p->weight[i] = 1;
    if (lacking & PERI_HAS_ID) number_rows(p, comm);
    return peri_particles_check(p, comm, err);
}

void peri_loader_close(peri_loader_t *l)
{
    peri_particles_free(l->particles);
    peri_rowset_free(l->table);
    l->particles = NULL;
    l->table = NULL;
}
