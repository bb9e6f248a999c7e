/* request.c - what handlers ask of a request: parameters, its JSON, tags, the database.
 */
#include "portal/web/request.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portal/web/web_priv.h"

const char *peri_request_arg(const peri_request_t *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_GET_ARGUMENT_KIND, name);
}

typedef struct {
    const char *name, **out;
    size_t n, max;
} args_t;

static enum MHD_Result on_arg(void *cls, enum MHD_ValueKind kind, const char *key,
                              const char *value)
{
    args_t *a = cls;
    (void)kind;
    if (a->n < a->max && value && !strcmp(key, a->name)) a->out[a->n++] = value;
    return MHD_YES;
}

size_t peri_request_args(const peri_request_t *r, const char *name, const char **out,
                         size_t max)
{
    args_t a = {.name = name, .out = out, .max = max};
    MHD_get_connection_values(r->conn, MHD_GET_ARGUMENT_KIND, on_arg, &a);
    return a.n;
}

const char *peri_request_header(const peri_request_t *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

const char *peri_request_cookie(const peri_request_t *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_COOKIE_KIND, name);
}

bool peri_request_gone(const peri_request_t *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd p = {.fd = info ? info->connect_fd : -1};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

int peri_request_number(const peri_request_t *r, const char *name, int64_t min,
                        int64_t max, int64_t fallback, int64_t *out, peri_err_t *err)
{
    const char *s = peri_request_arg(r, name);
    *out = fallback;
    if (!s || !*s) return 0;
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (*end || errno || v < min || v > max)
        return peri_err_set(
            err, PERI_EINVAL,
            "the parameter %s needs a whole number from %lld to %lld, not "
            "\"%.60s\"",
            name, (long long)min, (long long)max, s);
    *out = v;
    return 0;
}

void peri_request_set_header(peri_request_t *r, const char *name, const char *value)
{
    if (r->nheaders == sizeof(r->header) / sizeof(r->header[0])) return;
    r->header[r->nheaders][0] = name;
    r->header[r->nheaders++][1] = peri_arena_strdup(r->arena, value);
}

/* ---- JSON ---- */

static bool among(const char *key, const char *keys)
{
    const size_t n = strlen(key);
    for (const char *p = keys; *p;) {
        const size_t len = strcspn(p, " ");
        if (len == n && !memcmp(p, key, n)) return true;
        p += len + (p[len] == ' ');
    }
    return false;
}

static void drop_json(void *json)
{
    json_decref(json);
}

json_t *peri_request_json(peri_request_t *r, const char *keys, peri_err_t *err)
{
    json_error_t why;
    json_t *o = r->body_len
                    ? json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, &why)
                    : json_object();
    if (!o) {
        peri_err_set(err, PERI_EINVAL, "the body is not JSON: line %d, column %d: %s",
                     why.line, why.column, why.text);
        return NULL;
    }
    if (!json_is_object(o)) {
        peri_err_set(err, PERI_EINVAL, "the body is not a JSON object");
        json_decref(o);
        return NULL;
    }
    const char *key;
    json_t *value;
    json_object_foreach(o, key, value)
    {
        if (among(key, keys)) continue;
        peri_err_set(err, PERI_EINVAL, "\"%.60s\" is not a key here; there are: %s", key,
                     *keys ? keys : "none");
        json_decref(o);
        return NULL;
    }
    /* Called again after a wait: the old one goes. */
    if (r->ctx_free == drop_json) drop_json(r->ctx);
    if (!r->ctx || r->ctx_free == drop_json) {
        r->ctx = o;
        r->ctx_free = drop_json;
        return o;
    }
    peri_err_set(err, PERI_EINTERNAL, "the request is in use otherwise");
    json_decref(o);
    return NULL;
}

void peri_request_drop_body(peri_request_t *r)
{
    peri_buf_free(&((peri_callstate_t *)r)->body);
    r->body = "";
    r->body_len = 0;
}

int peri_json_text(const json_t *o, const char *key, bool need, size_t max,
                   const char **out, peri_err_t *err)
{
    const json_t *v = json_object_get(o, key);
    *out = NULL;
    if (!v || json_is_null(v)) {
        if (!need) return 0;
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is missing", key);
    }
    if (!json_is_string(v))
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is to be a text", key);
    const char *s = json_string_value(v);
    const size_t len = json_string_length(v);
    if (len > max)
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is longer than %zu bytes", key,
                            max);
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\n' && s[i] != '\t') || s[i] == 0x7f)
            return peri_err_set(err, PERI_EINVAL, "\"%s\" has a control character in it",
                                key);
    *out = s;
    return 0;
}

int peri_json_number(const json_t *o, const char *key, bool need, int64_t min,
                     int64_t max, int64_t *out, peri_err_t *err)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) {
        if (!need) return 0;
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is missing", key);
    }
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return peri_err_set(err, PERI_EINVAL,
                            "\"%s\" is to be a whole number from %lld to %lld", key,
                            (long long)min, (long long)max);
    *out = json_integer_value(v);
    return 0;
}

int peri_json_bool(const json_t *o, const char *key, bool *out, peri_err_t *err)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return 0;
    if (!json_is_boolean(v))
        return peri_err_set(err, PERI_EINVAL, "\"%s\" is to be true or false", key);
    *out = json_is_true(v);
    return 0;
}

/* ---- tags ---- */

/* Whether a list of quoted tags, or *, has this one. Weak tags count as equal. */
static bool list_has(const char *list, const char *tag)
{
    const size_t n = strlen(tag);
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        if (*p == '*') return true;
        if (!strncmp(p, "W/", 2)) p += 2;
        if (*p != '"') return false;
        const char *end = strchr(++p, '"');
        if (!end) return false;
        if ((size_t)(end - p) == n && !memcmp(p, tag, n)) return true;
        p = end + 1;
    }
    return false;
}

void peri_request_etag(peri_request_t *r, const char *tag)
{
    const char *have = peri_request_header(r, "If-None-Match");
    char *quoted = peri_arena_printf(r->arena, "\"%s\"", tag);
    peri_request_set_header(r, "ETag", quoted);
    if (have && list_has(have, tag) &&
        (!strcmp(r->method, "GET") || !strcmp(r->method, "HEAD")))
        r->status = 304;
}

int peri_request_fail(peri_request_t *r, peri_err_t *err, int status, const char *word,
                      const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->problem = status;
    r->problem_word = word;
    return peri_err_set(err, PERI_EINVAL, "%s", text);
}

int peri_request_match(peri_request_t *r, const char *tag, peri_err_t *err)
{
    const char *want = peri_request_header(r, "If-Match");
    const char *not = peri_request_header(r, "If-None-Match");
    if (want && (!tag || !list_has(want, tag)))
        return peri_request_fail(r, err, 412, "precondition",
                                 "it has been changed meanwhile: look at it again, then "
                                 "decide");
    if (not &&tag && list_has(not, tag))
        return peri_request_fail(r, err, 412, "precondition", "it exists already");
    return 0;
}

/* ---- the database ---- */

peri_db_t *peri_request_system(peri_request_t *r, peri_err_t *err)
{
    return peri_dbpool_get(r->portal->db, err);
}

peri_db_t *peri_request_db(peri_request_t *r, peri_err_t *err)
{
    peri_db_t *db = peri_dbpool_get(r->portal->db, err);
    if (!db) return NULL;
    if (peri_db_begin_as(db, r->actor.account, err) == 0) return db;
    peri_dbpool_put(r->portal->db, db);
    return NULL;
}

int peri_audit(peri_request_t *r, peri_db_t *db, const char *action, const char *thing,
               bool ok, json_t *context, peri_err_t *err)
{
    char account[24];
    char *text = context ? json_dumps(context, JSON_COMPACT) : NULL;
    json_decref(context);
    snprintf(account, sizeof(account), "%lld", (long long)r->actor.account);
    const char *const v[] = {r->actor.account ? account : NULL,
                             r->actor.name ? r->actor.name : "",
                             r->actor.local ? "local" : r->client,
                             action,
                             thing,
                             ok ? "t" : "f",
                             text ? text : "{}"};
    int64_t n = peri_db_exec(db, err,
                             "INSERT INTO audit (account, actor, client, action, thing, "
                             "ok, context) VALUES ($1::bigint, $2, $3, $4, $5, "
                             "$6::boolean, $7::jsonb)",
                             7, v);
    free(text);
    return n < 0 ? -1 : 0;
}
