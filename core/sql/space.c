/* space.c - hints from in_box, in_sphere and distance.
 *
 * Each becomes, for each component of the position, the ranges that it must lie in: a box
 * around the sphere. With a periodic box a range stands for all its copies, so that it
 * need not be cut at the border and positions outside the box count as their images.
 * The functions themselves are core/engine/space.c; hints may only be wider.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/sql/preds.h"

#define NO_RADIUS   (-INFINITY) /* of NULL: in no sphere */
#define MAX_VOLUMES 256         /* of another table's rows; more leave little to skip */

/* What a condition says: position within (lo, hi) = (a, b), or within b of a. */
typedef struct {
    bool sphere;
    bool compared; /* distance(...) <= b: true for all if b is NaN, as SQL has it */
    json_t *position, *a, *b, *box; /* box: NULL if there is none */
} shape_t;

typedef struct {
    double a[3], b[3]; /* of a sphere only b[0] counts */
} volume_t;

/* ---- reading ---- */

/* The elements of [x, y, z]; NULL: something else. */
static const json_t *elements(const json_t *e)
{
    if (!peri_ast_is_function(e, "list_value") && !peri_ast_is_function(e, "array_value"))
        return NULL;
    const json_t *list = peri_ast_list(e, "children");
    return json_array_size(list) == 3 ? list : NULL;
}

static bool read_number(const json_t *e, double null, double *out)
{
    peri_constant_t c;
    if (!peri_constant_read(e, &c)) return false;
    *out = c.null ? null : c.c.kind == PERI_CONST_INT ? (double)c.c.i : c.c.d;
    return c.null || c.c.kind == PERI_CONST_INT || c.c.kind == PERI_CONST_REAL;
}

/* [1, 2, 3], and casts of it to arrays and lists of DOUBLE. */
static bool read_vector(const json_t *e, double out[3])
{
    if (peri_ast_is_class(e, "CAST")) {
        const json_t *to = peri_ast_get(e, "cast_type");
        const json_t *child = peri_ast_get(peri_ast_get(to, "type_info"), "child_type");
        if (strcmp(peri_ast_str(child, "id"), "DOUBLE") != 0) return false;
        e = peri_ast_get(e, "child");
    }
    const json_t *list = elements(e);
    for (size_t d = 0; list && d < 3; d++)
        if (!read_number(json_array_get(list, d), NAN, &out[d])) return false;
    return list != NULL;
}

/* The box's lengths; 0 for none. */
static bool read_box(const json_t *e, double out[3])
{
    memset(out, 0, 3 * sizeof *out);
    if (!e || read_vector(e, out)) return true;
    if (!read_number(e, NAN, &out[0])) return false;
    out[1] = out[2] = out[0];
    return true;
}

/* A vector column, or [x, y, z] of columns of one table. */
static bool read_position(const peri_from_t *b, const json_t *e, peri_target_t out[3])
{
    const json_t *list = elements(e);
    for (int d = 0; d < 3; d++) {
        if (list) {
            if (!peri_from_scalar(b, json_array_get(list, (size_t)d), &out[d]) ||
                out[d].rel != out[0].rel)
                return false;
        } else {
            if (!peri_from_column(b, e, &out[d]) || peri_target_width(b->p, &out[d]) != 3)
                return false;
            out[d].component = d;
        }
        /* Integers beside floats would be rounded before they are compared. */
        if (!peri_target_is_real(b->p, &out[d])) return false;
    }
    return true;
}

static bool read_call(const json_t *e, const char *name, size_t nargs, json_t *args[4])
{
    const json_t *list = peri_ast_list(e, "children");
    size_t n = json_array_size(list);
    if (!peri_ast_is_class(e, "FUNCTION") ||
        strcasecmp(peri_ast_str(e, "function_name"), name) != 0 || n < nargs ||
        n > nargs + 1)
        return false;
    for (size_t i = 0; i < 4; i++) args[i] = i < n ? json_array_get(list, i) : NULL;
    return true;
}

/* distance(...) <= radius, from either side. */
static bool read_distance(const json_t *e, shape_t *out)
{
    peri_op_t op;
    json_t *args[4], *call = peri_ast_get(e, "left"), *radius = peri_ast_get(e, "right");
    if (!peri_comparison_read(e, &op)) return false;
    if (!read_call(call, "distance", 2, args)) {
        call = radius;
        radius = peri_ast_get(e, "left");
        op = peri_op_mirrored(op);
        if (!read_call(call, "distance", 2, args)) return false;
    }
    if (op != PERI_OP_LT && op != PERI_OP_LE && op != PERI_OP_EQ) return false;
    *out = (shape_t){true, true, args[0], args[1], radius, args[2]};
    return true;
}

/* `turn`: 1 takes the centre for the position: a sphere looks the same from both. */
static bool read_shape(const json_t *e, int turn, shape_t *out)
{
    json_t *args[4];
    bool sphere = read_distance(e, out);
    if (!sphere) {
        sphere = read_call(e, "in_sphere", 3, args);
        if (!sphere && !read_call(e, "in_box", 3, args)) return false;
        *out = (shape_t){sphere, false, args[0], args[1], args[2], args[3]};
    }
    if (turn && !sphere) return false;
    json_t *first = out->position;
    if (turn) {
        out->position = out->a;
        out->a = first;
    }
    return true;
}

/* ---- hints ---- */

static void add_ranges(peri_planner_t *p, const peri_target_t pos[3], const shape_t *s,
                       const double box[3], const volume_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s->compared && isnan(v[i].b[0])) return;
    peri_const_t *values[3];
    size_t kept = 0;
    for (int d = 0; d < 3; d++) {
        values[d] = peri_xcalloc(2 * n + 1, sizeof **values);
        for (size_t i = 0; i < 2 * n + 1; i++) values[d][i].kind = PERI_CONST_REAL;
        values[d][0].d = box[d];
    }
    for (size_t i = 0; i < n; i++) {
        bool empty = false;
        for (int d = 0; d < 3; d++) {
            double lo = s->sphere ? v[i].a[d] - v[i].b[0] : v[i].a[d];
            double hi = s->sphere ? v[i].a[d] + v[i].b[0] : v[i].b[d];
            empty = empty || !(lo <= hi); /* NaN, too */
            values[d][1 + 2 * kept].d = lo;
            values[d][2 + 2 * kept].d = hi;
        }
        kept += !empty;
    }
    for (int d = 0; d < 3; d++) {
        peri_pred_t *pred =
            peri_pred_add(p, &pos[d], kept ? PERI_OP_WITHIN : PERI_OP_NEVER, values[d],
                          kept ? 2 * kept + 1 : 0);
        pred->joint = kept > 1 && d == 0;
        free(values[d]);
    }
}

bool peri_space_read(const peri_from_t *b, const json_t *e, peri_target_t *t)
{
    shape_t s;
    volume_t v = {0};
    double box[3];
    peri_target_t pos[3];
    for (int turn = 0; turn < 2; turn++) {
        if (!read_shape(e, turn, &s) || !read_position(b, s.position, pos) ||
            !read_vector(s.a, v.a) ||
            !(s.sphere ? read_number(s.b, NO_RADIUS, v.b) : read_vector(s.b, v.b)) ||
            !read_box(s.box, box))
            continue;
        add_ranges(b->p, pos, &s, box, &v, 1);
        *t = pos[0];
        return true;
    }
    return false;
}

void peri_space_join(const peri_from_t *b, const json_t *e)
{
    shape_t s;
    double box[3];
    peri_target_t pos[3];
    for (int turn = 0; turn < 2; turn++) {
        peri_desc_t desc = {0};
        peri_first_t rows;
        if (!read_shape(e, turn, &s) || !read_position(b, s.position, pos) ||
            !read_box(s.box, box))
            continue;
        json_t *exprs[] = {s.a, s.b};
        const char *source = peri_first_source(b, pos[0].rel, exprs, 2, &desc);
        peri_desc_clear(&desc);
        if (!source) continue;
        const char *sql = peri_arena_printf(
            b->p->arena, "SELECT %s, %s FROM (%s) LIMIT %d", PERI_FIRST_VECTOR("peri_q0"),
            s.sphere ? "CAST(peri_q1 AS DOUBLE)" : PERI_FIRST_VECTOR("peri_q1"), source,
            MAX_VOLUMES + 1);
        if (!peri_first_run(b->p, sql, MAX_VOLUMES, &rows)) continue;
        volume_t *v = peri_arena_calloc(b->p->arena, rows.nrows + 1, sizeof *v);
        for (size_t i = 0; i < rows.nrows; i++)
            for (size_t c = 0; c < rows.ncols; c++) {
                const peri_constant_t *x = &rows.values[i * rows.ncols + c];
                (c < 3 ? v[i].a : v[i].b)[c % 3] =
                    x->null ? s.sphere && c == 3 ? NO_RADIUS : NAN : x->c.d;
            }
        add_ranges(b->p, pos, &s, box, v, rows.nrows);
        return;
    }
}

void peri_space_arguments(const peri_from_t *b, const json_t *e,
                          void (*f)(peri_planner_t *p, peri_place_t place,
                                    json_t *argument))
{
    shape_t s;
    peri_target_t pos[3];
    for (int turn = 0; turn < 2; turn++) {
        if (!read_shape(e, turn, &s) || !read_position(b, s.position, pos)) continue;
        f(b->p, PERI_PLACE_SPACE, s.a);
        f(b->p, PERI_PLACE_SPACE, s.b);
        f(b->p, PERI_PLACE_SPACE, s.box);
        return;
    }
}

bool peri_space_near(const peri_from_t *b, const json_t *e, peri_near_t *out)
{
    shape_t s;
    peri_target_t pos[3];
    for (int turn = 0; turn < 2; turn++) {
        if (!read_shape(e, turn, &s) || !s.sphere || !read_position(b, s.position, pos) ||
            !read_box(s.box, out->box))
            continue;
        json_t *exprs[] = {s.a, s.b};
        out->rel = peri_first_relation(b, pos[0].rel, exprs, 2);
        if (out->rel < 0 ||
            b->p->rels[out->rel].info.rows > b->p->rels[pos[0].rel].info.rows)
            continue;
        out->position = pos[0];
        out->where = s.position;
        out->centre = s.a;
        out->radius = s.b;
        out->compared = s.compared;
        return true;
    }
    return false;
}

bool peri_space_point(const peri_from_t *b, const json_t *e, double box[3])
{
    json_t *args[4];
    peri_target_t pos[3];
    double point[3];
    if (!read_call(e, "distance", 2, args) || !args[2] || !read_box(args[2], box))
        return false;
    for (int d = 0; d < 3; d++)
        if (!(box[d] > 0)) return false;
    return (read_position(b, args[0], pos) && read_vector(args[1], point)) ||
           (read_position(b, args[1], pos) && read_vector(args[0], point));
}

/* ---- what cannot be meant ---- */

static int check_shape(const shape_t *s, const char *name, peri_err_t *err)
{
    double a[3], b[3] = {0}, box[3];
    if (s->box && read_box(s->box, box))
        for (int d = 0; d < 3; d++)
            if (!isnan(box[d]) && !(box[d] > 0 && box[d] < INFINITY))
                return peri_err_set(err, PERI_EINVAL,
                                    "%s: the length of the periodic box must be a "
                                    "positive number, not %g",
                                    name, box[d]);
    if (s->sphere) {
        if (read_number(s->b, 0, b) && b[0] < 0)
            return peri_err_set(err, PERI_EINVAL, "%s: the radius %g is negative", name,
                                b[0]);
        return 0;
    }
    for (int d = 0; read_vector(s->a, a) && read_vector(s->b, b) && d < 3; d++)
        if (a[d] > b[d])
            return peri_err_set(
                err, PERI_EINVAL,
                "%s: component %d of the lower corner, %g, lies above that of the upper "
                "corner, %g; a box over the border of a periodic box goes on beyond it, "
                "as in in_box(pos, [45, 0, 0], [55, 50, 50], 50)",
                name, d + 1, a[d], b[d]);
    return 0;
}

static int check(json_t *node, void *arg)
{
    shape_t s;
    return !peri_comparison_read(node, &(peri_op_t){0}) && read_shape(node, 0, &s) &&
                   check_shape(&s, s.sphere ? "in_sphere" : "in_box", arg)
               ? -1
               : 0;
}

int peri_space_check(json_t *query, peri_err_t *err)
{
    return peri_ast_walk(query, check, err);
}
