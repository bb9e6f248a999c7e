/* transfer.c - see transfer.h: runs the requests of all slots over one multi handle. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/transfer_priv.h"
#include "core/base/util.h"

#define ANSWER_MAX  (1u << 20)
#define SEND_BUFFER (2l << 20)
#define GET_BUFFER  (512l << 10)
#define SLICE_MS    100
#define READ_PIECE  (8 << 20)
#define STALLED     60  /* seconds without a byte: the connection is given up */
#define FINISHING   600 /* the same when the portal computes a checksum */
#define PAUSE_MAX   5.0

void peri_transfer_free(peri_transfer_t *t)
{
    free(t->local);
    peri_place_free(&t->remote);
    *t = (peri_transfer_t){0};
}

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

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
    peri_slot_t *s = arg;
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (s->step != PERI_STEP_GET || status >= 300)
        return peri_buf_append(&s->answer.body, data, size * n) == 0 ? n : 0;
    return peri_down_take(s, data, size * n, status);
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
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_answer);
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

/* ---- one slot ---- */

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

static void begin(peri_transfers_t *all, peri_slot_t *s, peri_transfer_t *t)
{
    memset(s, 0, sizeof(*s));
    s->all = all;
    s->t = t;
    s->fd = s->state_fd = -1;
    s->size = t->size;
    s->started = s->progress = peri_now();
    s->name = t->up ? peri_xstrdup(t->local) : peri_place_text(&t->remote);
    /* Of a job's results the portal keeps no checksums. */
    if (all->o->check && !peri_place_is_job(&t->remote))
        s->hash = peri_hash_new(PERI_SUM_SHA256);
    if (t->up)
        peri_up_begin(s);
    else
        peri_down_begin(s);
}

static void end_request(peri_slot_t *s)
{
    curl_multi_remove_handle(s->all->multi, s->easy);
    peri_buf_free(&s->answer.body);
    curl_slist_free_all(s->headers);
    s->headers = NULL;
    s->answer = (peri_answer_t){0};
}

static void end(peri_slot_t *s)
{
    if (s->easy) {
        end_request(s);
        curl_easy_cleanup(s->easy);
    }
    if (s->t->done && s->hash) {
        peri_sum_t sum;
        peri_hash_sum(s->hash, &sum);
        peri_sum_format(&sum, s->t->sum);
    }
    if (s->t->up)
        peri_up_close(s);
    else
        peri_down_close(s);
    if (s->fd >= 0) close(s->fd);
    s->t->seconds = peri_now() - s->started;
    s->all->moved += s->t->bytes;
    s->all->done += s->size > 0 ? s->size : 0;
    peri_hash_free(s->hash);
    free(s->name);
    memset(s, 0, sizeof(*s));
}

static void start(peri_slot_t *s)
{
    s->answer = (peri_answer_t){.next = -1};
    if (s->t->up)
        peri_up_start(s);
    else
        peri_down_start(s);
    if (s->step == PERI_STEP_OVER || !s->easy) return;
    if (curl_multi_add_handle(s->all->multi, s->easy) != CURLM_OK)
        peri_slot_fail(s, "libcurl does not start");
}

/* It may go better another time: waits a little longer after each try that brought
 * nothing. False if it is given up. */
static bool try_again(peri_slot_t *s, const peri_err_t *err, double after)
{
    double now = peri_now(), pause = 0.1 * (double)(1 << (s->tries < 6 ? s->tries : 6));
    if (now - s->progress > s->all->o->patience) {
        peri_slot_fail(s, "%s (tried for %.0f s)", err->text, now - s->progress);
        return false;
    }
    if (!s->told && s->tries > 1)
        fprintf(stderr, "perigee: %s: %s; trying again.\n", s->name, err->text);
    s->told = s->told || s->tries > 1;
    s->tries++;
    if (after > pause) pause = after;
    s->not_before = now + (pause < PAUSE_MAX ? pause : PAUSE_MAX);
    return true;
}

static void ended(peri_slot_t *s, CURLcode code)
{
    peri_err_t err = {0};
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (s->write_errno) {
        const bool full = s->write_errno == ENOSPC || s->write_errno == EDQUOT;
        if (s->t->up && s->write_errno == ENODATA)
            peri_slot_fail(s, "the file became shorter while it was sent; send it again");
        else
            peri_slot_fail(s, "cannot %s %s: %s%s", s->t->up ? "read" : "write",
                           s->t->local, strerror(s->write_errno),
                           full ? "; what came is kept, the same command goes on" : "");
        return;
    }
    bool again = false;
    if (code == CURLE_OK || (status >= 400 && code != CURLE_PARTIAL_FILE)) {
        s->answer.status = status;
        if (status >= 400) peri_client_problem(s->all->c, &s->answer, &err);
        again = s->answer.again;
    } else {
        peri_client_no_answer(s->all->c, s->easy, code, s->error, &s->answer, &err);
        /* Not with a certificate that is not trusted, or a name that is unknown. */
        again = s->answer.again || code == CURLE_PARTIAL_FILE ||
                code == CURLE_OPERATION_TIMEDOUT || code == CURLE_SEND_ERROR ||
                code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
                code == CURLE_SEND_FAIL_REWIND || code == CURLE_HTTP2 ||
                code == CURLE_HTTP2_STREAM;
        if (!again) {
            peri_slot_fail(s, "%s", err.text);
            return;
        }
        status = 0;
    }
    if (again && !try_again(s, &err, s->answer.retry_after)) return;
    if (again) status = 0;
    if (s->t->up)
        peri_up_ended(s, status, &err);
    else
        peri_down_ended(s, status, &err);
}

/* ---- all of them ---- */

/* Gives free slots their transfer, takes back the ones that are over. Number of slots in
 * use. */
static unsigned fill(peri_transfers_t *all, peri_transfer_t *t, size_t n, size_t *next,
                     size_t *failed)
{
    unsigned used = 0;
    for (unsigned i = 0; i < all->o->at_once; i++) {
        peri_slot_t *s = &all->slot[i];
        while (s->step == PERI_STEP_OVER || s->step == PERI_STEP_NONE) {
            if (s->step == PERI_STEP_OVER) {
                if (!s->t->done) {
                    fprintf(stderr, "perigee: %s: %s\n", s->name, s->t->why);
                    ++*failed;
                }
                end(s);
            }
            if (*next == n) break;
            begin(all, s, &t[(*next)++]);
        }
        used += s->step != PERI_STEP_NONE;
    }
    return used;
}

/* A piece: others have their turn between two. */
static void read_on(peri_slot_t *s)
{
    peri_err_t err = {0};
    int64_t to =
        s->hashed + READ_PIECE < s->read_to ? s->hashed + READ_PIECE : s->read_to;
    if (to > s->hashed &&
        peri_hash_file(s->hash, s->fd, s->hashed, to, s->t->local, NULL, &err)) {
        peri_slot_fail(s, "%s", err.text);
        return;
    }
    if (to > s->hashed) s->hashed = to;
    if (to == s->read_to) s->step = s->after;
}

/* Starts requests whose time has come. True if some slot has work that is no request. */
static bool go_on(peri_transfers_t *all)
{
    bool work = false;
    double now = peri_now();
    for (unsigned i = 0; i < all->o->at_once; i++) {
        peri_slot_t *s = &all->slot[i];
        if (s->step == PERI_STEP_NONE || s->step == PERI_STEP_OVER || s->headers)
            continue;
        if (s->step == PERI_STEP_READ)
            read_on(s);
        else if (now >= s->not_before)
            start(s);
        work = work || s->step == PERI_STEP_READ || s->step == PERI_STEP_OVER;
    }
    return work;
}

static void collect(peri_transfers_t *all)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(all->multi, &left));) {
        if (m->msg != CURLMSG_DONE) continue;
        peri_slot_t *s = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
        ended(s, code);
        end_request(s);
    }
}

static void show(const peri_transfers_t *all, peri_bar_t *bar)
{
    int64_t done = all->done, moved = all->moved;
    for (unsigned i = 0; i < all->o->at_once; i++) {
        const peri_slot_t *s = &all->slot[i];
        if (s->step <= PERI_STEP_OVER) continue;
        done += s->at;
        moved += s->t->bytes;
    }
    peri_bar_update(bar, (uint64_t)done, (uint64_t)all->total, (uint64_t)moved);
}

static void stop(peri_transfers_t *all)
{
    for (unsigned i = 0; i < all->o->at_once; i++) {
        peri_slot_t *s = &all->slot[i];
        if (s->step == PERI_STEP_NONE) continue;
        if (!s->t->done && !s->t->why[0] && s->at > 0 && s->size > 0)
            fprintf(
                stderr,
                "perigee: %s: stopped at %.0f %%; the same command goes on from there.\n",
                s->name, 100.0 * (double)s->at / (double)s->size);
        if (!s->t->done && !s->t->why[0])
            snprintf(s->t->why, sizeof(s->t->why), "stopped at byte %lld",
                     (long long)s->at);
        end(s);
    }
}

size_t peri_transfer_run(peri_client_t *c, peri_transfer_t *t, size_t n,
                         const peri_transferopts_t *o, peri_err_t *err)
{
    peri_transfers_t *all = peri_xcalloc(1, sizeof(*all));
    size_t next = 0, failed = 0;
    all->c = c;
    all->o = o;
    all->account = peri_client_account(c, err);
    all->multi = all->account ? curl_multi_init() : NULL;
    if (!all->multi) {
        if (all->account) peri_err_set(err, PERI_EINTERNAL, "libcurl does not start");
        free(all);
        return n;
    }
    for (size_t i = 0; i < n; i++) all->total += t[i].size > 0 ? t[i].size : 0;
    /* A tree is "copy", one file has its name. */
    const char *slash = n == 1 ? strrchr(t->local, '/') : NULL;
    const char *label = n != 1 ? "copy" : slash && slash[1] ? slash + 1 : t->local;
    peri_bar_t *bar =
        peri_bar_wanted(o->quiet) ? peri_bar_new(stderr, label, "bytes") : NULL;
    while (fill(all, t, n, &next, &failed) && !peri_cli_interrupted()) {
        int running = 0;
        bool work = go_on(all);
        if (curl_multi_perform(all->multi, &running) != CURLM_OK) break;
        collect(all);
        if (bar) show(all, bar);
        for (unsigned i = 0; i < o->at_once; i++)
            work = work || all->slot[i].step == PERI_STEP_OVER;
        if (!work) curl_multi_poll(all->multi, NULL, 0, SLICE_MS, NULL);
    }
    peri_bar_finish(bar);
    stop(all);
    curl_multi_cleanup(all->multi);
    free(all);
    size_t left = 0;
    for (size_t i = 0; i < n; i++) left += !t[i].done;
    if (left > failed && peri_cli_interrupted())
        peri_err_set(err, PERI_ECANCEL, "stopped; %zu of %zu files are complete",
                     n - left, n);
    return left;
}
