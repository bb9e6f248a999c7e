/* stream.c - see stream.h. */
#include "cli/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client_curl.h"
#include "core/base/util.h"
#include "core/out/target.h"

#define BODY_MAX   (64u << 20)
#define SILENCE    600L /* seconds without a byte in either direction */
#define BUFFER     (256L << 10)
#define SLICE_MS   200
#define TIME_LIMIT 1e7 /* curl counts milliseconds in a long */

typedef struct {
    const peri_stream_t *s;
    CURL *easy;
    peri_answer_t *a;
    int read_errno, write_errno;
    bool begun, body; /* a byte was seen; the answer is a body */
} stream_t;

/* Of rows as JSON the first byte is "[". */
static bool is_object(const stream_t *t, char first)
{
    const char *type = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    return first == '{' && type && !strncmp(type, "application/json", 16);
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    stream_t *t = arg;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    const size_t len = size * n;
    if (!t->begun && len > 0)
        t->body = !t->s->out || status != 200 || (t->s->objects && is_object(t, *data));
    t->begun = t->begun || len > 0;
    if (t->body) return peri_buf_append(&t->a->body, data, len) == 0 ? len : 0;
    /* Who reads a pipe sees the rows when they are there. */
    if (fwrite(data, 1, len, t->s->out) == len && fflush(t->s->out) == 0) return len;
    t->write_errno = errno;
    return CURL_WRITEFUNC_ERROR;
}

/* False: the user ended it while nothing came. */
static bool wait_for_input(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (!peri_cli_interrupted())
        if (poll(&p, 1, SLICE_MS) > 0) return true;
    return false;
}

static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
    stream_t *t = arg;
    ssize_t got = -1;
    errno = EINTR;
    while (got < 0 && errno == EINTR) {
        if (!wait_for_input(t->s->in)) return CURL_READFUNC_ABORT;
        got = read(t->s->in, out, size * n);
    }
    if (got >= 0) return (size_t)got;
    t->read_errno = errno;
    return CURL_READFUNC_ABORT;
}

static int on_moved(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                    curl_off_t ulnow)
{
    const peri_stream_t *s = arg;
    (void)dltotal, (void)ultotal;
    s->moved(s->arg, (uint64_t)ulnow, (uint64_t)dlnow);
    return 0;
}

static void set_request(stream_t *t)
{
    const peri_stream_t *s = t->s;
    CURL *e = t->easy;
    if (s->in >= 0) {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(e, CURLOPT_READDATA, t);
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER);
        if (s->in_size >= 0)
            curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->in_size);
    } else if (s->body) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, s->body);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body_len);
    }
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, s->method);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BUFFER);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, SILENCE);
    if (s->timeout > 0 && s->timeout < TIME_LIMIT)
        curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(1000 * s->timeout));
}

static void set_answer(stream_t *t, char *error)
{
    CURL *e = t->easy;
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, peri_client_on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t->a);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error);
    if (!t->s->moved) return;
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_moved);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, t->s);
}

static int judge(peri_client_t *c, stream_t *t, CURLcode code, const char *error,
                 peri_err_t *err)
{
    peri_answer_t *a = t->a;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &a->status);
    if (t->write_errno == EPIPE)
        return peri_err_set(err, PERI_ECLOSED, "the output is closed");
    if (t->write_errno)
        return peri_err_set(err, PERI_EIO, "the output cannot be written: %s",
                            strerror(t->write_errno));
    if (t->read_errno)
        return peri_err_set(err, PERI_EIO, "the input cannot be read: %s",
                            strerror(t->read_errno));
    /* A server that refuses a body may close before it has read all of it. */
    if (code != CURLE_OK && !(a->status >= 400 && a->body.len))
        return peri_client_no_answer(c, t->easy, code, error, a, err);
    if (a->status >= 400) return peri_client_problem(c, a, err);
    if (a->status < 300) return 0;
    return peri_err_set(err, PERI_EUNSUPP,
                        "%s sends us elsewhere (status %ld), where a token does not go: "
                        "log in at the address that the portal has",
                        peri_client_portal(c) ? peri_client_portal(c) : "perigeed",
                        a->status);
}

int peri_stream(peri_client_t *c, const peri_stream_t *s, peri_answer_t *a,
                peri_err_t *err)
{
    struct curl_slist *headers = NULL;
    char error[CURL_ERROR_SIZE] = "";
    bool interrupted = false;
    stream_t t = {.s = s, .a = a};
    *a = (peri_answer_t){.next = -1};
    peri_buf_init(&a->body, BODY_MAX);
    if (s->body || s->in >= 0) {
        char *type =
            peri_xasprintf("Content-Type: %s", s->type ? s->type : "application/json");
        headers = curl_slist_append(headers, type);
        free(type);
    }
    t.easy = peri_client_handle(c, s->path, &headers, err);
    if (!t.easy) {
        curl_slist_free_all(headers);
        return -1;
    }
    set_request(&t);
    set_answer(&t, error);
    CURLcode code = peri_client_perform(c, t.easy, &interrupted);
    interrupted =
        interrupted || (code == CURLE_ABORTED_BY_CALLBACK && peri_cli_interrupted());
    int rc = interrupted ? peri_err_set(err, PERI_ECANCEL, "interrupted")
                         : judge(c, &t, code, error, err);
    curl_easy_cleanup(t.easy);
    curl_slist_free_all(headers);
    return rc;
}

int peri_stream_into(peri_client_t *c, const peri_stream_t *s, const char *path,
                     bool overwrite, peri_answer_t *a, peri_err_t *err)
{
    peri_stream_t to = *s;
    *a = (peri_answer_t){.next = -1};
    peri_target_t *t = peri_target_new(path, overwrite, err);
    if (!t) return -1;
    int rc = -1,
        fd = open(peri_target_temp(t), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    to.out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!to.out)
        peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, strerror(errno));
    else
        rc = peri_stream(c, &to, a, err);
    if (to.out && fclose(to.out) && rc == 0)
        rc = peri_err_set(err, PERI_EIO, "cannot write %s: %s", path, strerror(errno));
    if (rc == 0 && a->body.len == 0) rc = peri_target_commit(t, true, err);
    peri_target_free(t);
    return rc;
}
