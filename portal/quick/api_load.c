/* api_load.c - PUT of a table: the file's bytes come in pieces into a spool, which
 * becomes the stdin of `perigee table load`; or they lie in a volume already.
 *
 * All that can be refused is refused before the first byte is kept.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "jobs/task/folder.h"
#include "portal/access/thing.h"
#include "portal/jobs/binds.h"
#include "portal/quick/api.h"
#include "portal/quick/run.h"
#include "portal/quick/spool.h"
#include "portal/quick/words.h"
#include "portal/storage/path.h"
#include "portal/storage/volume.h"

#define PAIRS      500 /* columns of which a type or unit is said */
#define NULLS      20
#define ROOM       (2 * PAIRS + NULLS + 24) /* words */
#define LONG       3600.0
#define FROM_MAX   (64u << 10) /* bytes of a body that names a file */
#define ANSWER_MAX (64u << 20)

static const char *const formats[] = {"csv",  "tsv",  "json",    "ndjson", "parquet",
                                      "hdf5", "fits", "votable", "mrt"};
#define NFORMATS (sizeof(formats) / sizeof(formats[0]))

typedef struct {
    peri_spool_t *spool; /* NULL: the body is JSON */
    peri_buf_t json;
} body_t;

static void body_free(void *arg)
{
    body_t *b = arg;
    peri_spool_free(b->spool);
    peri_buf_free(&b->json);
    free(b);
}

/* ---- parameters ---- */

static bool is_on(const peri_request_t *r, const char *name)
{
    const char *s = peri_request_arg(r, name);
    return s && strcmp(s, "0") != 0 && strcmp(s, "false") != 0;
}

static int put_format(peri_request_t *r, peri_words_t *w, peri_err_t *err)
{
    const char *format = peri_request_arg(r, "format");
    size_t i = 0;
    if (!format || !*format) return 0;
    while (i < NFORMATS && strcmp(formats[i], format) != 0) i++;
    if (i == NFORMATS)
        return peri_err_set(err, PERI_EINVAL,
                            "\"format\" is csv, tsv, json, ndjson, parquet, hdf5, fits, "
                            "votable or mrt, not \"%.60s\"",
                            format);
    peri_words_option(w, "format", format);
    return 0;
}

/* "ra:DOUBLE" becomes --type=ra=DOUBLE; types and units have no colon, columns may. */
static int put_pairs(peri_request_t *r, peri_words_t *w, const char *key, const char *as,
                     peri_err_t *err)
{
    const char *v[PAIRS + 1];
    const size_t n = peri_request_args(r, key, v, PAIRS + 1);
    if (n > PAIRS)
        return peri_err_set(err, PERI_EINVAL, "\"%s\" can be said of %d columns", key,
                            PAIRS);
    for (size_t i = 0; i < n; i++) {
        const char *colon = strrchr(v[i], ':');
        if (!colon || colon == v[i] || !colon[1])
            return peri_err_set(err, PERI_EINVAL, "\"%s\" is %s, not \"%.100s\"", key, as,
                                v[i]);
        peri_words_option(
            w, key,
            peri_arena_printf(r->arena, "%.*s=%s", (int)(colon - v[i]), v[i], colon + 1));
    }
    return 0;
}

static int put_nulls(peri_request_t *r, peri_words_t *w, peri_err_t *err)
{
    const char *v[NULLS + 1];
    const size_t n = peri_request_args(r, "null", v, NULLS + 1);
    if (n > NULLS) return peri_err_set(err, PERI_EINVAL, "%d words can mean NULL", NULLS);
    for (size_t i = 0; i < n; i++) peri_words_option(w, "null", v[i]);
    return 0;
}

/* What the file is called: one line of text. */
static int put_name(peri_request_t *r, peri_words_t *w, peri_err_t *err)
{
    const char *name = peri_request_arg(r, "name");
    if (!name || !*name) return 0;
    for (const char *s = name; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return peri_err_set(err, PERI_EINVAL, "\"name\" has a control character");
    if (strlen(name) > NAME_MAX)
        return peri_err_set(err, PERI_EINVAL, "\"name\" has %d bytes at most", NAME_MAX);
    peri_words_option(w, "name", name);
    return 0;
}

static int put_options(peri_request_t *r, peri_words_t *w, peri_err_t *err)
{
    const char *path = peri_request_arg(r, "path");
    const char *header = peri_request_arg(r, "header");
    peri_words_put(w, "table");
    peri_words_put(w, "load");
    peri_words_put(w, "--json");
    if (put_format(r, w, err) ||
        put_pairs(r, w, "type", "COLUMN:TYPE, as ra:DOUBLE", err) ||
        put_pairs(r, w, "unit", "COLUMN:UNIT, as ra:deg", err) || put_nulls(r, w, err) ||
        put_name(r, w, err))
        return -1;
    if (is_on(r, "append") && is_on(r, "overwrite"))
        return peri_err_set(err, PERI_EINVAL,
                            "\"append\" and \"overwrite\" together have no meaning");
    if (is_on(r, "append")) peri_words_put(w, "--append");
    if (is_on(r, "overwrite")) peri_words_put(w, "--overwrite");
    if (is_on(r, "preview")) peri_words_put(w, "--preview");
    if (header && *header)
        peri_words_put(w, is_on(r, "header") ? "--header" : "--no-header");
    if (path && *path) peri_words_option(w, "path", path);
    peri_words_option(w, "description", peri_request_arg(r, "description"));
    return peri_words_check(w, err);
}

/* ---- the body ---- */

static bool is_json(const peri_request_t *r)
{
    const char *type = peri_request_header(r, "Content-Type");
    static const char json[] = "application/json";
    return type && !strncasecmp(type, json, sizeof(json) - 1) &&
           strchr("; \t", type[sizeof(json) - 1]) &&
           /* A table that is JSON says so. */
           !peri_request_arg(r, "format");
}

static int64_t length_of(const peri_request_t *r)
{
    const char *s = peri_request_header(r, "Content-Length");
    return s ? strtoll(s, NULL, 10) : -1;
}

static int on_begin(peri_request_t *r, peri_err_t *err)
{
    peri_words_t w;
    const int64_t max = r->portal->config->quick.upload;
    peri_words_init(&w, r->arena, ROOM);
    if (!peri_tableword(r, err) || put_options(r, &w, err)) return -1;
    body_t *b = peri_xcalloc(1, sizeof(*b));
    peri_buf_init(&b->json, FROM_MAX);
    r->ctx = b;
    r->ctx_free = body_free;
    if (is_json(r)) return 0;
    const int64_t length = length_of(r);
    b->spool = peri_spool_new(r->portal, r->actor.account, length, max, err);
    if (b->spool) return 0;
    if (length > max) return peri_request_fail(r, err, 413, "too_large", "%s", err->text);
    return -1;
}

static int on_data(peri_request_t *r, const char *data, size_t len, peri_err_t *err)
{
    body_t *b = r->ctx;
    if (!b->spool) {
        if (peri_buf_append(&b->json, data, len) == 0) return 0;
        return peri_request_fail(r, err, 413, "too_large",
                                 "a body that says where the file is has %u KiB at most",
                                 FROM_MAX >> 10);
    }
    if (peri_spool_write(b->spool, data, len, err) == 0) return 0;
    if (err->code == PERI_EINVAL)
        return peri_request_fail(r, err, 413, "too_large", "%s", err->text);
    return -1;
}

const peri_bodyreader_t peri_table_body = {on_begin, on_data};

/* ---- where it lies ---- */

/* {"from": "persistent:x.csv"}: its path in the sandbox, if who asks may read it. The
 * sandbox shows what she may read at that path; this is for the sentence. */
static const char *find_file(peri_request_t *r, peri_db_t *db, const char *from,
                             peri_err_t *err)
{
    peri_thing_t t;
    peri_volume_t v;
    const char *path;
    if (peri_thing_find(r, db, "volume", from, &t, err) ||
        !(path = peri_path_clean(r->arena, t.path, strlen(t.path), err)) ||
        peri_access_need(r, db, "volume", t.id, path, PERI_RIGHT_READ, from, err) ||
        peri_volume_get(db, &r->portal->config->storage, r->actor.account, t.id, r->arena,
                        &v, err))
        return NULL;
    if (*path)
        return peri_arena_printf(r->arena, PERI_VOLUMES_AT "/%s/%s", v.label, path);
    peri_err_set(
        err, PERI_EINVAL,
        "\"from\" is a file in a volume, as persistent:stars.csv, not \"%.200s\"", from);
    return NULL;
}

static const char *read_from(peri_request_t *r, const body_t *b, peri_err_t *err)
{
    const char *from = NULL, *key;
    json_error_t why;
    json_t *v, *o = json_loadb(b->json.data ? b->json.data : "", b->json.len,
                               JSON_REJECT_DUPLICATES, &why);
    const char *path = NULL;
    if (!json_is_object(o)) {
        peri_err_set(
            err, PERI_EINVAL,
            "the body is JSON and is to be {\"from\": \"VOLUME:PATH\"}; a file of "
            "JSON that becomes a table comes with \"format=json\"");
        goto out;
    }
    json_object_foreach(o, key, v) if (strcmp(key, "from") != 0)
    {
        peri_err_set(err, PERI_EINVAL, "\"%.60s\" is not a key here; there is: from",
                     key);
        goto out;
    }
    if (peri_json_text(o, "from", true, 5000, &from, err)) goto out;
    if (!(r->actor.scopes & PERI_SCOPE_FILES_READ)) {
        peri_err_set(err, PERI_EDENIED,
                     "this token may not do that: it lacks the scope \"files:read\", "
                     "which a table that is loaded from a file needs");
        goto out;
    }
    peri_db_t *db = peri_request_system(r, err);
    if (!db) goto out;
    path = find_file(r, db, from, err);
    peri_dbpool_put(r->portal->db, db);
out:
    json_decref(o);
    return path;
}

/* ---- */

/* It counts as one of the account's until the table is there. */
static void free_spool(void *arg)
{
    peri_spool_free(arg);
}

int peri_api_table_put(peri_request_t *r, peri_err_t *err)
{
    int rc, input = -1;
    char id[PERI_UUID_LEN + 1];
    peri_words_t w;
    const bool preview = is_on(r, "preview");
    if (peri_quick_again(r, &rc, err)) {
        if (rc == 0 && r->fd >= 0 && !preview) r->status = 201;
        return rc;
    }
    body_t *b = r->ctx;
    const char *name = peri_tableword(r, err);
    const char *file = b->spool ? "-" : read_from(r, b, err);
    peri_words_init(&w, r->arena, ROOM);
    if (!name || !file || put_options(r, &w, err)) return -1;
    peri_words_put(&w, "--");
    peri_words_put(&w, file);
    peri_words_put(&w, name);
    if (peri_words_check(&w, err)) return -1;
    if (b->spool && (input = peri_spool_take(b->spool, err)) < 0) return -1;
    peri_uuid_new(id);
    const peri_quickrun_t q = {.argv = w.v,
                               .argc = w.n,
                               .input = input,
                               .writes = !preview,
                               .seconds = preview ? 0 : LONG,
                               .bytes = ANSWER_MAX,
                               .id = id,
                               .arg = b->spool,
                               .arg_free = b->spool ? free_spool : NULL};
    b->spool = NULL;
    return peri_quick_start(r, &q, err);
}
