/* near.c - joins by distance, made a hash join over cells.
 *
 *   FROM p JOIN h ON in_sphere(p.pos, h.pos, h.r, 50)
 *
 * makes DuckDB try all pairs of rows. So space is cut into cells, each row of h (the
 * centres) is repeated for every cell that its sphere reaches, and the cell of p.pos must
 * be that one; the condition itself stays as it is:
 *
 *   FROM p JOIN (SELECT *, unnest(peri_cells(h.pos, h.r, ...)) AS peri_cell FROM h) AS h
 *     ON in_sphere(p.pos, h.pos, h.r, 50) AND peri_cell(p.pos, ...) = h.peri_cell
 *
 * A row of p has one cell and h's list each cell once: no pair is lost or found twice.
 * How large the cells are is asked of h while planning (first.c): about as large as the
 * mean radius, but so that h is not repeated too often.
 */
#include <math.h>
#include <string.h>

#include "core/sql/preds.h"

#define MAX_SIDE   1024.0   /* cells along an axis */
#define MAX_COPIES 4000000. /* of rows of h, each for a cell */
#define MIN_PAIRS  1e6      /* fewer are tried faster */
#define FREE_SIDE  2097152. /* without a periodic box cells repeat after 2^21 */

typedef struct {
    double size[3], count[3];
} grid_t;

/* Mean number of copies if cells have this size: the sum over (2 r / size + 2)^3. */
static double copies(const double sum[4], double size)
{
    const double x = 2 / size;
    return x * x * x * sum[3] + 6 * x * x * sum[2] + 12 * x * sum[1] + 8 * sum[0];
}

/* sum: of r^0 ... r^3 over the centres. False: cells do not help. */
static bool choose_grid(const double sum[4], const double box[3], grid_t *out)
{
    if (!(sum[0] > 0) || !(sum[1] > 0) || !isfinite(sum[3])) return false;
    double size = sum[1] / sum[0];
    while (copies(sum, size) > fmax(MAX_COPIES, 12 * sum[0])) size *= 1.25;
    bool helps = false;
    for (int d = 0; d < 3; d++) {
        if (box[d] > 0) {
            out->count[d] = fmax(1, fmin(MAX_SIDE, floor(box[d] / size)));
            out->size[d] = box[d] / out->count[d];
            helps = helps || out->count[d] > 2;
        } else {
            out->count[d] = FREE_SIDE;
            out->size[d] = size;
            helps = true;
        }
    }
    return helps;
}

/* Sums of powers of the radius over the centres. */
static bool sum_radii(const peri_from_t *b, const peri_near_t *n, double sum[4])
{
    peri_desc_t desc = {0};
    peri_first_t rows;
    json_t *exprs[] = {n->centre, n->radius};
    const char *source = peri_first_source(b, n->position.rel, exprs, 2, &desc);
    peri_desc_clear(&desc);
    if (!source) return false;
    const char *sql = peri_arena_printf(
        b->p->arena,
        "SELECT CAST(count(r) AS DOUBLE), sum(r), sum(r * r), sum(r * r * r) "
        "FROM (SELECT CAST(peri_q1 AS DOUBLE) AS r FROM (%s)) WHERE r >= 0%s",
        source, n->compared ? "" : " AND NOT isnan(r)");
    if (!peri_first_run(b->p, sql, 1, &rows) || rows.nrows != 1) return false;
    for (int i = 0; i < 4; i++) {
        if (rows.values[i].null) return false;
        sum[i] = rows.values[i].c.d;
    }
    return true;
}

/* The expression that stands alone in SELECT text. New. */
static json_t *parse_new(peri_planner_t *p, const char *sql)
{
    json_t *query = peri_sql_parse(p->con, sql, NULL);
    json_t *e = json_deep_copy(json_array_get(peri_ast_list(query, "select_list"), 0));
    json_decref(query);
    return e;
}

static const char *vector_text(peri_planner_t *p, const double v[3])
{
    return peri_arena_printf(p->arena,
                             "array_value(CAST('%.17g' AS DOUBLE), CAST('%.17g' AS "
                             "DOUBLE), CAST('%.17g' AS DOUBLE))",
                             v[0], v[1], v[2]);
}

static json_t *first_argument(json_t *call)
{
    return json_array_get(peri_ast_list(call, "children"), 0);
}

static json_t *find_ref(json_t *from, int rel)
{
    if (peri_rel_index(from) == rel) return from;
    if (!peri_ast_is_type(from, "JOIN")) return NULL;
    json_t *left = find_ref(peri_ast_get(from, "left"), rel);
    return left ? left : find_ref(peri_ast_get(from, "right"), rel);
}

/* (SELECT *, unnest(peri_cells(centre, radius, ...)) AS peri_cell FROM h WHERE ...) h */
static json_t *repeated_new(peri_planner_t *p, int rel, const peri_near_t *n,
                            const char *grid)
{
    const peri_rel_t *r = &p->rels[rel];
    json_t *cells = parse_new(
        p, peri_arena_printf(p->arena, "SELECT unnest(peri_cells(1, 2, %s)) AS peri_cell",
                             grid));
    json_t *call = first_argument(cells);
    if (!call) {
        json_decref(cells);
        return NULL;
    }
    json_t *args = peri_ast_list(call, "children");
    json_array_set_new(args, 0, json_deep_copy(n->centre));
    json_array_set_new(args, 1, json_deep_copy(n->radius));
    json_t *query = peri_rel_scan_new(p, rel);
    json_array_append_new(peri_ast_list(query, "select_list"), cells);
    return peri_ast_subquery_ref_new(query, r->alias, NULL);
}

void peri_near_join(const peri_from_t *b, json_t *term)
{
    peri_planner_t *p = b->p;
    peri_near_t n;
    grid_t grid;
    double sum[4], rows;
    if (b->nsources < 2 || !peri_space_near(b, term, &n)) return;
    peri_rel_t *h = &p->rels[n.rel];
    json_t *ref = find_ref(b->from, n.rel);
    if (!ref || h->whole || h->positional || h->near || !sum_radii(b, &n, sum)) return;
    rows = (double)p->rels[n.position.rel].info.rows;
    if (sum[0] * rows < MIN_PAIRS || !choose_grid(sum, n.box, &grid)) return;

    const char *text = peri_arena_printf(p->arena, "%s, %s", vector_text(p, grid.size),
                                         vector_text(p, grid.count));
    json_t *with = repeated_new(p, n.rel, &n, text);
    json_t *equal = parse_new(
        p,
        peri_arena_printf(p->arena, "SELECT peri_cell(1, %s) = peri_h.peri_cell", text));
    json_t *cell = peri_ast_get(equal, "left");
    if (!with || !cell) {
        json_decref(with);
        json_decref(equal);
        return;
    }
    json_array_set_new(peri_ast_list(cell, "children"), 0, json_deep_copy(n.where));
    json_object_set_new(equal, "right", peri_ast_column_new(h->alias, "peri_cell"));
    h->near = true;
    peri_ast_become(ref, with);
    peri_ast_become(term,
                    peri_ast_and_new(json_pack("[o,o]", json_deep_copy(term), equal)));
    p->nnear++;
}
