/* survey_merge.c - see survey.h: one table of the answers of all nodes.
 *
 * What an answer tells of a file is replayed into the resolver as if the file had been
 * read here. Nothing in an answer is trusted: every length, number and look is checked.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/table/survey_priv.h"

/* NULL and "" are told apart. */
static const char *get_text(peri_reader_t *r, peri_arena_t *a)
{
    return peri_get_u64(r) ? peri_get_str(r, a) : NULL;
}

typedef struct {
    const char *source, *dataset, *field;
    peri_meaning_t meaning;
} told_cand_t;

/* What one node told. */
typedef struct {
    const char *host;
    peri_unitsystem_t units;
    double box_size, mass;
    const told_cand_t *cands;
    size_t ncands;
    const look_t *looks;
    size_t nlooks;
} told_t;

typedef struct {
    const told_t *by;
    resolved_file_t file;
    const look_t *look; /* or NULL */
} record_t;

static void get_looks(peri_reader_t *r, peri_arena_t *a, told_t *t)
{
    t->ncands = peri_get_count(r, 56);
    told_cand_t *cands = peri_arena_calloc(a, t->ncands, sizeof(*cands));
    for (size_t i = 0; i < t->ncands; i++) {
        told_cand_t *c = &cands[i];
        const char **texts[] = {&c->source,
                                &c->dataset,
                                &c->field,
                                &c->meaning.unit,
                                &c->meaning.description,
                                &c->meaning.ucd,
                                &c->meaning.name};
        for (size_t k = 0; k < 7; k++) *texts[k] = peri_get_str(r, a);
    }
    t->cands = cands;
    t->nlooks = peri_get_count(r, 8);
    look_t *looks = peri_arena_calloc(a, t->nlooks, sizeof(*looks));
    for (size_t i = 0; i < t->nlooks && !r->failed; i++) {
        looks[i].n = peri_get_count(r, 64);
        looks[i].v = peri_arena_calloc(a, looks[i].n, sizeof(*looks[i].v));
        for (size_t k = 0; k < looks[i].n; k++) {
            seen_t *s = &looks[i].v[k];
            uint64_t cand = peri_get_u64(r), type = peri_get_u64(r);
            uint64_t width = peri_get_u64(r);
            s->s.chunk_rows = peri_get_u64(r);
            s->s.stored_as = get_text(r, a);
            s->s.why_not = get_text(r, a);
            s->s.sql_type = peri_get_str(r, a);
            s->s.has_mask = peri_get_u64(r) != 0;
            bool sound = s->s.why_not || (type > 0 && type <= PERI_T_BLOB && width > 0 &&
                                          width <= PERI_MAX_WIDTH && s->s.stored_as);
            if (cand >= t->ncands || !sound) r->failed = true;
            s->cand = (uint32_t)cand;
            s->s.type = (peri_type_t)type;
            s->s.width = (uint32_t)width;
        }
    }
    t->looks = looks;
}

static void get_places(peri_reader_t *r, const peri_tablespec_t *spec, peri_arena_t *a,
                       size_t host, peri_filename_t *f, const char **root)
{
    f->nplaces = peri_get_count(r, 32);
    if (f->nplaces == 0) r->failed = true;
    peri_copy_t *places = peri_arena_calloc(a, f->nplaces, sizeof(*places));
    for (size_t k = 0; k < f->nplaces && !r->failed; k++) {
        peri_copy_t *p = &places[k];
        uint64_t storage = peri_get_u64(r);
        p->mtime_ns = (int64_t)peri_get_u64(r);
        p->inode = peri_get_u64(r);
        const char *text = peri_get_str(r, a);
        if (!*root || strcmp(*root, text) != 0) *root = text;
        p->root = *root;
        if (r->failed || storage >= spec->nstorages) {
            r->failed = true;
            return;
        }
        p->storage = (uint32_t)storage;
        p->host = spec->storages[storage].on_nodes ? (int32_t)host : PERI_HOST_ANY;
        p->path =
            peri_arena_printf(a, "%s/%s", strcmp(p->root, "/") ? p->root : "", f->key);
    }
    f->places = places;
    if (r->failed) return;
    f->path = places[0].path;
    f->name = f->key = f->path + (strlen(f->path) - strlen(f->key));
}

static void get_file(peri_reader_t *r, const peri_tablespec_t *spec, peri_arena_t *a,
                     size_t host, const told_t *t, peri_filename_t *f, const char **root)
{
    record_t *rec = peri_arena_calloc(a, 1, sizeof(*rec));
    f->key = peri_get_str(r, a);
    f->size = peri_get_u64(r);
    f->where = t->host;
    get_places(r, spec, a, host, f, root);
    uint64_t flags = peri_get_u64(r);
    rec->by = t;
    rec->file.read = flags & 1;
    rec->file.no_path = flags >> 1 & 1;
    rec->file.rows = peri_get_u64(r);
    rec->file.expected = (int64_t)peri_get_u64(r);
    uint64_t look = peri_get_u64(r);
    if (look > t->nlooks || rec->file.rows > INT64_MAX) r->failed = true;
    if (r->failed) return;
    rec->look = look ? &t->looks[look - 1] : NULL;
    f->parts = peri_nameparts(f->key);
    if (rec->file.read) f->record = rec;
}

/* Adds the files of one answer to the set. */
static int get_answer(peri_resolver_state_t *r, const peri_survey_t *from, size_t host,
                      told_t *t, peri_err_t *err)
{
    peri_reader_t in = {from->data, (const char *)from->data + from->len, false};
    peri_arena_t *a = r->scratch;
    t->host = from->host;
    if (peri_get_u64(&in) != PERI_SURVEY_MAGIC || peri_get_u64(&in) != r->spec->nfiles)
        return peri_survey_damaged(err);
    for (size_t i = 0; i < r->spec->nfiles; i++)
        r->set.found[i] |= peri_get_u64(&in) != 0;
    peri_get_exactly(&in, &t->units, sizeof(t->units));
    peri_get_exactly(&in, &t->box_size, sizeof(t->box_size));
    peri_get_exactly(&in, &t->mass, sizeof(t->mass));
    get_looks(&in, a, t);
    size_t n = peri_get_count(&in, 56), before = r->set.nfiles;
    if (in.failed) return peri_survey_damaged(err);
    peri_filename_t *files = peri_arena_calloc(a, before + n, sizeof(*files));
    if (before) memcpy(files, r->set.files, before * sizeof(*files));
    const char *root = NULL;
    for (size_t i = 0; i < n && !in.failed; i++)
        get_file(&in, r->spec, a, host, t, &files[before + i], &root);
    r->set.files = files;
    r->set.nfiles += n;
    if (in.failed || in.p != in.end) return peri_survey_damaged(err);
    return 0;
}

/* As if the file had been read here. */
static int replay(peri_resolver_state_t *r, size_t i, peri_err_t *err)
{
    const record_t *rec = r->set.files[i].record;
    if (!rec) return peri_survey_damaged(err);
    const told_t *t = rec->by;
    resolved_file_t *file = &r->files[i];
    *file = rec->file;
    file->size = r->set.files[i].size;
    file->mtime_ns = r->set.files[i].places[0].mtime_ns;
    file->inode = r->set.files[i].places[0].inode;
    if (peri_resolve_check_set(r, i, err) < 0) return -1;
    if (i == 0) {
        r->units = t->units;
        r->box_size = t->box_size;
        r->mass = t->mass;
    }
    r->files_without_path += file->no_path;
    size_t n = rec->look ? rec->look->n : 0;
    file->has = peri_xcalloc(r->ncands + n, 1);
    r->hint = 0;
    for (size_t k = 0; k < n; k++) {
        const seen_t *s = &rec->look->v[k];
        const told_cand_t *c = &t->cands[s->cand];
        size_t cand = peri_resolve_find(r, c->dataset, c->field);
        if (cand == SIZE_MAX)
            cand = peri_resolve_add(r, c->source, c->dataset, c->field, &c->meaning);
        if (peri_resolve_take(r, i, cand, &s->s, err) < 0) return -1;
    }
    file->nhas = r->ncands;
    return 0;
}

static const char *list_hosts(peri_arena_t *a, const peri_survey_t *v, size_t n)
{
    peri_buf_t list;
    peri_buf_init(&list, 400);
    for (size_t i = 0; i < n && !list.failed; i++)
        peri_buf_printf(&list, "%s%s", i ? ", " : "", v[i].host);
    const char *text = peri_arena_printf(a, "%s%s", list.len ? list.data : "",
                                         list.failed ? ", ..." : "");
    peri_buf_free(&list);
    return text;
}

static int merge(peri_resolver_state_t *r, const peri_survey_t *v, size_t n,
                 peri_err_t *err)
{
    peri_arena_t *a = r->scratch;
    told_t *told = peri_arena_calloc(a, n, sizeof(*told));
    if (peri_fileset_patterns(r->spec, a, &r->set, err) < 0) return -1;
    r->set.found = peri_arena_calloc(a, r->spec->nfiles, sizeof(*r->set.found));
    r->set.where = list_hosts(a, v, n);
    const char **hosts = peri_arena_calloc(a, n, sizeof(*hosts));
    for (size_t i = 0; i < n; i++) {
        hosts[i] = v[i].host;
        if (get_answer(r, &v[i], i, &told[i], err) < 0) return -1;
    }
    r->hosts = hosts;
    r->nhosts = n;
    for (size_t i = 0; i < r->spec->nfiles; i++)
        if (!r->set.found[i]) return peri_fileset_nowhere(r->spec, i, r->set.where, err);
    if (peri_fileset_join(&r->set, a, err) < 0) return -1;
    r->nfiles = r->set.nfiles;
    if (r->adapter && r->adapter->first_file_only && r->nfiles > 1) r->nfiles = 1;
    r->files = peri_xcalloc(r->set.nfiles, sizeof(*r->files));
    for (size_t i = 0; i < r->nfiles; i++)
        if (replay(r, i, err) < 0) return -1;
    if (r->ncands <= PERI_MAX_COLUMNS) return 0;
    return peri_err_set(err, PERI_ELIMIT, "table %s has more than %d columns",
                        r->spec->name, PERI_MAX_COLUMNS);
}

peri_table_t *peri_survey_merge(const peri_tablespec_t *spec, const peri_survey_t *v,
                                size_t n, peri_err_t *err)
{
    peri_resolver_state_t r;
    peri_resolve_init(&r, spec);
    peri_table_t *all = merge(&r, v, n, err) == 0 ? peri_resolve_finish(&r, err) : NULL;
    peri_resolve_clear(&r);
    if (!all) return NULL;
    peri_table_t *t = peri_table_for_host(all, 0);
    peri_table_unref(all);
    return t;
}
