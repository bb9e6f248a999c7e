/* inspect.c - see inspect.h. Walks groups to a bounded depth and number. */
#include "core/table/inspect.h"

#include <string.h>

#include "core/base/util.h"
#include "core/table/fileset.h"
#include "core/table/limits.h"
#include "core/table/members.h"
#include "core/table/written.h"

#define MAX_LISTED 200

typedef struct {
    peri_h5file_t *f;
    peri_arena_t *arena;
    peri_members_t *members;
    peri_found_list_t *out;
    const char *groups[PERI_MAX_GROUPS]; /* a queue: near ones first */
    int depth[PERI_MAX_GROUPS];
    size_t ngroups, at;
    bool ours; /* written by core/out */
} walk_t;

static void add_table(walk_t *w, const char *path, uint64_t rows, size_t ncolumns)
{
    if (w->out->ntables == MAX_LISTED) {
        w->out->more = true;
        return;
    }
    w->out->tables[w->out->ntables++] =
        (peri_found_t){.path = path, .rows = rows, .ncolumns = ncolumns};
}

static void add_other(walk_t *w, const peri_member_t *m)
{
    if (w->out->nothers == MAX_LISTED) {
        w->out->more = true;
        return;
    }
    const char *text;
    if (m->why_not)
        text =
            peri_arena_printf(w->arena, "%s: cannot be read: %s", m->dataset, m->why_not);
    else if (m->nfields == 1 && m->fields[0].type)
        text = peri_arena_printf(w->arena, "%s: %llu x %u %s", m->dataset,
                                 (unsigned long long)m->rows, m->fields[0].width,
                                 peri_type_name(m->fields[0].type));
    else
        text = peri_arena_printf(w->arena, "%s: %llu rows%s%s", m->dataset,
                                 (unsigned long long)m->rows, m->nfields ? " of " : "",
                                 m->nfields ? m->fields[0].why_not : "");
    w->out->others[w->out->nothers++] = text;
}

/* One dataset of numbers or text, as a column would show it. */
static bool is_column(const peri_member_t *m)
{
    return !peri_member_not_a_column(m) && !m->compound && m->nfields == 1 &&
           m->fields[0].type && m->fields[0].width <= PERI_MAX_WIDTH;
}

static void look_at_datasets(walk_t *w, const char *group, const peri_member_t *v,
                             size_t n)
{
    uint64_t rows;
    size_t same = 0, fields = 0;
    bool common = peri_members_rows(v, n, &rows);
    for (size_t i = 0; common && i < n; i++) {
        same += is_column(&v[i]) && v[i].rows == rows;
        if (v[i].rows == rows && (is_column(&v[i]) || v[i].compound))
            fields += v[i].nfields;
    }
    bool is_table = same >= 2;
    if (is_table) add_table(w, group, rows, fields);
    for (size_t i = 0; i < n; i++) {
        bool in_table =
            is_table && v[i].rows == rows && (is_column(&v[i]) || v[i].compound);
        if (in_table) continue;
        if (!v[i].why_not && (is_column(&v[i]) || v[i].compound))
            add_table(w, v[i].dataset, v[i].rows, v[i].nfields);
        else
            add_other(w, &v[i]);
    }
}

static int collect_group(const char *name, char kind, void *arg)
{
    walk_t *w = arg;
    if (kind != 'g') return 0;
    if (w->depth[w->at] == PERI_MAX_DEPTH || w->ngroups == PERI_MAX_GROUPS) {
        w->out->more = true;
        return 1;
    }
    w->depth[w->ngroups] = w->depth[w->at] + 1;
    const char *path = peri_path_join(w->arena, w->groups[w->at], name);
    if (w->ours && peri_written_is_aside(path)) return 0;
    w->groups[w->ngroups++] = path;
    return 0;
}

static int walk(walk_t *w, peri_err_t *err)
{
    w->groups[0] = "/";
    w->ngroups = 1;
    for (w->at = 0; w->at < w->ngroups; w->at++) {
        peri_member_t *v;
        size_t n;
        const char *group = w->groups[w->at];
        if (peri_members_read(w->members, w->f, group, &v, &n, err) < 0) return -1;
        if (n) look_at_datasets(w, group, v, n);
        if (peri_h5group_each(w->f, group, collect_group, w, err) < 0) return -1;
    }
    return 0;
}

static void list_adapter(peri_h5file_t *f, peri_found_list_t *out)
{
    size_t n;
    const peri_adapter_t *a = peri_adapter_tables(out->format, &n);
    for (size_t i = 0; i < n; i++)
        if (peri_adapter_is_in(f, &a[i]))
            out->tables[out->ntables++] =
                (peri_found_t){.path = a[i].path, .table = a[i].table};
}

int peri_inspect(peri_h5file_t *f, peri_arena_t *arena, peri_found_list_t *out,
                 peri_err_t *err)
{
    *out = (peri_found_list_t){.format = peri_adapter_detect(f)};
    out->tables = peri_arena_calloc(arena, MAX_LISTED, sizeof(*out->tables));
    out->others = peri_arena_calloc(arena, MAX_LISTED, sizeof(*out->others));
    if (out->format) {
        list_adapter(f, out);
        return 0;
    }
    walk_t *w = peri_arena_calloc(arena, 1, sizeof(*w));
    *w = (walk_t){.f = f, .arena = arena, .out = out, .ours = peri_written_by_us(f)};
    w->members = peri_members_new(arena);
    int rc = walk(w, err);
    peri_members_free(w->members);
    return rc;
}

int peri_inspect_pattern(const char *pattern, const char *base, const char *root,
                         peri_arena_t *arena, peri_found_list_t *out, peri_err_t *err)
{
    const peri_tablespec_t spec = {
        .name = pattern, .files = &pattern, .nfiles = 1, .base = base, .root = root};
    peri_fileset_t set;
    if (peri_fileset_find(&spec, arena, &set, err) < 0) return -1;
    /* The last one knows most: early snapshots lack stars. But it may be an empty part.
     */
    const size_t ends[] = {set.nfiles - 1, 0};
    for (size_t i = 0; i < 2; i++) {
        peri_h5file_t *f = peri_h5file_open(set.files[ends[i]].path, root, err);
        int rc = f ? peri_inspect(f, arena, out, err) : -1;
        peri_h5file_unref(f);
        if (rc < 0 || out->ntables > 0) return rc;
    }
    return 0;
}
