/* client.c - see client.h.
 *
 * Requests run through curl's multi interface in slices of a fifth of a second, so that
 * Ctrl-C is noticed also while the daemon holds an answer back.
 */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base/util.h"
#include "portal/config.h"

#define MAX_ANSWER      (64u << 20)
#define CONNECT_TIMEOUT 10.0
#define USUAL_TIMEOUT   60.0
#define SLICE_MS        200

struct peri_client {
    char *socket;
    CURLM *multi; /* NULL until the first request */
    CURL *easy;
    char error[CURL_ERROR_SIZE];
};

peri_client_t *peri_client_new_at(const char *socket)
{
    peri_client_t *c = peri_xcalloc(1, sizeof(*c));
    c->socket = peri_xstrdup(socket);
    return c;
}

peri_client_t *peri_client_new(peri_err_t *err)
{
    const char *given = getenv("PERIGEE_SOCKET");
    if (given && *given) return peri_client_new_at(given);
    peri_config_t *conf = peri_config_load(NULL, err);
    if (!conf) return NULL;
    peri_client_t *c = peri_client_new_at(conf->socket);
    peri_config_free(conf);
    return c;
}

void peri_client_free(peri_client_t *c)
{
    if (!c) return;
    if (c->multi) {
        curl_easy_cleanup(c->easy);
        curl_multi_cleanup(c->multi);
        curl_global_cleanup();
    }
    free(c->socket);
    free(c);
}

const char *peri_client_socket(const peri_client_t *c)
{
    return c->socket;
}

void peri_answer_free(peri_answer_t *a)
{
    peri_buf_free(&a->body);
}

/* ---- one request ---- */

static int set_up(peri_client_t *c, peri_err_t *err)
{
    if (c->multi) return 0;
    if (curl_global_init(CURL_GLOBAL_NOTHING))
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

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    peri_answer_t *a = arg;
    char v[64];
    if (header_value(line, size * n, "X-Perigee-Next", v, sizeof(v)))
        a->next = strtoll(v, NULL, 10);
    else if (header_value(line, size * n, "X-Perigee-Final", v, sizeof(v)))
        a->final = strcmp(v, "1") == 0;
    else if (header_value(line, size * n, "Retry-After", v, sizeof(v)))
        a->retry_after = strtod(v, NULL);
    return size * n;
}

static struct curl_slist *headers_of(const peri_call_t *call)
{
    /* Without "Expect:" curl waits a second for leave to send a large body. */
    struct curl_slist *h = curl_slist_append(NULL, "Expect:");
    if (call->body) h = curl_slist_append(h, "Content-Type: application/json");
    if (call->key) {
        char *s = peri_xasprintf("Idempotency-Key: %s", call->key);
        h = curl_slist_append(h, s);
        free(s);
    }
    char *cwd = call->dir ? getcwd(NULL, 0) : NULL;
    /* A folder's name may have any byte; one that would break the header is not told. */
    if (cwd && !strpbrk(cwd, "\r\n")) {
        char *s = peri_xasprintf("X-Perigee-Dir: %s", cwd);
        h = curl_slist_append(h, s);
        free(s);
    }
    free(cwd);
    return h;
}

static void prepare(peri_client_t *c, const peri_call_t *call, const char *url,
                    struct curl_slist *headers, peri_answer_t *a)
{
    CURL *e = c->easy;
    double timeout = call->timeout > 0 ? call->timeout : USUAL_TIMEOUT;
    curl_easy_reset(e);
    curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "perigee/" PERIGEE_VERSION);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * CONNECT_TIMEOUT));
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(1000 * timeout));
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, a);
    if (call->body || strcmp(call->method, "GET") != 0) {
        /* On a connection that was used before curl would repeat it by itself. */
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body ? call->body : "");
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
    }
}

/* What curl says of it; *interrupted if the user ended it. */
static CURLcode perform(peri_client_t *c, bool *interrupted)
{
    CURLcode result = CURLE_FAILED_INIT;
    int running = 1;
    *interrupted = false;
    if (curl_multi_add_handle(c->multi, c->easy) != CURLM_OK) return result;
    while (curl_multi_perform(c->multi, &running) == CURLM_OK && running) {
        *interrupted = peri_cli_interrupted();
        if (*interrupted) break;
        curl_multi_poll(c->multi, NULL, 0, SLICE_MS, NULL);
    }
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));)
        if (m->msg == CURLMSG_DONE) result = m->data.result;
    curl_multi_remove_handle(c->multi, c->easy);
    return result;
}

/* Curl has one code for all that can be wrong with connecting; the errno tells them
 * apart.
 */
static int no_answer(peri_client_t *c, CURLcode code, peri_answer_t *a, peri_err_t *err)
{
    long no = 0;
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &no);
    a->status = 0;
    a->again = true;
    if (code == CURLE_COULDNT_CONNECT && (no == ENOENT || no == ECONNREFUSED)) {
        a->absent = true;
        return peri_err_set(err, PERI_EIO,
                            "perigee is not running here (no answer at %s): start it "
                            "with 'perigee up'",
                            c->socket);
    }
    if (code == CURLE_COULDNT_CONNECT && (no == EACCES || no == EPERM)) {
        a->again = false;
        return peri_err_set(err, PERI_EDENIED,
                            "the perigee at %s is not open to you: ask who runs it for "
                            "access, or start your own with 'perigee up'",
                            c->socket);
    }
    if (code == CURLE_WRITE_ERROR) {
        a->again = false;
        return peri_err_set(err, PERI_ELIMIT, "perigeed's answer has more than %u MiB",
                            MAX_ANSWER >> 20);
    }
    if (code == CURLE_OPERATION_TIMEDOUT)
        return peri_err_set(err, PERI_EIO,
                            "perigeed does not answer in time: its log may say why "
                            "('perigee status' names it)");
    return peri_err_set(err, PERI_EIO, "the connection to perigeed at %s broke off: %s",
                        c->socket, c->error[0] ? c->error : curl_easy_strerror(code));
}

static peri_code_t code_of(long status)
{
    static const struct {
        long status;
        peri_code_t code;
    } table[] = {{400, PERI_EINVAL},    {401, PERI_EDENIED}, {403, PERI_EDENIED},
                 {404, PERI_ENOTFOUND}, {409, PERI_EINVAL},  {413, PERI_ELIMIT},
                 {500, PERI_EINTERNAL}, {503, PERI_EIO}};
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (table[i].status == status) return table[i].code;
    return status < 500 ? PERI_EINVAL : PERI_EINTERNAL;
}

static int problem(peri_answer_t *a, peri_err_t *err)
{
    json_t *p = json_loadb(a->body.data ? a->body.data : "", a->body.len, 0, NULL);
    const char *detail = peri_json_str(p, "detail");
    if (!*detail) detail = peri_json_str(p, "title");
    a->again = a->status == 503 || a->status == 502 || a->status == 504;
    if (*detail)
        peri_err_set(err, code_of(a->status), "%s", detail);
    else
        peri_err_set(err, code_of(a->status), "perigeed answers with status %ld",
                     a->status);
    json_decref(p);
    return -1;
}

int peri_client_call(peri_client_t *c, const peri_call_t *call, peri_answer_t *a,
                     peri_err_t *err)
{
    *a = (peri_answer_t){.next = -1};
    peri_buf_init(&a->body, MAX_ANSWER);
    if (set_up(c, err)) return -1;
    char *url = peri_xasprintf("http://perigee/api/v1%s", call->path);
    struct curl_slist *headers = headers_of(call);
    bool interrupted;
    c->error[0] = '\0';
    prepare(c, call, url, headers, a);
    CURLcode code = perform(c, &interrupted);
    int rc = 0;
    if (interrupted)
        rc = peri_err_set(err, PERI_ECANCEL, "interrupted");
    else if (code != CURLE_OK)
        rc = no_answer(c, code, a, err);
    else
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &a->status);
    if (rc == 0 && a->status >= 400) rc = problem(a, err);
    curl_slist_free_all(headers);
    free(url);
    return rc;
}

json_t *peri_answer_json(const peri_answer_t *a, peri_err_t *err)
{
    json_error_t e;
    json_t *j = json_loadb(a->body.data ? a->body.data : "", a->body.len, 0, &e);
    if (json_is_object(j)) return j;
    json_decref(j);
    peri_err_set(err, PERI_EFORMAT, "perigeed's answer is not understood: %s",
                 j ? "not an object" : e.text);
    return NULL;
}

static json_t *ask(peri_client_t *c, const peri_call_t *call, peri_answer_t *told,
                   peri_err_t *err)
{
    peri_answer_t a;
    json_t *j = peri_client_call(c, call, &a, err) ? NULL : peri_answer_json(&a, err);
    peri_answer_free(&a);
    if (told)
        *told = (peri_answer_t){.status = a.status, .absent = a.absent, .again = a.again};
    return j;
}

json_t *peri_client_get(peri_client_t *c, double timeout, peri_answer_t *a,
                        peri_err_t *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    if (vasprintf(&s, fmt, ap) < 0) abort();
    va_end(ap);
    json_t *j =
        ask(c, &(peri_call_t){.method = "GET", .path = s, .timeout = timeout}, a, err);
    free(s);
    return j;
}

json_t *peri_client_await(peri_client_t *c, peri_err_t *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *path = NULL;
    if (vasprintf(&path, fmt, ap) < 0) abort();
    va_end(ap);
    const peri_call_t call = {.method = "GET", .path = path};
    json_t *j;
    for (int tries = 0;;) {
        peri_answer_t a;
        j = ask(c, &call, &a, err);
        if (j || !a.again) break;
        if (!peri_client_pause(c, &tries)) {
            peri_err_set(err, PERI_ECANCEL, "interrupted");
            break;
        }
    }
    free(path);
    return j;
}

char *peri_url_escape(const char *s)
{
    char *out = peri_xmalloc(3 * strlen(s) + 1), *p = out;
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if ((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
            (ch >= '0' && ch <= '9') || strchr("-_.~", ch))
            *p++ = (char)ch;
        else
            p += sprintf(p, "%%%02X", ch);
    }
    *p = '\0';
    return out;
}

bool peri_client_pause(const peri_client_t *c, int *tries)
{
    if ((*tries)++ == 3)
        fprintf(stderr, "perigee: perigeed at %s does not answer; waiting for it\n",
                c->socket);
    double until = peri_now() + (*tries < 4 ? 0.2 : *tries < 10 ? 0.5 : 2);
    while (peri_now() < until && !peri_cli_interrupted()) usleep(50000);
    return !peri_cli_interrupted();
}

/* ---- fields of an answer ---- */

const char *peri_json_str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

double peri_json_num(const json_t *o, const char *key, double otherwise)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

int64_t peri_json_int(const json_t *o, const char *key, int64_t otherwise)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? (int64_t)json_integer_value(v)
           : json_is_real(v)  ? (int64_t)json_real_value(v)
                              : otherwise;
}

bool peri_json_true(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}
