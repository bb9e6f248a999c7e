/* members.c - see members.h.
 *
 * A dataset that is a hard link in the group and has the type and inner shape of one seen
 * before is opened with H5Dopen2 only. Everything else goes through peri_h5set_open,
 * which follows links and watches over the allowed tree.
 */
#include "core/table/members.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/table/limits.h"

#define MAX_DIMS 8

/* What was found for one name; names with several types have several, newest first. */
typedef struct seen {
    struct seen *older;
    hid_t type;
    int ndims;
    hsize_t dims[MAX_DIMS]; /* the first one does not count */
    const peri_memberfield_t *fields;
    size_t nfields;
    uint64_t chunk_rows;
    bool compound;
} seen_t;

typedef struct {
    const char *name, *dataset;
    seen_t *seen;
} entry_t;

struct peri_members {
    peri_arena_t *arena;
    entry_t *entries;
    size_t nentries, entries_cap;
    size_t hint; /* files list the same names in the same order */
    peri_member_t *v;
    size_t n, cap;
    hid_t at; /* the group that is being read, or -1 */
};

peri_members_t *peri_members_new(peri_arena_t *arena)
{
    peri_members_t *m = peri_xcalloc(1, sizeof(*m));
    m->arena = arena;
    m->at = -1;
    return m;
}

void peri_members_free(peri_members_t *m)
{
    if (!m) return;
    peri_h5_lock();
    for (size_t i = 0; i < m->nentries; i++)
        for (seen_t *s = m->entries[i].seen; s; s = s->older) H5Tclose(s->type);
    peri_h5_unlock();
    free(m->entries);
    free(m->v);
    free(m);
}

const char *peri_path_join(peri_arena_t *arena, const char *group, const char *name)
{
    size_t n = strlen(group);
    while (n > 0 && group[n - 1] == '/') n--;
    return peri_arena_printf(arena, "%.*s/%s", (int)n, group, name);
}

/* Index, not pointer: the array grows. */
static size_t entry_of(peri_members_t *m, const char *dataset, const char *name)
{
    for (size_t k = 0; k < m->nentries; k++) {
        size_t i = (m->hint + k) % m->nentries;
        if (strcmp(m->entries[i].dataset, dataset) != 0) continue;
        m->hint = i + 1;
        return i;
    }
    if (m->nentries == m->entries_cap) {
        m->entries_cap = m->entries_cap ? 2 * m->entries_cap : 64;
        m->entries = peri_xrealloc(m->entries, m->entries_cap, sizeof(*m->entries));
    }
    m->entries[m->nentries] = (entry_t){.name = peri_arena_strdup(m->arena, name),
                                        .dataset = peri_arena_strdup(m->arena, dataset)};
    m->hint = m->nentries + 1;
    return m->nentries++;
}

static bool same_inner_shape(const seen_t *s, int ndims, const hsize_t *dims)
{
    if (s->ndims != ndims) return false;
    for (int i = 1; i < ndims; i++)
        if (s->dims[i] != dims[i]) return false;
    return true;
}

/* Type and shape of the dataset with plain HDF5 calls. Under the lock. */
typedef struct {
    hid_t type;
    int ndims;
    hsize_t dims[H5S_MAX_RANK];
} shape_t;

static bool read_shape(hid_t group, const char *name, shape_t *out)
{
    hid_t set = H5Dopen2(group, name, H5P_DEFAULT);
    if (set < 0) return false;
    hid_t space = H5Dget_space(set);
    out->type = H5Dget_type(set);
    out->ndims = space >= 0 ? H5Sget_simple_extent_dims(space, out->dims, NULL) : -1;
    if (space >= 0) H5Sclose(space);
    H5Dclose(set);
    if (out->type >= 0 && out->ndims >= 0) return true;
    if (out->type >= 0) H5Tclose(out->type);
    return false;
}

static bool is_hard_link(hid_t group, const char *name)
{
    H5L_info_t info;
    return H5Lget_info(group, name, &info, H5P_DEFAULT) >= 0 &&
           info.type == H5L_TYPE_HARD;
}

static void copy_fields(peri_members_t *m, peri_h5set_t *set, seen_t *s)
{
    size_t n;
    const peri_h5field_t *f = peri_h5set_fields(set, &n);
    peri_memberfield_t *out = peri_arena_calloc(m->arena, n, sizeof(*out));
    for (size_t i = 0; i < n; i++)
        out[i] = (peri_memberfield_t){
            .name = peri_arena_strdup(m->arena, f[i].name),
            .type = f[i].type,
            .why_not = peri_arena_strdup(m->arena, f[i].why_not),
            .width = f[i].width,
            .stored_as = peri_arena_strdup(m->arena, f[i].stored_as)};
    s->fields = out;
    s->nfields = n;
    s->compound = n > 1 || (n == 1 && f[0].name[0]);
    s->chunk_rows = peri_h5set_chunk_rows(set);
}

/* Open properly; remember the type if `shape` tells it. */
static int read_slow(peri_members_t *m, peri_h5file_t *f, entry_t *e, shape_t *shape,
                     peri_member_t *out, peri_err_t *err)
{
    peri_err_t why = {0};
    peri_h5set_t *set = peri_h5set_open(f, e->dataset, &why);
    if (!set) {
        if (why.code == PERI_EUNSUPP || why.code == PERI_ENOTFOUND) {
            out->why_not = peri_arena_strdup(m->arena, why.text);
            return 0;
        }
        if (err) *err = why;
        return -1;
    }
    seen_t *s = peri_arena_calloc(m->arena, 1, sizeof(*s));
    s->type = -1;
    copy_fields(m, set, s);
    out->rows = peri_h5set_rows(set);
    out->fields = s->fields;
    out->nfields = s->nfields;
    out->compound = s->compound;
    out->chunk_rows = s->chunk_rows;
    out->ndims = shape ? (uint32_t)shape->ndims : 1;
    peri_h5set_unref(set);
    if (!shape || shape->ndims > MAX_DIMS) return 0;
    s->type = shape->type;
    s->ndims = shape->ndims;
    memcpy(s->dims, shape->dims, (size_t)shape->ndims * sizeof(*s->dims));
    s->older = e->seen;
    e->seen = s;
    shape->type = -1; /* kept */
    return 0;
}

static int read_dataset(peri_members_t *m, peri_h5file_t *f, const char *path,
                        const char *name, peri_member_t *out, peri_err_t *err)
{
    size_t entry = entry_of(m, path, name); /* may move the entries */
    entry_t *e = &m->entries[entry];
    *out = (peri_member_t){.name = e->name, .dataset = e->dataset};
    shape_t shape;
    if (m->at < 0 || !is_hard_link(m->at, name) || !read_shape(m->at, name, &shape))
        return read_slow(m, f, e, NULL, out, err);
    int rc = 0;
    const seen_t *s =
        shape.ndims > 0 ? e->seen : NULL; /* scalar and null spaces look alike */
    while (s && !(same_inner_shape(s, shape.ndims, shape.dims) &&
                  H5Tequal(s->type, shape.type) > 0))
        s = s->older;
    if (s) {
        out->rows = shape.dims[0];
        out->fields = s->fields;
        out->nfields = s->nfields;
        out->compound = s->compound;
        out->chunk_rows = s->chunk_rows;
        out->ndims = (uint32_t)shape.ndims;
    } else {
        rc = read_slow(m, f, e, &shape, out, err);
    }
    if (shape.type >= 0) H5Tclose(shape.type);
    return rc;
}

static int collect_name(const char *name, char kind, void *arg)
{
    peri_members_t *m = arg;
    if (kind == 'g' || kind == 't') return 0;
    if (m->n == PERI_MAX_COLUMNS) return 1;
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        m->v = peri_xrealloc(m->v, m->cap, sizeof(*m->v));
    }
    m->v[m->n++] = (peri_member_t){.name = peri_arena_strdup(m->arena, name)};
    return 0;
}

static int read_group(peri_members_t *m, peri_h5file_t *f, const char *path,
                      peri_err_t *err)
{
    if (peri_h5group_each(f, path, collect_name, m, err) < 0) return -1;
    if (m->n == PERI_MAX_COLUMNS)
        return peri_err_set(
            err, PERI_ELIMIT,
            "the group %s of %s has %d datasets or more: more than a table "
            "may have columns",
            path, peri_h5file_path(f), PERI_MAX_COLUMNS);
    int rc = 0;
    m->at = H5Gopen2(peri_h5file_hid(f), path, H5P_DEFAULT);
    for (size_t i = 0; i < m->n && rc == 0; i++) {
        const char *dataset = peri_path_join(m->arena, path, m->v[i].name);
        rc = read_dataset(m, f, dataset, m->v[i].name, &m->v[i], err);
    }
    if (m->at >= 0) H5Gclose(m->at);
    m->at = -1;
    return rc;
}

int peri_members_read(peri_members_t *m, peri_h5file_t *f, const char *path,
                      peri_member_t **out, size_t *n, peri_err_t *err)
{
    m->n = 0;
    m->hint = 0;
    int rc = 0;
    peri_h5_lock();
    char kind = peri_h5_kind(f, path);
    if (kind == 'g') {
        rc = read_group(m, f, path, err);
    } else if (kind == 'd') {
        (void)collect_name("", 'd', m);
        rc = read_dataset(m, f, path, "", &m->v[0], err);
        m->n = 1;
    } else {
        /* Not there, or a link that must not be followed: that is worth its own words. */
        peri_err_t why = {0};
        peri_h5set_unref(peri_h5set_open(f, path, &why));
        rc = why.code == PERI_EDENIED ? -1 : 1;
        if (rc < 0 && err) *err = why;
    }
    peri_h5_unlock();
    *out = m->v;
    *n = m->n;
    return rc;
}

static bool has_vote(const peri_member_t *m)
{
    return *m->name ? !peri_member_not_a_column(m) : !m->why_not;
}

bool peri_members_rows(const peri_member_t *v, size_t n, uint64_t *rows)
{
    /* The only value that can have a majority, then the count. */
    uint64_t candidate = 0;
    size_t lead = 0, votes = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        if (!has_vote(&v[i])) continue;
        if (lead == 0) candidate = v[i].rows;
        if (v[i].rows == candidate)
            lead++;
        else
            lead--;
    }
    for (size_t i = 0; i < n; i++) {
        if (!has_vote(&v[i])) continue;
        all++;
        votes += v[i].rows == candidate;
    }
    *rows = all ? candidate : 0;
    return all == 0 || 2 * votes > all;
}

const char *peri_member_not_a_column(const peri_member_t *m)
{
    if (m->why_not) return m->why_not;
    if (m->ndims == 0) return "it is a single value";
    if (m->ndims > PERI_MAX_NDIMS) return "it is a field on a grid, not a column";
    return NULL;
}
