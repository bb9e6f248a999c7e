/* survey.c - see survey.h: the question, and what a node answers.
 *
 * An answer holds, besides each file's name, size and rows, what its fields look like.
 * Most files of a node look alike, so looks are kept once (a "look" is the list of fields
 * of a file, each as the number of a candidate of that node and a sight_t).
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/table/survey_priv.h"

#define MAGIC_ASK 0x3156525551495250ull /* "PRIQURV1" */
#define RECENT    64                    /* looks that a new file is compared with */

/* ---- the question ---- */

int peri_survey_ask(const peri_tablespec_t *spec, peri_buf_t *out, peri_err_t *err)
{
    peri_put_u64(out, MAGIC_ASK);
    peri_put_str(out, spec->name);
    peri_put_str(out, spec->path);
    peri_put_str(out, spec->adapter);
    peri_put_u64(out, spec->nfiles);
    for (size_t i = 0; i < spec->nfiles; i++) peri_put_str(out, spec->files[i]);
    peri_put_u64(out, spec->nstorages);
    for (size_t i = 0; i < spec->nstorages; i++) {
        peri_put_str(out, spec->storages[i].folder);
        peri_put_u64(out, spec->storages[i].on_nodes);
    }
    return peri_buf_check(out, "the question for files", err);
}

int peri_survey_damaged(peri_err_t *err)
{
    return peri_err_set(err, PERI_EINTERNAL, "a message between ranks was damaged");
}

static int read_question(const void *data, size_t len, peri_arena_t *arena,
                         peri_tablespec_t *spec, peri_err_t *err)
{
    peri_reader_t r = {data, (const char *)data + len, false};
    if (peri_get_u64(&r) != MAGIC_ASK) return peri_survey_damaged(err);
    *spec = (peri_tablespec_t){.partial = true, .nodes_only = true};
    spec->name = peri_get_str(&r, arena);
    spec->path = peri_get_str(&r, arena);
    spec->adapter = peri_get_str(&r, arena);
    if (!*spec->adapter) spec->adapter = NULL;
    spec->nfiles = peri_get_count(&r, 8);
    const char **files = peri_arena_calloc(arena, spec->nfiles, sizeof(*files));
    for (size_t i = 0; i < spec->nfiles; i++) files[i] = peri_get_str(&r, arena);
    spec->files = files;
    spec->nstorages = peri_get_count(&r, 16);
    peri_storage_t *storages =
        peri_arena_calloc(arena, spec->nstorages, sizeof(*storages));
    for (size_t i = 0; i < spec->nstorages; i++) {
        storages[i].folder = peri_get_str(&r, arena);
        storages[i].on_nodes = peri_get_u64(&r) != 0;
    }
    spec->storages = storages;
    return r.failed || !spec->nstorages ? peri_survey_damaged(err) : 0;
}

/* ---- looking ---- */

typedef struct {
    look_t *looks;
    size_t n, cap;
    look_t now; /* of the file that is being read */
    size_t file;
    uint32_t *of_file; /* a file's look + 1; 0: it has no fields */
    size_t of_cap;
} watcher_t;

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_look(const look_t *a, const look_t *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const sight_t *x = &a->v[i].s, *y = &b->v[i].s;
        if (a->v[i].cand != b->v[i].cand || x->type != y->type || x->width != y->width ||
            x->chunk_rows != y->chunk_rows || x->has_mask != y->has_mask ||
            !same_text(x->sql_type, y->sql_type) ||
            !same_text(x->stored_as, y->stored_as) || !same_text(x->why_not, y->why_not))
            return false;
    }
    return true;
}

/* The file that was read is over: note its look. */
static void close_file(watcher_t *w)
{
    if (w->now.n == 0) return;
    if (w->file >= w->of_cap) {
        size_t cap = 2 * w->file + 64;
        w->of_file = peri_xrealloc(w->of_file, cap, sizeof(*w->of_file));
        memset(w->of_file + w->of_cap, 0, (cap - w->of_cap) * sizeof(*w->of_file));
        w->of_cap = cap;
    }
    size_t i = w->n, last = w->n > RECENT ? w->n - RECENT : 0;
    while (i > last && !same_look(&w->looks[i - 1], &w->now)) i--;
    if (i == last) {
        if (w->n == w->cap) {
            w->cap = w->cap ? 2 * w->cap : 16;
            w->looks = peri_xrealloc(w->looks, w->cap, sizeof(*w->looks));
        }
        w->looks[w->n++] = w->now;
        w->now = (look_t){0};
        i = w->n;
    }
    w->of_file[w->file] = (uint32_t)i;
    w->now.n = 0;
}

static void on_sight(void *arg, size_t file, size_t cand, const sight_t *s)
{
    watcher_t *w = arg;
    if (file != w->file) close_file(w);
    w->file = file;
    if (w->now.n == w->now.cap) {
        w->now.cap = w->now.cap ? 2 * w->now.cap : 64;
        w->now.v = peri_xrealloc(w->now.v, w->now.cap, sizeof(*w->now.v));
    }
    w->now.v[w->now.n++] = (seen_t){(uint32_t)cand, *s};
}

static void watcher_free(watcher_t *w)
{
    for (size_t i = 0; i < w->n; i++) free(w->looks[i].v);
    free(w->looks);
    free(w->now.v);
    free(w->of_file);
}

/* ---- the answer ---- */

/* NULL and "" are told apart. */
static void put_text(peri_buf_t *b, const char *s)
{
    peri_put_u64(b, s != NULL);
    if (s) peri_put_str(b, s);
}

static void put_looks(peri_buf_t *out, const peri_resolver_state_t *r, const watcher_t *w)
{
    peri_put_u64(out, r->ncands);
    for (size_t i = 0; i < r->ncands; i++) {
        const cand_t *c = &r->cands[i];
        const char *texts[] = {c->source,
                               c->dataset,
                               c->field,
                               c->meaning.unit,
                               c->meaning.description,
                               c->meaning.ucd,
                               c->meaning.name};
        for (size_t k = 0; k < 7; k++) peri_put_str(out, texts[k]);
    }
    peri_put_u64(out, w->n);
    for (size_t i = 0; i < w->n; i++) {
        peri_put_u64(out, w->looks[i].n);
        for (size_t k = 0; k < w->looks[i].n; k++) {
            const seen_t *s = &w->looks[i].v[k];
            peri_put_u64(out, s->cand);
            peri_put_u64(out, s->s.type);
            peri_put_u64(out, s->s.width);
            peri_put_u64(out, s->s.chunk_rows);
            put_text(out, s->s.stored_as);
            put_text(out, s->s.why_not);
            peri_put_str(out, s->s.sql_type);
            peri_put_u64(out, s->s.has_mask);
        }
    }
}

static void put_files(peri_buf_t *out, const peri_resolver_state_t *r, const watcher_t *w)
{
    peri_put_u64(out, r->set.nfiles);
    for (size_t i = 0; i < r->set.nfiles; i++) {
        const peri_filename_t *name = &r->set.files[i];
        const resolved_file_t *f = &r->files[i];
        peri_put_str(out, name->key);
        peri_put_u64(out, name->size);
        peri_put_u64(out, name->nplaces);
        for (size_t k = 0; k < name->nplaces; k++) {
            const peri_copy_t *p = &name->places[k];
            peri_put_u64(out, p->storage);
            peri_put_u64(out, (uint64_t)p->mtime_ns);
            peri_put_u64(out, p->inode);
            peri_put_str(out, p->root);
        }
        peri_put_u64(out, f->read | f->no_path << 1);
        peri_put_u64(out, f->rows);
        peri_put_u64(out, (uint64_t)f->expected);
        peri_put_u64(out, i < w->of_cap ? w->of_file[i] : 0);
    }
}

static int answer(const peri_tablespec_t *spec, peri_buf_t *out, peri_err_t *err)
{
    peri_resolver_state_t r;
    watcher_t w = {0};
    const peri_watch_t watch = {on_sight, &w};
    peri_resolve_init(&r, spec);
    r.watch = &watch;
    int rc = peri_resolve_read(&r, err);
    if (rc == 0) {
        close_file(&w);
        peri_put_u64(out, PERI_SURVEY_MAGIC);
        peri_put_u64(out, spec->nfiles);
        for (size_t i = 0; i < spec->nfiles; i++) peri_put_u64(out, r.set.found[i]);
        peri_put_bytes(out, &r.units, sizeof(r.units));
        peri_put_bytes(out, &r.box_size, sizeof(r.box_size));
        peri_put_bytes(out, &r.mass, sizeof(r.mass));
        put_looks(out, &r, &w);
        put_files(out, &r, &w);
        rc = peri_buf_check(out, "the list of a node's files", err);
    }
    watcher_free(&w);
    peri_resolve_clear(&r);
    return rc;
}

int peri_survey_here(const peri_tablespec_t *spec, peri_buf_t *out, peri_err_t *err)
{
    peri_tablespec_t s = *spec;
    s.partial = true;
    return answer(&s, out, err);
}

int peri_survey_answer(const void *question, size_t len, peri_buf_t *out, peri_err_t *err)
{
    peri_arena_t *arena = peri_arena_new();
    peri_tablespec_t spec;
    int rc = read_question(question, len, arena, &spec, err);
    if (rc == 0) rc = answer(&spec, out, err);
    peri_arena_free(arena);
    return rc;
}
