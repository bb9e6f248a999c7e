/* client_curl.c - see client_curl.h: one request.
 *
 * Requests run through curl's multi interface in slices of a fifth of a second, so that
 * Ctrl-C is noticed also while the server holds an answer back. Redirects are never
 * followed: the token is for this portal alone.
 */
#include "cli/client_curl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client_priv.h"
#include "core/base/util.h"

#define MAX_ANSWER      (64u << 20)
#define CONNECT_TIMEOUT 10.0
#define USUAL_TIMEOUT   60.0
#define SLICE_MS        200

int peri_client_set_up(peri_client_t *c, peri_err_t *err)
{
    if (c->multi) return 0;
    /* A portal may want TLS; the socket does not, and starts sooner without. */
    if (curl_global_init(c->portal ? CURL_GLOBAL_DEFAULT : CURL_GLOBAL_NOTHING))
        return peri_err_set(err, PERI_EINTERNAL, "libcurl does not start");
    c->multi = curl_multi_init();
    c->easy = curl_easy_init();
    if (c->multi && c->easy) return 0;
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    c->multi = NULL;
    c->easy = NULL;
    return peri_err_set(err, PERI_EINTERNAL, "libcurl does not start");
}

/* ---- what is sent ---- */

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
    char *s = peri_xasprintf("%s: %s", name, value);
    /* A value may have any byte; one that would break the header is not sent. */
    if (!strpbrk(s, "\r\n")) *list = curl_slist_append(*list, s);
    free(s);
}

void peri_client_dress(peri_client_t *c, CURL *e, const char *path,
                       struct curl_slist **headers)
{
    char *url = peri_xasprintf("%s%s%s", c->portal ? c->portal : "http://perigee",
                               strncmp(path, "/api/", 5) ? "/api/v1" : "", path);
    curl_easy_setopt(e, CURLOPT_URL, url);
    free(url);
    if (c->portal) {
        if (c->cacert) curl_easy_setopt(e, CURLOPT_CAINFO, c->cacert);
        curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        if (!strncmp(c->portal, "http:", 5)) curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    } else {
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, c->socket);
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    }
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "perigee/" PERIGEE_VERSION);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * CONNECT_TIMEOUT));
    /* Without "Expect:" curl waits a second for leave to send a large body. */
    *headers = curl_slist_append(*headers, "Expect:");
    if (c->token) {
        char *bearer = peri_xasprintf("Bearer %s", c->token);
        add_header(headers, "Authorization", bearer);
        explicit_bzero(bearer, strlen(bearer));
        free(bearer);
    }
    if (c->cookie) add_header(headers, "Cookie", c->cookie);
    if (c->csrf) add_header(headers, "X-CSRF-Token", c->csrf);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, *headers);
}

CURL *peri_client_handle(peri_client_t *c, const char *path, struct curl_slist **headers,
                         peri_err_t *err)
{
    if (peri_client_set_up(c, err)) return NULL;
    CURL *e = curl_easy_init();
    if (e)
        peri_client_dress(c, e, path, headers);
    else
        peri_err_set(err, PERI_EINTERNAL, "libcurl does not start");
    return e;
}

static struct curl_slist *headers_of(const peri_client_t *c, const peri_call_t *call)
{
    struct curl_slist *h = NULL;
    if (call->body)
        add_header(&h, "Content-Type", call->type ? call->type : "application/json");
    if (call->key) add_header(&h, "Idempotency-Key", call->key);
    if (call->match) add_header(&h, "If-Match", call->match);
    char *cwd = call->dir && c->socket ? getcwd(NULL, 0) : NULL;
    if (cwd) add_header(&h, "X-Perigee-Dir", cwd);
    free(cwd);
    return h;
}

/* ---- what comes ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    peri_answer_t *a = arg;
    return peri_buf_append(&a->body, data, size * n) == 0 ? n : 0;
}

/* The value if the header is `name`, cut at the end of the line; else NULL. */
static const char *header_value(const char *line, size_t len, const char *name, char *out,
                                size_t cap)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':') return NULL;
    const char *p = line + n + 1, *end = line + len;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end > p && strchr("\r\n \t", end[-1])) end--;
    snprintf(out, cap, "%.*s", (int)(end - p), p);
    return out;
}

size_t peri_client_on_header(char *line, size_t size, size_t n, void *arg)
{
    peri_answer_t *a = arg;
    char v[sizeof(a->cookie)];
    if (header_value(line, size * n, "X-Perigee-Next", v, sizeof(v)))
        a->next = strtoll(v, NULL, 10);
    else if (header_value(line, size * n, "X-Perigee-Final", v, sizeof(v)))
        a->final = strcmp(v, "1") == 0;
    else if (header_value(line, size * n, "Retry-After", v, sizeof(v)))
        a->retry_after = strtod(v, NULL);
    else if (header_value(line, size * n, "ETag", v, sizeof(v)))
        snprintf(a->etag, sizeof(a->etag), "%s", v);
    else if (header_value(line, size * n, "Perigee-Query", v, sizeof(v)))
        snprintf(a->query, sizeof(a->query), "%.*s", (int)sizeof(a->query) - 1, v);
    else if (header_value(line, size * n, "Set-Cookie", v, sizeof(v)))
        snprintf(a->cookie, sizeof(a->cookie), "%.*s", (int)strcspn(v, ";"), v);
    return size * n;
}

CURLcode peri_client_perform(peri_client_t *c, CURL *easy, bool *interrupted)
{
    CURLcode result = CURLE_FAILED_INIT;
    int running = 1;
    *interrupted = false;
    if (curl_multi_add_handle(c->multi, easy) != CURLM_OK) return result;
    while (curl_multi_perform(c->multi, &running) == CURLM_OK && running) {
        *interrupted = peri_cli_interrupted();
        if (*interrupted) break;
        curl_multi_poll(c->multi, NULL, 0, SLICE_MS, NULL);
    }
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));)
        if (m->msg == CURLMSG_DONE && m->easy_handle == easy) result = m->data.result;
    curl_multi_remove_handle(c->multi, easy);
    return result;
}

/* ---- what went wrong ---- */

static int no_socket(const peri_client_t *c, long no, peri_answer_t *a, peri_err_t *err)
{
    if (no == ENOENT || no == ECONNREFUSED) {
        a->absent = true;
        return peri_err_set(err, PERI_EIO,
                            "perigee is not running here (no answer at %s): start it "
                            "with 'perigee up'",
                            c->socket);
    }
    a->again = false;
    return peri_err_set(err, PERI_EDENIED,
                        "the perigee at %s is not open to you: ask who runs it for "
                        "access, or start your own with 'perigee up'",
                        c->socket);
}

static int no_trust(const peri_client_t *c, const char *why, peri_answer_t *a,
                    peri_err_t *err)
{
    a->again = false;
    return peri_err_set(err, PERI_EDENIED,
                        "%s does not prove who it is (%s): if its certificate is signed "
                        "by an authority of your own, name that one's certificate with "
                        "--cacert FILE",
                        c->portal, why);
}

/* Curl has one code for all that can be wrong with connecting; the errno tells them
 * apart. */
int peri_client_no_answer(peri_client_t *c, CURL *easy, CURLcode code, const char *error,
                          peri_answer_t *a, peri_err_t *err)
{
    long no = 0;
    const char *why = error && *error ? error : curl_easy_strerror(code),
               *where = c->portal ? c->portal : "perigeed";
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &no);
    a->status = 0;
    a->again = true;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        if (c->socket &&
            (no == ENOENT || no == ECONNREFUSED || no == EACCES || no == EPERM))
            return no_socket(c, no, a, err);
        a->absent = c->portal && no == ECONNREFUSED;
        if (c->socket) break;
        return peri_err_set(err, PERI_EIO, "no portal answers at %s: %s", c->portal, why);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        a->again = false;
        return peri_err_set(err, PERI_ENOTFOUND, "%s is not found: %s", where, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return no_trust(c, why, a, err);
    case CURLE_SSL_CONNECT_ERROR:
        a->again = false;
        return peri_err_set(err, PERI_EIO, "no secure connection to %s: %s", where, why);
    case CURLE_WRITE_ERROR:
        a->again = false;
        return peri_err_set(err, PERI_ELIMIT, "%s's answer has more than %u MiB", where,
                            MAX_ANSWER >> 20);
    case CURLE_OPERATION_TIMEDOUT:
        a->heard = true;
        if (c->portal)
            return peri_err_set(err, PERI_EIO, "%s does not answer in time", c->portal);
        return peri_err_set(err, PERI_EIO,
                            "perigeed does not answer in time: its log may say why "
                            "('perigee status' names it)");
    default:
        break;
    }
    a->heard = code != CURLE_COULDNT_CONNECT;
    return peri_err_set(err, PERI_EIO, "the connection to %s%s broke off: %s",
                        c->portal ? "" : "perigeed at ",
                        c->portal ? c->portal : c->socket, why);
}

/* The sentence is for an answer that brings none, as from a proxy. */
static const struct {
    long status;
    peri_code_t code;
    const char *text;
} statuses[] = {{400, PERI_EINVAL, "the request is not understood"},
                {401, PERI_EAUTH, "nobody is logged in"},
                {403, PERI_EDENIED, "that is not allowed"},
                {404, PERI_ENOTFOUND, "there is no such thing"},
                {409, PERI_ECONFLICT, "it is in the way of something that is there"},
                {412, PERI_ECONFLICT, "it was changed in the meantime: look again"},
                {413, PERI_ELIMIT, "it is too large for the portal"},
                {429, PERI_EBUSY, "too many requests: wait a moment"},
                {500, PERI_EINTERNAL, "the portal failed; its log says why"},
                {502, PERI_EIO, "perigeed does not answer now"},
                {503, PERI_EIO, "the portal is busy or starts"},
                {504, PERI_EIO, "perigeed does not answer in time"},
                {507, PERI_EFULL, "there is no room for it"}};

int peri_client_problem(peri_client_t *c, peri_answer_t *a, peri_err_t *err)
{
    json_t *p = json_loadb(a->body.data ? a->body.data : "", a->body.len, 0, NULL);
    const char *detail = peri_json_str(p, "detail"), *text = "";
    snprintf(a->word, sizeof(a->word), "%s", peri_json_str(p, "code"));
    peri_code_t code = a->status < 500 ? PERI_EINVAL : PERI_EINTERNAL;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        if (statuses[i].status != a->status) continue;
        code = statuses[i].code;
        text = statuses[i].text;
    }
    if (!*detail) detail = peri_json_str(p, "title");
    a->again =
        a->status == 503 || a->status == 502 || a->status == 504 || a->status == 429;
    a->heard = a->status == 504;
    if (*detail)
        peri_err_set(err, code, "%s", detail);
    else
        peri_err_set(err, code, "%s answers with status %ld%s%s",
                     c->portal ? c->portal : "perigeed", a->status, *text ? ": " : "",
                     text);
    if (a->status == 401 && c->token && err) {
        char *said = peri_xstrdup(err->text);
        peri_err_set(err, PERI_EAUTH, "%s; 'perigee login %s' logs you in again", said,
                     c->portal);
        free(said);
    }
    json_decref(p);
    return -1;
}

/* ---- one request ---- */

static void prepare(peri_client_t *c, const peri_call_t *call,
                    struct curl_slist **headers, peri_answer_t *a)
{
    CURL *e = c->easy;
    double timeout = call->timeout > 0 ? call->timeout : USUAL_TIMEOUT;
    curl_easy_reset(e);
    peri_client_dress(c, e, call->path, headers);
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(1000 * timeout));
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, peri_client_on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, a);
    if (call->body || strcmp(call->method, "GET") != 0) {
        /* On a connection that was used before curl would repeat it by itself. */
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body ? call->body : "");
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
    }
}

int peri_client_call(peri_client_t *c, const peri_call_t *call, peri_answer_t *a,
                     peri_err_t *err)
{
    *a = (peri_answer_t){.next = -1};
    peri_buf_init(&a->body, MAX_ANSWER);
    if (peri_client_set_up(c, err)) return -1;
    struct curl_slist *headers = headers_of(c, call);
    bool interrupted;
    c->error[0] = '\0';
    prepare(c, call, &headers, a);
    CURLcode code = peri_client_perform(c, c->easy, &interrupted);
    int rc = 0;
    if (interrupted)
        rc = peri_err_set(err, PERI_ECANCEL, "interrupted");
    else if (code != CURLE_OK)
        rc = peri_client_no_answer(c, c->easy, code, c->error, a, err);
    else
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &a->status);
    if (rc == 0 && a->status >= 400) rc = peri_client_problem(c, a, err);
    if (rc == 0 && a->status >= 300)
        rc = peri_err_set(err, PERI_EUNSUPP,
                          "%s sends us elsewhere (status %ld), where a token does not "
                          "go: log in at the address that the portal has",
                          c->portal ? c->portal : "perigeed", a->status);
    if (!c->token && a->cookie[0]) {
        free(c->cookie);
        c->cookie = peri_xstrdup(a->cookie);
    }
    curl_slist_free_all(headers);
    return rc;
}
