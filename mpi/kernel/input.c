/* input.c - see input.h. */
#include "mpi/kernel/input.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/bytes.h"
#include "core/base/util.h"
#include "mpi/kernel/header.h"
#include "mpi/kernel/roles.h"

#define MAX_SQL (1u << 20)

/* ---- the source ---- */

static bool is_select(const char *s)
{
    static const char *const words[] = {"SELECT", "WITH", "FROM", "("};
    s += strspn(s, " \t\r\n");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const size_t n = strlen(words[i]);
        if (strncasecmp(s, words[i], n) == 0 && (n == 1 || isspace((unsigned char)s[n])))
            return true;
    }
    return false;
}

/* "a"."b": each part between quotes. */
static void put_names(peri_buf_t *b, const char *s, peri_arena_t *arena)
{
    for (;;) {
        const size_t n = strcspn(s, ".");
        peri_buf_put_quoted(b, peri_arena_strndup(arena, s, n), '"');
        if (!s[n]) break;
        peri_buf_putc(b, '.');
        s += n + 1;
    }
}

/* What stands behind FROM. */
static const char *source(const char *input, peri_arena_t *arena)
{
    if (is_select(input)) return peri_arena_printf(arena, "(%s) AS input", input);
    peri_buf_t b;
    peri_buf_init(&b, MAX_SQL);
    if (peri_names_a_file(input))
        peri_buf_put_quoted(&b, input, '"');
    else
        put_names(&b, input, arena);
    const char *text = peri_arena_printf(arena, "%s AS input", b.data ? b.data : "\"\"");
    peri_buf_free(&b);
    return text;
}

/* The condition on rows, with WHERE before it, or "". It can name snapnum for tables
 * only: of a SELECT that is a column only if it says so. */
static const char *condition(const peri_args_t *a, size_t input, peri_arena_t *arena)
{
    const peri_arg_t *snap = peri_args_find(a, "snapnum");
    const peri_arg_t *filter = peri_args_find(a, "filter");
    const bool table = !is_select(a->inputs[input]);
    const bool many = a->kernel->inputs[input].many_snapshots;
    const bool by_snap = many ? a->only != NULL : snap->there && table;
    const char *parts[3], *all = "";
    size_t n = 0;
    if (by_snap)
        parts[n++] =
            peri_arena_printf(arena, "snapnum = %lld",
                              many ? (long long)*a->only : (long long)snap->integer);
    if (filter->there && input == 0)
        parts[n++] = peri_arena_printf(arena, "(%s)", filter->text);
    if (a->narrow && input == 0) parts[n++] = a->narrow;
    for (size_t i = 0; i < n; i++)
        all = peri_arena_printf(arena, "%s%s%s", all, i ? " AND " : " WHERE ", parts[i]);
    return all;
}

const char *peri_input_question(const peri_args_t *a, size_t input, peri_arena_t *arena)
{
    return peri_arena_printf(arena, "SELECT * FROM %s%s", source(a->inputs[input], arena),
                             condition(a, input, arena));
}

/* ---- the simulation ---- */

/* Numbers that the user gives count more than the files'. */
static int apply_arguments(const peri_args_t *a, peri_simulation_t *s, peri_err_t *err)
{
    const peri_arg_t *z = peri_args_find(a, "redshift");
    const peri_arg_t *box = peri_args_find(a, "box");
    const peri_arg_t *m = peri_args_find(a, "omega_m");
    const peri_arg_t *l = peri_args_find(a, "omega_lambda");
    const peri_arg_t *h = peri_args_find(a, "hubble");
    const peri_arg_t *snap = peri_args_find(a, "snapnum");
    if (z->there) s->redshift = z->number, s->a = 1 / (1 + z->number);
    if (m->there) s->omega_m = m->number;
    if (l->there) s->omega_lambda = l->number;
    if (h->there) s->hubble = h->number;
    if (snap->there) s->snapnum = snap->integer;
    if (!box->there) return 0;
    if (box->n != 1 && box->n != 3)
        return peri_err_set(err, PERI_EINVAL, "box must be one number, or three, not %zu",
                            box->n);
    const bool open = box->list[0] == 0;
    for (size_t i = 0; i < 3; i++) {
        const double side = box->list[box->n == 3 ? i : 0];
        if (side < 0 || (side == 0) != open)
            return peri_err_set(err, PERI_EINVAL,
                                "box = %g is not possible: sides are above 0, or all 0 "
                                "for open space",
                                side);
        s->box[i] = open ? NAN : side;
    }
    return 0;
}

static double velocity_factor(const char *unit, double a)
{
    const size_t n = strlen(unit);
    if (strstr(unit, "sqrt(a)")) return sqrt(a);
    if (n > 2 && strcmp(unit + n - 2, "/a") == 0) return 1 / a;
    return 1;
}

static int read_simulation(const peri_lookcol_t *c, peri_arena_t *arena,
                           peri_inputinfo_t *out, peri_err_t *err)
{
    peri_simulation_init(&out->sim);
    if (!c || !c->placed) return 0;
    if (c->file &&
        peri_simulation_read(c->file, c->root, c->dataset, arena, &out->sim, err))
        return -1;
    for (size_t i = 0; i < 3 && isnan(out->sim.box[0]) && c->box_size > 0; i++)
        out->sim.box[i] = c->box_size;
    if (*c->unit) out->sim.length = c->unit;
    return 0;
}

/* ---- snapshots ---- */

/* The one that is read: -1 if there are many, or none has a number. */
static int find_snapshot(const peri_args_t *a, size_t input, const peri_look_t *look,
                         int64_t *snapnum, peri_err_t *err)
{
    *snapnum = -1;
    const peri_arg_t *snap = peri_args_find(a, "snapnum");
    const bool none = look->rows == 0 && snap->there && look->nsnapnums;
    if (a->only && look->rows && look->nsnapnums > 1)
        return peri_err_set(err, PERI_EINVAL,
                            "snapshots of a SELECT are not known before it is read: name "
                            "the table itself as %s, and choose with pos, vel, mass, id "
                            "and filter",
                            a->kernel->inputs[input].name);
    if (look->nsnapnums == 1 && !none) *snapnum = look->snapnums[0];
    if ((look->nsnapnums < 2 && !none) || a->kernel->inputs[input].many_snapshots)
        return 0;
    char list[400] = "";
    size_t at = 0;
    for (size_t i = 0; i < look->nsnapnums && at + 24 < sizeof(list); i++)
        at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%d", i ? ", " : "",
                               look->snapnums[i]);
    if (none)
        return peri_err_set(
            err, PERI_ENOTFOUND,
            "%s has no rows of snapshot %lld that fit; there are snapshots "
            "%s",
            a->inputs[input], (long long)snap->integer, list);
    return peri_err_set(err, PERI_EINVAL,
                        "%s has several snapshots: choose one with snapnum => N (%s)",
                        a->inputs[input], list);
}

/* ---- particles ---- */

static void put_column(peri_buf_t *b, const char *sql, peri_role_t role,
                       const peri_lookcol_t *c)
{
    if (b->len) peri_buf_puts(b, ", ");
    /* What is stored comes as it is and is converted on the way: that costs DuckDB
     * nothing. Whatever else the user writes becomes a double, an id a BIGINT. */
    if (c)
        peri_buf_puts(b, sql);
    else
        peri_buf_printf(b, "CAST(%s AS %s)", sql,
                        role == PERI_ROLE_ID        ? "BIGINT"
                        : peri_role_is_vector(role) ? "DOUBLE[3]"
                                                    : "DOUBLE");
}

static int no_column(const peri_args_t *a, size_t input, peri_role_t role,
                     peri_err_t *err)
{
    const char *param = peri_role_param(role);
    if (input)
        return peri_err_set(err, PERI_EINVAL,
                            "%s needs a %s, and no column of %s looks like one: write a "
                            "SELECT with ... AS %s as this input",
                            a->kernel->name, peri_role_name(role), a->inputs[input],
                            param);
    return peri_err_set(err, PERI_EINVAL,
                        "%s needs a %s, and no column of %s looks like one: give %s => "
                        "'SQL expression'%s",
                        a->kernel->name, peri_role_name(role), a->inputs[input], param,
                        role == PERI_ROLE_MASS ? " (a number will do)" : "");
}

static int settle_role(const peri_args_t *a, size_t input, peri_role_t role,
                       const peri_look_t *look, peri_arena_t *arena, peri_buf_t *b,
                       peri_inputinfo_t *out, peri_err_t *err)
{
    const peri_arg_t *said = peri_args_find(a, peri_role_param(role));
    const peri_lookcol_t *c = NULL;
    const char *sql =
        input == 0 && said->there ? said->text : peri_role_sql(role, look, arena, &c);
    if (role == PERI_ROLE_POSITION &&
        read_simulation(c ? c : look->columns, arena, out, err))
        return -1;
    if (sql) {
        put_column(b, sql, role, c);
        out->has |= peri_role_bit(role);
        if (role == PERI_ROLE_MASS && c && *c->unit) out->sim.mass = c->unit;
        if (role == PERI_ROLE_VELOCITY && c)
            out->velocity = velocity_factor(c->unit, out->sim.a);
        return 0;
    }
    if (role == PERI_ROLE_MASS && !isnan(out->sim.particle_mass))
        out->mass = out->sim.particle_mass;
    else if (role != PERI_ROLE_ID && role != PERI_ROLE_WEIGHT)
        return no_column(a, input, role, err);
    return 0;
}

static unsigned find_roles(const peri_args_t *a, size_t input, const peri_look_t *look,
                           peri_arena_t *arena, const peri_inputinfo_t *in)
{
    unsigned found = isnan(in->sim.particle_mass) ? 0 : PERI_HAS_MASS;
    for (peri_role_t role = 0; role < PERI_NROLES; role++) {
        const peri_lookcol_t *c;
        const bool said = input == 0 && peri_args_find(a, peri_role_param(role))->there;
        if (said || peri_role_sql(role, look, arena, &c)) found |= peri_role_bit(role);
    }
    return found;
}

static const peri_lookcol_t *find_column(const peri_look_t *look, const char *name)
{
    for (size_t i = 0; i < look->ncolumns; i++)
        if (strcasecmp(look->columns[i].name, name) == 0) return &look->columns[i];
    return NULL;
}

static void put_cast(peri_buf_t *b, const char *name, peri_coltype_t type, unsigned width)
{
    static const char *const types[] = {"", "INTEGER", "BIGINT", "FLOAT", "DOUBLE"};
    peri_buf_puts(b, b->len ? ", CAST(" : "CAST(");
    peri_buf_put_quoted(b, name, '"');
    peri_buf_printf(b, " AS %s", types[type]);
    if (width > 1) peri_buf_printf(b, "[%u]", width);
    peri_buf_putc(b, ')');
}

static void settle_extra(const peri_input_t *in, const peri_look_t *look, peri_buf_t *b,
                         peri_inputinfo_t *out)
{
    for (size_t i = 0; i < in->nextra; i++) {
        const peri_lookcol_t *c = find_column(look, in->extra[i].name);
        if (!c || c->width != 1) continue;
        out->extra |= (uint64_t)1 << i;
        put_cast(b, c->name, in->extra[i].type, 1);
    }
}

static int settle_particles(const peri_args_t *a, size_t input, unsigned wanted,
                            const peri_look_t *look, peri_arena_t *arena, peri_buf_t *b,
                            peri_inputinfo_t *out, peri_err_t *err)
{
    for (peri_role_t role = 0; role < PERI_NROLES; role++) {
        const unsigned bit = peri_role_bit(role);
        if (bit && !(wanted & bit)) continue;
        if (settle_role(a, input, role, look, arena, b, out, err)) return -1;
    }
    settle_extra(&a->kernel->inputs[input], look, b, out);
    out->found = find_roles(a, input, look, arena, out);
    return 0;
}

/* ---- tables ---- */

static int settle_columns(const peri_args_t *a, size_t input, const peri_look_t *look,
                          peri_arena_t *arena, peri_buf_t *b, peri_inputinfo_t *out,
                          peri_err_t *err)
{
    const peri_input_t *in = &a->kernel->inputs[input];
    const peri_lookcol_t *stored = NULL;
    for (size_t i = 0; i < in->ncolumns; i++) {
        const peri_coldef_t *c = &in->columns[i];
        const peri_lookcol_t *found = find_column(look, c->name);
        const bool virtual = !found && look->has_snapnum &&
                             strcasecmp(c->name, "snapnum") == 0;
        if (!found && !virtual)
            return peri_err_set(err, PERI_EINVAL,
                                "%s needs a column %s in %s (%s), and there is none: "
                                "write a SELECT with ... AS %s as its input",
                                a->kernel->name, c->name, a->inputs[input], c->help,
                                c->name);
        if (found && c->width && found->width != c->width)
            return peri_err_set(err, PERI_EINVAL,
                                "%s needs %u values in each row of column %s, there are "
                                "%u",
                                a->kernel->name, c->width, c->name, found->width);
        const unsigned width = c->width ? c->width : found ? found->width : 1;
        if (found && found->placed && !stored) stored = found;
        put_cast(b, found ? found->name : c->name, c->type, width);
    }
    return read_simulation(stored, arena, out, err);
}

int peri_input_settle(const peri_args_t *a, size_t input, unsigned more,
                      const peri_look_t *look, peri_arena_t *arena, peri_inputinfo_t *out,
                      peri_err_t *err)
{
    const peri_input_t *in = &a->kernel->inputs[input];
    int64_t snapnum;
    peri_buf_t b;
    *out = (peri_inputinfo_t){.given = true,
                              .mass = NAN,
                              .velocity = 1,
                              .rows = look->rows,
                              .snapshots = look->nsnapnums};
    if (find_snapshot(a, input, look, &snapnum, err)) return -1;
    peri_buf_init(&b, MAX_SQL);
    int rc = in->columns ? settle_columns(a, input, look, arena, &b, out, err)
                         : settle_particles(a, input, in->particles | more, look, arena,
                                            &b, out, err);
    out->sim.snapnum = snapnum;
    if (rc == 0) rc = apply_arguments(a, &out->sim, err);
    if (rc == 0) rc = peri_buf_check(&b, "the SQL of an input", err);
    if (rc == 0)
        out->sql = peri_arena_printf(arena, "SELECT %s FROM %s%s", b.data,
                                     source(a->inputs[input], arena),
                                     condition(a, input, arena));
    peri_buf_free(&b);
    return rc;
}

int peri_input_settle_path(const peri_args_t *a, peri_inputinfo_t *out, peri_err_t *err)
{
    *out = (peri_inputinfo_t){.given = true, .mass = NAN, .velocity = 1, .sql = ""};
    peri_simulation_init(&out->sim);
    return apply_arguments(a, &out->sim, err);
}

/* ---- what the kernel itself does not need ---- */

int peri_input_narrow(const peri_args_t *a, const peri_look_t *look,
                      const char *condition, peri_arena_t *arena, const char **sql,
                      peri_err_t *err)
{
    const peri_arg_t *said = peri_args_find(a, peri_role_param(PERI_ROLE_POSITION));
    const peri_lookcol_t *column;
    const char *pos = said->there
                          ? said->text
                          : peri_role_sql(PERI_ROLE_POSITION, look, arena, &column);
    static const char word[] = "{pos}";
    peri_buf_t b;
    peri_buf_init(&b, MAX_SQL);
    peri_buf_putc(&b, '(');
    for (const char *at; (at = strstr(condition, word)); condition = at + strlen(word))
        peri_buf_printf(&b, "%.*s%s", (int)(at - condition), condition, pos);
    peri_buf_puts(&b, condition);
    peri_buf_putc(&b, ')');
    int rc = peri_buf_check(&b, "the condition of a kernel", err);
    if (rc == 0) *sql = peri_arena_strdup(arena, b.data);
    peri_buf_free(&b);
    return rc;
}

/* ---- telling other ranks ---- */

/* Everything but texts travels as it lies in memory: ranks run the same program. */
void peri_inputinfo_pack(const peri_inputinfo_t *in, peri_buf_t *out)
{
    peri_put_bytes(out, in, sizeof(*in));
    peri_put_str(out, in->sim.length);
    peri_put_str(out, in->sim.mass);
    peri_put_str(out, in->sim.velocity);
}

int peri_inputinfo_unpack(const void *data, size_t len, peri_arena_t *arena,
                          peri_inputinfo_t *out, peri_err_t *err)
{
    peri_reader_t r = {data, (const char *)data + len, false};
    uint64_t n;
    const void *p = peri_get_bytes(&r, &n);
    if (p && n == sizeof(*out))
        memcpy(out, p, sizeof(*out));
    else
        r.failed = true;
    out->sql = NULL;
    out->sim.length = peri_get_str(&r, arena);
    out->sim.mass = peri_get_str(&r, arena);
    out->sim.velocity = peri_get_str(&r, arena);
    if (r.failed)
        return peri_err_set(err, PERI_EINTERNAL, "a message about an input came broken");
    return 0;
}
