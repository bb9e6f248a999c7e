/* settle.c - candidates and files become a table: names, overrides, rows, notes. Touches
 * no file.
 */
#include "core/table/resolve.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/table/sqltype.h"

void peri_resolve_note(peri_resolver_state_t *r, const char *text)
{
    for (size_t i = 0; i < r->nnotes; i++)
        if (strcmp(r->notes[i], text) == 0) return;
    if (r->nnotes < PERI_MAX_NOTES)
        r->notes[r->nnotes++] = text;
    else if (r->nnotes == PERI_MAX_NOTES)
        r->notes[r->nnotes++] = "There are more notes than are kept.";
}

/* ---- names ---- */

static bool is_taken(const peri_column_t *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(v[i].name, name) == 0) return true;
    return false;
}

/* The name, or name_2, name_3, ... if columns have it already. */
static const char *free_name(peri_arena_t *arena, const peri_column_t *v, size_t n,
                             const char *name)
{
    if (!is_taken(v, n, name)) return name;
    for (unsigned k = 2;; k++) {
        const char *next = peri_arena_printf(arena, "%s_%u", name, k);
        if (!is_taken(v, n, next)) return next;
    }
}

static const char *sql_name(peri_arena_t *arena, const char *source)
{
    char *name = peri_arena_strdup(arena, source);
    for (char *p = name; *p; p++)
        if (*p == '.') *p = '_';
    return name;
}

/* ---- overrides ---- */

static const peri_colspec_t *override_of(const peri_tablespec_t *spec, const char *source)
{
    for (int exact = 1; exact >= 0; exact--)
        for (size_t i = 0; i < spec->ncolumns; i++) {
            const char *s = spec->columns[i].source;
            if (exact ? strcmp(s, source) == 0 : strcasecmp(s, source) == 0)
                return &spec->columns[i];
        }
    return NULL;
}

/* Every override must be of a column that is there. */
static int check_overrides(peri_resolver_state_t *r, peri_err_t *err)
{
    if (r->ncands == 0) return 0; /* no columns at all: the caller says why */
    const char **names = peri_arena_calloc(r->scratch, r->ncands, sizeof(*names));
    size_t n = 0;
    for (size_t i = 0; i < r->ncands; i++) names[n++] = r->cands[i].source;
    for (size_t k = 0; k < r->spec->ncolumns; k++) {
        const char *source = r->spec->columns[k].source;
        size_t i = 0;
        while (i < n && strcasecmp(names[i], source) != 0) i++;
        if (i < n) continue;
        const char *near = peri_did_you_mean(source, names, n);
        return peri_err_set(
            err, PERI_ENOTFOUND,
            "the descriptor of table %s speaks of a column %s, but no file "
            "has it%s%s%s",
            r->spec->name, source, near ? "; did you mean " : "", near ? near : "",
            near ? "?" : "");
    }
    return 0;
}

/* ---- columns ---- */

typedef struct {
    peri_resolver_state_t *r;
    peri_arena_t *arena;
    peri_column_t *columns;
    size_t *cand_of; /* which candidate a column is from */
    size_t n;
    const char *root; /* the last place's */
} settle_t;

static const char *pick(peri_arena_t *arena, const char *from_spec, const char *from_file)
{
    return peri_arena_strdup(arena, from_spec ? from_spec : from_file);
}

/* The column of a candidate, or one component of it. */
static void add_column(settle_t *s, size_t cand, const peri_colspec_t *o, int component)
{
    const cand_t *c = &s->r->cands[cand];
    const char *wanted = component >= 0 ? o->parts[component] : o ? o->name : NULL;
    if (!wanted && *c->meaning.name) wanted = c->meaning.name;
    if (!wanted) wanted = sql_name(s->arena, c->source);
    uint32_t width = component >= 0 ? 1 : c->width;
    bool exact = component < 0 && !c->sql_mixed &&
                 peri_sqltype_form(c->sql_type, c->type, width) != PERI_SQLFORM_STORED;
    /* The unit of stored integers, such as days since 1970, is none of a DATE. */
    const char *unit = c->meaning.unit;
    if (exact && strstr(unit, " since ") &&
        peri_sqltype_form(c->sql_type, c->type, width) == PERI_SQLFORM_BITS)
        unit = "";
    s->cand_of[s->n] = cand;
    s->columns[s->n] = (peri_column_t){
        .name =
            free_name(s->arena, s->columns, s->n, peri_arena_strdup(s->arena, wanted)),
        .dataset = peri_arena_strdup(s->arena, c->dataset),
        .field = peri_arena_strdup(s->arena, c->field),
        .component = component,
        .type = c->type,
        .width = width,
        .unit = pick(s->arena, o ? o->unit : NULL, unit),
        .description = pick(s->arena, o ? o->description : NULL, c->meaning.description),
        .ucd = pick(s->arena, o ? o->ucd : NULL, c->meaning.ucd),
        .chunk_rows = c->chunk_rows,
        .stored_as = peri_arena_strdup(s->arena, c->stored_as ? c->stored_as : ""),
        .sql_type = exact ? peri_arena_strdup(s->arena, c->sql_type) : "",
        .nullable = c->nullable};
    s->n++;
}

static bool is_text(const char *s)
{
    return *s && peri_utf8_valid(s, strlen(s));
}

static int add_candidate_columns(settle_t *s, size_t cand, peri_err_t *err)
{
    cand_t *c = &s->r->cands[cand];
    if (!c->why_not && !is_text(c->source)) c->why_not = "its name is not valid text";
    if (c->why_not || c->type == 0) {
        bool shown = is_text(c->source);
        peri_resolve_note(s->r,
                          peri_arena_printf(s->r->scratch, "Column %s is left out: %s.",
                                            shown ? c->source : "(unnamed)",
                                            c->why_not ? c->why_not : "no type"));
        return 0;
    }
    if (!is_text(c->meaning.unit)) c->meaning.unit = "";
    if (!is_text(c->meaning.description)) c->meaning.description = "";
    if (!is_text(c->meaning.ucd)) c->meaning.ucd = "";
    if (!is_text(c->meaning.name)) c->meaning.name = "";
    if (c->sql_mixed)
        peri_resolve_note(s->r,
                          peri_arena_printf(s->r->scratch,
                                            "Column %s has several SQL types in the "
                                            "files: it is read as stored.",
                                            c->source));
    if (c->mixed)
        peri_resolve_note(s->r,
                          peri_arena_printf(s->r->scratch,
                                            "Column %s is stored in several widths: all "
                                            "are read as %s.",
                                            c->source, peri_type_name(c->type)));
    const peri_colspec_t *o = override_of(s->r->spec, c->source);
    if (!o || o->nparts == 0) {
        add_column(s, cand, o, -1);
        return 0;
    }
    if (o->nparts != c->width)
        return peri_err_set(
            err, PERI_EINVAL,
            "the descriptor of table %s names %zu parts of column %s, which "
            "has %u values in a row",
            s->r->spec->name, o->nparts, c->source, c->width);
    for (size_t i = 0; i < o->nparts; i++) add_column(s, cand, o, (int)i);
    return 0;
}

static int settle_columns(settle_t *s, peri_err_t *err)
{
    size_t max = 0;
    for (size_t i = 0; i < s->r->ncands; i++) {
        const peri_colspec_t *o = override_of(s->r->spec, s->r->cands[i].source);
        max += o && o->nparts ? o->nparts : 1;
    }
    if (!s->r->spec->partial && check_overrides(s->r, err) < 0) return -1;
    s->columns = peri_arena_calloc(s->arena, max, sizeof(*s->columns));
    s->cand_of = peri_arena_calloc(s->r->scratch, max, sizeof(*s->cand_of));
    for (size_t i = 0; i < s->r->ncands; i++)
        if (add_candidate_columns(s, i, err) < 0) return -1;
    return 0;
}

/* ---- files ---- */

/* Flags by column; NULL if the file has all, or no rows that could lack one. */
static const uint8_t *settle_has(settle_t *s, const resolved_file_t *f)
{
    if (f->rows == 0) return NULL;
    uint8_t *has = peri_arena_alloc(s->r->scratch, s->n);
    bool all = true;
    for (size_t k = 0; k < s->n; k++) {
        size_t cand = s->cand_of[k];
        has[k] = cand < f->nhas && f->has[cand];
        if (has[k]) continue;
        all = false;
        s->columns[k].missing_files++;
    }
    if (all) return NULL;
    uint8_t *kept = peri_arena_alloc(s->arena, s->n);
    memcpy(kept, has, s->n);
    return kept;
}

/* Rows of the numbered set before file i. Its predecessor stands near: files are sorted
 * by snapshot, then number. */
static uint64_t set_row0(const peri_fileset_t *set, const peri_file_t *files, size_t i)
{
    const peri_filename_t *f = &set->files[i];
    if (f->parts.number <= 0) return 0;
    for (size_t k = i; k-- > 0 && set->files[k].parts.snapnum == f->parts.snapnum;) {
        if (set->files[k].parts.number < f->parts.number - 1) break;
        if (!peri_fileset_same_set(&set->files[k], f)) continue;
        return files[k].set_row0 == PERI_ROW_UNKNOWN ? PERI_ROW_UNKNOWN
                                                     : files[k].set_row0 + files[k].rows;
    }
    return PERI_ROW_UNKNOWN;
}

/* All copies of a file, and the one that is read here. */
static void settle_places(settle_t *s, const peri_filename_t *name, peri_file_t *f)
{
    if (!name->nplaces) return;
    peri_copy_t *places = peri_arena_calloc(s->arena, name->nplaces, sizeof(*places));
    for (size_t i = 0; i < name->nplaces; i++) {
        places[i] = name->places[i];
        places[i].path = i ? peri_arena_strdup(s->arena, name->places[i].path) : f->path;
        /* A storage has one root on a host: neighbours share the text. */
        bool same = s->root && strcmp(s->root, name->places[i].root) == 0;
        s->root = same ? s->root : peri_arena_strdup(s->arena, name->places[i].root);
        places[i].root = s->root;
    }
    f->places = places;
    f->nplaces = name->nplaces;
    f->root = places[0].root;
    f->at = places[0].host == PERI_HOST_ANY ? PERI_AT_SHARED : PERI_AT_NODE;
}

static int settle_files(settle_t *s, peri_table_t *t, peri_err_t *err)
{
    peri_resolver_state_t *r = s->r;
    peri_file_t *files = peri_arena_calloc(s->arena, r->nfiles, sizeof(*files));
    t->has_snapnum = r->nfiles > 0;
    for (size_t i = 0; i < r->nfiles; i++) {
        const peri_filename_t *name = &r->set.files[i];
        const resolved_file_t *f = &r->files[i];
        const char *path = peri_arena_strdup(s->arena, name->path);
        files[i] = (peri_file_t){.path = path,
                                 .name = path + (name->name - name->path),
                                 .rows = f->rows,
                                 .row0 = t->rows,
                                 .snapnum = name->parts.snapnum,
                                 .size = f->size,
                                 .mtime_ns = f->mtime_ns,
                                 .inode = f->inode,
                                 .has = settle_has(s, f)};
        settle_places(s, name, &files[i]);
        files[i].set_row0 = set_row0(&r->set, files, i);
        t->rows += f->rows;
        if (t->rows > INT64_MAX)
            return peri_err_set(
                err, PERI_EFORMAT,
                "the files of table %s claim an impossible number of rows",
                r->spec->name);
        if (name->parts.snapnum == PERI_SNAPNUM_NONE) t->has_snapnum = false;
    }
    t->files = files;
    t->nfiles = r->nfiles;
    for (size_t k = 0; k < s->n; k++)
        if (s->columns[k].missing_files > 0)
            peri_resolve_note(
                r, peri_arena_printf(r->scratch,
                                     "Column %s is NULL in the rows of %u of %zu "
                                     "files, which lack it.",
                                     s->columns[k].name, s->columns[k].missing_files,
                                     r->nfiles));
    return 0;
}

static void settle_storages(settle_t *s, peri_table_t *t)
{
    const peri_resolver_state_t *r = s->r;
    const char **hosts = peri_arena_calloc(s->arena, r->nhosts, sizeof(*hosts));
    for (size_t i = 0; i < r->nhosts; i++)
        hosts[i] = peri_arena_strdup(s->arena, r->hosts[i]);
    t->hosts = hosts;
    t->nhosts = r->nhosts;
    t->nstorages = r->spec->nstorages;
    peri_storage_t *v = peri_arena_calloc(s->arena, t->nstorages, sizeof(*v));
    for (size_t i = 0; i < t->nstorages; i++) {
        v[i] = r->spec->storages[i];
        v[i].folder = peri_arena_strdup(s->arena, v[i].folder);
    }
    t->storages = v;
}

/* ---- the table ---- */

/* Particles that all weigh the same have no column for it: say the mass. */
static const char *settle_description(settle_t *s, const peri_table_t *t)
{
    const peri_resolver_state_t *r = s->r;
    const char *text = r->spec->description;
    if (!text || !*text) text = r->adapter ? r->adapter->description : "";
    if (!(r->mass > 0) || peri_table_column(t, "Masses"))
        return peri_arena_strdup(s->arena, text);
    const peri_dims_t mass = {0, -1, 0, 1, 0};
    const char *unit = peri_unit_compose(&r->units, &mass, r->scratch);
    return peri_arena_printf(s->arena, "%s%sEach has the mass %.9g%s%s (MassTable).",
                             text, *text ? " " : "", r->mass, *unit ? " " : "", unit);
}

peri_table_t *peri_resolve_settle(peri_resolver_state_t *r, peri_err_t *err)
{
    settle_t s = {.r = r, .arena = peri_arena_new()};
    peri_table_t *t = peri_arena_calloc(s.arena, 1, sizeof(*t));
    t->arena = s.arena;
    t->refs = 1;
    if (settle_columns(&s, err) < 0 || settle_files(&s, t, err) < 0) {
        peri_arena_free(s.arena);
        return NULL;
    }
    settle_storages(&s, t);
    t->name = peri_arena_strdup(s.arena, r->spec->name);
    t->root = peri_arena_strdup(s.arena, r->spec->root);
    t->columns = s.columns;
    t->ncolumns = s.n;
    t->replaced = r->spec->replaced;
    t->box_size = r->box_size;
    t->description = settle_description(&s, t);
    const char **notes = peri_arena_calloc(s.arena, r->nnotes, sizeof(*notes));
    for (size_t i = 0; i < r->nnotes; i++)
        notes[i] = peri_arena_strdup(s.arena, r->notes[i]);
    t->notes = notes;
    t->nnotes = r->nnotes;
    return t;
}
