/* transfer.c - see transfer.h: runs the requests of all slots over one multi handle. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/transfer_priv.h"
#include "core/base/util.h"

#define SLICE_MS   100
#define READ_PIECE (8 << 20)
#define PAUSE_MAX  5.0

void peri_transfer_free(peri_transfer_t *t)
{
    free(t->local);
    peri_place_free(&t->remote);
    *t = (peri_transfer_t){0};
}

/* ---- one slot ---- */

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
