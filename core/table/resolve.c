/* resolve.c - from a specification to a table: opens every file once, for metadata only.
 *
 * A "candidate" is a column in the making: one field of one dataset. Candidates are the
 * union over files, in the order in which they are met; what a file has is noted per
 * file. When all files are read, candidates become columns (settle.c).
 */
#include "core/table/resolve.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/table/limits.h"
#include "core/table/sqltype.h"
#include "core/table/written.h"

/* ---- numbered sets ---- */

static int64_t expected_files(peri_h5file_t *f)
{
    static const char *const names[] = {"NumFiles", "NumFilesPerSnapshot"};
    int64_t n;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (peri_h5attr_int64(f, "/Header", names[i], 0, &n, NULL) == 0) return n;
    return 0;
}

/* Is file i the first of its set, in the sorted list? */
static bool starts_set(const peri_fileset_t *set, size_t i)
{
    const peri_filename_t *f = &set->files[i];
    if (f->parts.number < 0) return false;
    for (size_t k = i; k > 0 && set->files[k - 1].parts.snapnum == f->parts.snapnum; k--)
        if (peri_fileset_same_set(&set->files[k - 1], f)) return false;
    return true;
}

int peri_resolve_check_set(peri_resolver_state_t *r, size_t i, peri_err_t *err)
{
    if (!starts_set(&r->set, i)) return 0;
    size_t missing;
    const char *text, *example;
    peri_fileset_gaps(&r->set, i, r->files[i].expected, r->scratch, &missing, &text,
                      &example);
    if (missing == 0) return 0;
    bool stored = r->spec->nstorages > 0;
    if (r->spec->partial)
        text = peri_arena_printf(r->scratch, "%s. Other nodes may have them", text);
    else if (!r->spec->allow_missing)
        return peri_err_set(
            err, PERI_ENOTFOUND,
            "%s. The first missing one is %s%s%s%s. Give --allow-missing to use "
            "the files that are there",
            text, example, stored ? "; looked for " : "",
            !stored        ? ""
            : r->set.where ? "on the nodes "
                           : "on this machine only",
            stored && r->set.where ? r->set.where : "");
    peri_resolve_note(r, peri_arena_printf(r->scratch, "%s.", text));
    return 0;
}

/* ---- candidates ---- */

size_t peri_resolve_find(peri_resolver_state_t *r, const char *dataset, const char *field)
{
    for (size_t k = 0; k < r->ncands; k++) {
        size_t i = (r->hint + k) % r->ncands;
        if (strcmp(r->cands[i].dataset, dataset) != 0 ||
            strcmp(r->cands[i].field, field) != 0)
            continue;
        r->hint = i + 1;
        return i;
    }
    return SIZE_MAX;
}

/* "Pos", "Galaxies.Pos" or, in a table that is one compound dataset, "Pos". */
static const char *source_of(peri_resolver_state_t *r, const peri_member_t *m,
                             const char *field)
{
    if (*m->name && *field) return peri_arena_printf(r->scratch, "%s.%s", m->name, field);
    if (*m->name) return m->name;
    if (*field) return field;
    const char *slash = strrchr(m->dataset, '/');
    return slash ? slash + 1 : m->dataset;
}

size_t peri_resolve_add(peri_resolver_state_t *r, const char *source, const char *dataset,
                        const char *field, const peri_meaning_t *meaning)
{
    if (r->ncands == r->cands_cap) {
        r->cands_cap = r->cands_cap ? 2 * r->cands_cap : 64;
        r->cands = peri_xrealloc(r->cands, r->cands_cap, sizeof(*r->cands));
    }
    r->cands[r->ncands] = (cand_t){.source = source,
                                   .dataset = dataset,
                                   .field = field,
                                   .sql_type = "",
                                   .meaning = *meaning};
    return r->ncands++;
}

static size_t add_candidate(peri_resolver_state_t *r, peri_h5file_t *f,
                            const peri_member_t *m, const peri_memberfield_t *field)
{
    peri_meaning_t meaning = {"", "", "", ""};
    const char *source = source_of(r, m, field->name);
    /* Attributes of a compound dataset speak of the whole of it. */
    if (!m->compound)
        peri_meaning_read(f, m->dataset, source, &r->units, r->adapter, r->scratch,
                          &meaning);
    return peri_resolve_add(r, source, m->dataset, field->name, &meaning);
}

/* The type that holds both, or 0: integers of one signedness widen, so do floats. */
static peri_type_t common_type(peri_type_t a, peri_type_t b)
{
    if (a == b) return a;
    bool both_signed =
        a >= PERI_T_I8 && a <= PERI_T_I64 && b >= PERI_T_I8 && b <= PERI_T_I64;
    bool both_unsigned =
        a >= PERI_T_U8 && a <= PERI_T_U64 && b >= PERI_T_U8 && b <= PERI_T_U64;
    bool both_real =
        a >= PERI_T_F32 && a <= PERI_T_F64 && b >= PERI_T_F32 && b <= PERI_T_F64;
    if (both_signed || both_unsigned || both_real) return a > b ? a : b;
    return 0;
}

static const char *sql_type(peri_arena_t *arena, peri_type_t type, uint32_t width)
{
    if (width == 1) return peri_type_name(type);
    return peri_arena_printf(arena, "%s[%u]", peri_type_name(type), width);
}

static int merge_type(peri_resolver_state_t *r, cand_t *c, const sight_t *field,
                      size_t file, bool has_rows, peri_err_t *err)
{
    if (c->type == 0 || (has_rows && !c->has_rows)) {
        c->type = field->type;
        c->width = field->width;
        c->stored_as = field->stored_as;
        c->chunk_rows = field->chunk_rows;
        c->sql_type = field->sql_type;
        c->first_file = file;
    } else if (has_rows) {
        peri_type_t type =
            c->width == field->width ? common_type(c->type, field->type) : 0;
        if (type == 0)
            return peri_err_set(
                err, PERI_EFORMAT,
                "column %s is %s in %s but %s in %s: such files cannot be one table",
                c->source, sql_type(r->scratch, c->type, c->width),
                r->set.files[c->first_file].path,
                sql_type(r->scratch, field->type, field->width), r->set.files[file].path);
        c->mixed |= field->type != c->type;
        c->sql_mixed |= strcmp(field->sql_type, c->sql_type) != 0;
        if (type != c->type) {
            c->stored_as = field->stored_as;
            c->first_file = file;
            c->type = type;
        }
    }
    c->has_rows |= has_rows;
    c->nullable |= has_rows && field->has_mask;
    return 0;
}

static const char *field_problem(peri_resolver_state_t *r,
                                 const peri_memberfield_t *field)
{
    if (field->type == 0)
        return peri_arena_printf(r->scratch, "it holds what a table cannot show (%s)",
                                 field->why_not ? field->why_not : field->stored_as);
    if (field->width > PERI_MAX_WIDTH)
        return peri_arena_printf(r->scratch,
                                 "each row has %u values, more than the %d that a "
                                 "column may have",
                                 field->width, PERI_MAX_WIDTH);
    if (field->width == 0) return "its rows have no values";
    return NULL;
}

int peri_resolve_take(peri_resolver_state_t *r, size_t i, size_t cand, const sight_t *s,
                      peri_err_t *err)
{
    cand_t *c = &r->cands[cand];
    if (r->watch) r->watch->sight(r->watch->arg, i, cand, s);
    if (c->why_not) return 0;
    c->why_not = s->why_not;
    if (c->why_not) return 0;
    if (merge_type(r, c, s, i, r->files[i].rows > 0, err) < 0) return -1;
    r->files[i].has[cand] = 1;
    return 0;
}

static int add_member(peri_resolver_state_t *r, size_t file, peri_h5file_t *f,
                      const peri_member_t *m, uint64_t rows, bool ours, peri_err_t *err)
{
    const peri_memberfield_t unreadable = {.name = ""};
    /* A dataset that is asked for by its path may have any shape. */
    const char *why_not = *m->name ? peri_member_not_a_column(m) : m->why_not;
    const peri_memberfield_t *fields = why_not ? &unreadable : m->fields;
    size_t n = why_not ? 1 : m->nfields;
    for (size_t i = 0; i < n; i++) {
        size_t c = peri_resolve_find(r, m->dataset, fields[i].name);
        if (c == SIZE_MAX) c = add_candidate(r, f, m, &fields[i]);
        sight_t s = {.type = fields[i].type,
                     .width = fields[i].width,
                     .stored_as = fields[i].stored_as,
                     .why_not = why_not,
                     .chunk_rows = m->chunk_rows,
                     .sql_type = ""};
        if (ours && !why_not && !m->compound)
            peri_written_column(f, m->dataset, r->scratch, &s.sql_type, &s.has_mask);
        if (peri_sqltype_form(s.sql_type, s.type, s.width) == PERI_SQLFORM_STORED)
            s.sql_type = "";
        if (!why_not && m->rows != rows)
            s.why_not = peri_arena_printf(
                r->scratch, "it has %llu rows and not %llu as the other columns in %s",
                (unsigned long long)m->rows, (unsigned long long)rows,
                r->set.files[file].name);
        else if (!why_not)
            s.why_not = field_problem(r, &fields[i]);
        if (peri_resolve_take(r, file, c, &s, err) < 0) return -1;
    }
    return 0;
}

/* ---- one file ---- */

static int no_common_length(peri_resolver_state_t *r, const peri_member_t *v, size_t n,
                            const char *path, peri_err_t *err)
{
    peri_buf_t list;
    peri_buf_init(&list, 400);
    for (size_t i = 0; i < n && !list.failed; i++)
        if (!v[i].why_not)
            peri_buf_printf(&list, "%s%s (%llu rows)", list.len ? ", " : "", v[i].name,
                            (unsigned long long)v[i].rows);
    peri_err_set(
        err, PERI_EINVAL,
        "the group %s of %s is not one table: its datasets have different lengths: "
        "%s. Name one of them, such as %s",
        r->spec->path, path, list.data ? list.data : "",
        peri_path_join(r->scratch, r->spec->path, v[0].name));
    peri_buf_free(&list);
    return -1;
}

static void read_once(peri_resolver_state_t *r, peri_h5file_t *f)
{
    peri_unitsystem_read(f, &r->units);
    static const char *const places[] = {"/Header", "/Parameters"};
    for (size_t i = 0; i < 2 && r->box_size == 0; i++)
        (void)peri_h5attr_double(f, places[i], "BoxSize", 0, &r->box_size, NULL);
    if (!(r->box_size > 0)) r->box_size = 0;
    if (r->adapter && r->adapter->parttype >= 0)
        (void)peri_h5attr_double(f, "/Header", "MassTable", (size_t)r->adapter->parttype,
                                 &r->mass, NULL);
}

static int read_opened(peri_resolver_state_t *r, size_t i, peri_h5file_t *f,
                       peri_err_t *err)
{
    const char *path = r->set.files[i].path;
    resolved_file_t *file = &r->files[i];
    peri_h5file_stat(f, &file->size, &file->mtime_ns, &file->inode);
    file->read = true;
    if (starts_set(&r->set, i)) file->expected = expected_files(f);
    /* Gaps in what one of many nodes has are looked for when all have told. */
    if (!r->watch && peri_resolve_check_set(r, i, err) < 0) return -1;
    if (i == 0) read_once(r, f);
    peri_member_t *v;
    size_t n;
    int rc = peri_members_read(r->members, f, r->spec->path, &v, &n, err);
    if (rc < 0) return -1;
    file->no_path = rc > 0;
    r->files_without_path += rc > 0;
    if (rc > 0) return 0;
    if (!peri_members_rows(v, n, &file->rows))
        return no_common_length(r, v, n, path, err);
    if (file->rows > INT64_MAX)
        return peri_err_set(err, PERI_EFORMAT, "%s claims an impossible number of rows",
                            path);

    bool ours = peri_written_by_us(f);
    if (ours && peri_written_order(f, r->spec->path, v, n, err) < 0) return -1;

    /* All candidates that this file could add have room in its flags. */
    size_t fields = r->ncands;
    for (size_t k = 0; k < n; k++) fields += v[k].nfields ? v[k].nfields : 1;
    file->has = peri_xcalloc(fields, 1);
    r->hint = 0;
    for (size_t k = 0; k < n; k++)
        if (add_member(r, i, f, &v[k], file->rows, ours, err) < 0) return -1;
    file->nhas = r->ncands;
    if (r->ncands > PERI_MAX_COLUMNS)
        return peri_err_set(err, PERI_ELIMIT,
                            "table %s has more than %d columns; name a part of it",
                            r->spec->name, PERI_MAX_COLUMNS);
    return 0;
}

/* The tree that links in this file must not leave, or NULL. */
static const char *root_of(const peri_resolver_state_t *r, size_t i)
{
    const peri_filename_t *f = &r->set.files[i];
    return f->nplaces ? f->places[0].root : r->spec->root;
}

static int read_file(peri_resolver_state_t *r, size_t i, peri_err_t *err)
{
    peri_h5file_t *f = peri_h5file_open(r->set.files[i].path, root_of(r, i), err);
    if (!f) return -1;
    int rc = read_opened(r, i, f, err);
    peri_h5file_unref(f);
    return rc;
}

/* ---- nothing found ---- */

typedef struct {
    peri_arena_t *arena;
    const char **v;
    size_t n;
} names_t;

static int collect(const char *name, char kind, void *arg)
{
    names_t *names = arg;
    (void)kind;
    if (names->n == 100) return 1;
    names->v[names->n++] = peri_arena_strdup(names->arena, name);
    return 0;
}

static int nothing_at_path(peri_resolver_state_t *r, peri_err_t *err)
{
    const char *path = r->spec->path;
    names_t names = {.arena = r->scratch, .n = 0};
    names.v = peri_arena_calloc(r->scratch, 100, sizeof(*names.v));
    const char *slash = strrchr(path, '/');
    const char *parent =
        slash && slash > path
            ? peri_arena_strndup(r->scratch, path, (size_t)(slash - path))
            : "/";
    peri_h5file_t *f = peri_h5file_open(r->set.files[0].path, root_of(r, 0), NULL);
    if (f) (void)peri_h5group_each(f, parent, collect, &names, NULL);
    peri_h5file_unref(f);
    const char *near = peri_did_you_mean(slash ? slash + 1 : path, names.v, names.n);
    peri_buf_t list;
    peri_buf_init(&list, 300);
    for (size_t i = 0; i < names.n; i++)
        peri_buf_printf(&list, "%s%s", i ? ", " : "", names.v[i]);
    peri_err_set(err, PERI_ENOTFOUND, "there is no %s in %s%s%s%s%s%s%s%s", path,
                 r->set.files[0].path, r->set.nfiles > 1 ? " nor in the other files" : "",
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                 list.len ? " It has: " : "", list.len ? list.data : "",
                 list.failed ? ", ..." : "");
    peri_buf_free(&list);
    return -1;
}

static int no_columns(const peri_resolver_state_t *r, peri_err_t *err)
{
    if (r->nnotes > 0)
        return peri_err_set(err, PERI_EUNSUPP,
                            "nothing at %s of %s can be read as a column: %s",
                            r->spec->path, r->set.files[0].path, r->notes[r->nnotes - 1]);
    return peri_err_set(err, PERI_ENOTFOUND,
                        "table %s has no rows and no columns: %s is empty in %s%s. In a "
                        "catalogue that is "
                        "split over many files, some hold no objects; add the others",
                        r->spec->name, r->spec->path,
                        r->set.nfiles > 1 ? "all files, the first is " : "",
                        r->set.files[0].path);
}

/* ---- all of it ---- */

void peri_resolve_init(peri_resolver_state_t *r, const peri_tablespec_t *spec)
{
    *r = (peri_resolver_state_t){.spec = spec, .scratch = peri_arena_new()};
    r->members = peri_members_new(r->scratch);
    r->adapter = peri_adapter_by_path(spec->adapter, spec->path);
}

void peri_resolve_clear(peri_resolver_state_t *r)
{
    for (size_t i = 0; r->files && i < r->set.nfiles; i++) free(r->files[i].has);
    free(r->files);
    free(r->cands);
    peri_members_free(r->members);
    peri_arena_free(r->scratch);
}

int peri_resolve_read(peri_resolver_state_t *r, peri_err_t *err)
{
    if (peri_fileset_find(r->spec, r->scratch, &r->set, err) < 0) return -1;
    r->files = peri_xcalloc(r->set.nfiles, sizeof(*r->files));
    r->nfiles = r->set.nfiles;
    for (size_t i = 0; i < r->set.nfiles; i++) {
        if (read_file(r, i, err) < 0) return -1;
        if (r->adapter && r->adapter->first_file_only) {
            r->nfiles = 1;
            break;
        }
    }
    return 0;
}

peri_table_t *peri_resolve_finish(peri_resolver_state_t *r, peri_err_t *err)
{
    bool nothing = r->nfiles > 0 && r->files_without_path == r->nfiles;
    if (nothing && !r->spec->partial) {
        (void)nothing_at_path(r, err);
        return NULL;
    }
    if (r->files_without_path > 0 && !r->adapter)
        peri_resolve_note(
            r,
            peri_arena_printf(r->scratch, "%zu of %zu files have no %s: no rows there.",
                              r->files_without_path, r->nfiles, r->spec->path));
    peri_table_t *t = peri_resolve_settle(r, err);
    if (!t || t->ncolumns > 0 || r->spec->partial) return t;
    (void)no_columns(r, err);
    peri_table_unref(t);
    return NULL;
}

peri_table_t *peri_table_resolve(const peri_tablespec_t *spec, peri_err_t *err)
{
    peri_resolver_state_t r;
    peri_resolve_init(&r, spec);
    const char *here = spec->nstorages ? peri_node_name() : NULL;
    r.hosts = here ? &here : NULL;
    r.nhosts = here != NULL;
    peri_table_t *t =
        peri_resolve_read(&r, err) == 0 ? peri_resolve_finish(&r, err) : NULL;
    peri_resolve_clear(&r);
    return t;
}
