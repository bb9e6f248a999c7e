/* transfer_slot.c - one slot, for its steps: the request that it makes next, what libcurl
 * sends and receives for it, and how it ends. See transfer_priv.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/transfer_priv.h"
#include "core/base/util.h"

#define ANSWER_MAX  (1u << 20)
#define SEND_BUFFER (2l << 20)
#define GET_BUFFER  (512l << 10)
#define STALLED     60  /* seconds without a byte: the connection is given up */
#define FINISHING   600 /* the same when the portal computes a checksum */

/* ---- one request ---- */

void peri_slot_moved(peri_slot_t *s, const void *data, size_t len)
{
    int64_t end = s->at + (int64_t)len;
    if (s->hash && s->hashed >= s->at && s->hashed < end) {
        peri_hash_update(s->hash, (const char *)data + (s->hashed - s->at),
                         (size_t)(end - s->hashed));
        s->hashed = end;
    }
    s->at = end;
    s->t->bytes += (int64_t)len;
}

static size_t on_send(char *buf, size_t size, size_t n, void *arg)
{
    peri_slot_t *s = arg;
    size_t want = size * n;
    if ((int64_t)want > s->to - s->at) want = (size_t)(s->to - s->at);
    if (want == 0) return 0;
    ssize_t got = pread(s->fd, buf, want, s->at);
    if (got <= 0) {
        s->write_errno = got ? errno : ENODATA;
        return CURL_READFUNC_ABORT;
    }
    peri_slot_moved(s, buf, (size_t)got);
    return (size_t)got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    peri_slot_t *s = arg;
    if (origin != SEEK_SET || offset < 0 || s->from + offset > s->to)
        return CURL_SEEKFUNC_FAIL;
    s->at = s->from + offset;
    return CURL_SEEKFUNC_OK;
}

size_t peri_slot_on_answer(char *data, size_t size, size_t n, void *slot)
{
    peri_slot_t *s = slot;
    return peri_buf_append(&s->answer.body, data, size * n) == 0 ? n : 0;
}

/* The value of a header, cut at its end; false if the line is another one. */
static bool header_is(const char *line, size_t len, const char *name, char *out,
                      size_t cap)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':') return false;
    const char *p = line + n + 1, *end = line + len;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    while (end > p && strchr("\r\n \t", end[-1])) end--;
    snprintf(out, cap, "%.*s", (int)(end - p), p);
    return true;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    peri_slot_t *s = arg;
    char v[512];
    size_t len = size * n;
    if (header_is(line, len, "Upload-Offset", v, sizeof(v))) {
        if (peri_upload_number("", v, strlen(v), &s->told_offset, NULL))
            s->told_offset = -1;
    } else if (header_is(line, len, "Location", v, sizeof(v))) {
        const char *last = strrchr(v, '/');
        snprintf(s->id, sizeof(s->id), "%s", last ? last + 1 : v);
    } else if (header_is(line, len, "Content-Range", v, sizeof(v))) {
        snprintf(s->range, sizeof(s->range), "%s", v);
    } else {
        peri_client_on_header(line, size, n, &s->answer);
    }
    return len;
}

void peri_slot_header(peri_slot_t *s, const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) text = NULL;
    va_end(ap);
    if (text) s->headers = curl_slist_append(s->headers, text);
    free(text);
}

CURL *peri_slot_request(peri_slot_t *s, const char *path, const char *method)
{
    peri_err_t err = {0};
    if (s->easy) {
        curl_easy_reset(s->easy);
        peri_client_dress(s->all->c, s->easy, path, &s->headers);
    } else {
        s->easy = peri_client_handle(s->all->c, path, &s->headers, &err);
    }
    if (!s->easy) {
        peri_slot_fail(s, "%s", err.text);
        return NULL;
    }
    CURL *e = s->easy;
    peri_buf_init(&s->answer.body, ANSWER_MAX);
    s->told_offset = -1;
    s->id[0] = s->range[0] = s->error[0] = '\0';
    s->write_errno = 0;
    s->to = -1;
    s->fresh = true;
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
    if (!strcmp(method, "HEAD")) curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error);
    curl_easy_setopt(e, CURLOPT_PRIVATE, s);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, peri_slot_on_answer);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, GET_BUFFER);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME,
                     (long)(s->step == PERI_STEP_LAST || s->step == PERI_STEP_SUM
                                ? FINISHING
                                : STALLED));
    return e;
}

void peri_slot_send(peri_slot_t *s, int64_t from, int64_t to)
{
    s->from = s->at = from;
    s->to = to;
    curl_easy_setopt(s->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(s->easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(s->easy, CURLOPT_READDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(s->easy, CURLOPT_SEEKDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(to - from));
    curl_easy_setopt(s->easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
}

/* ---- what follows ---- */

void peri_slot_fail(peri_slot_t *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->t->why, sizeof(s->t->why), fmt, ap);
    va_end(ap);
    s->step = PERI_STEP_OVER;
}

void peri_slot_read(peri_slot_t *s, int64_t to, peri_step_t after)
{
    s->read_to = to;
    s->after = after;
    s->step = PERI_STEP_READ;
}

void peri_slot_done(peri_slot_t *s)
{
    s->t->done = true;
    s->step = PERI_STEP_OVER;
}
