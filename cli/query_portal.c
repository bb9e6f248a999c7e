/* query_portal.c - see query_portal.h. */
#include "cli/query_portal.h"

#include <glob.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/post.h"
#include "cli/progress.h"
#include "cli/query_text.h"
#include "cli/saved.h"
#include "cli/stream.h"
#include "cli/talk.h"
#include "core/base/util.h"

#define SETTLED_FOR                                                                      \
    3.0 /* seconds until the portal has written down how a query ended                   \
         */

void peri_terminal_look(uint32_t *width, bool *utf8)
{
    struct winsize w;
    const char *columns = getenv("COLUMNS");
    *utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (isatty(1) && ioctl(1, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        *width = w.ws_col;
    else if (columns && atoi(columns) > 0)
        *width = (uint32_t)atoi(columns);
}

/* ---- what is asked ---- */

/* A saved query is called by its name, if nothing else is made of it. */
static json_t *start_body(peri_client_t *c, const peri_portalquery_t *q, peri_err_t *err)
{
    const char *format = peri_format_name(q->format);
    if (q->saved && !q->table)
        return peri_body("{s:s, s:s*, s:s, s:O*}", "saved", q->saved, "context",
                         q->context, "format", format, "parameters", q->params);
    peri_querytext_t t;
    json_t *b = NULL;
    if (peri_querytext_find(c, q, &t, err) == 0)
        b = peri_body("{s:s, s:s*, s:s, s:O*}", "sql", t.sql, "context", t.context,
                      "format", format, "parameters", t.params);
    peri_querytext_clear(&t);
    return b;
}

static json_t *body_of(peri_client_t *c, const peri_portalquery_t *q, peri_err_t *err)
{
    json_t *b = start_body(c, q, err);
    if (!json_is_object(b)) return b;
    if (q->limit >= 0) json_object_set_new(b, "rows", json_integer(q->limit));
    if (q->format == PERI_FMT_TABLE) {
        if (q->width) json_object_set_new(b, "width", json_integer(q->width));
        if (q->table_rows)
            json_object_set_new(b, "table_rows", json_integer(q->table_rows));
        json_object_set_new(b, "utf8", json_boolean(q->utf8));
    }
    return b;
}

/* Does a quoted text of the SQL name a file of this machine, as 'run7/x.hdf5:/Group'?
 * The first such one, or NULL; the caller frees. */
static char *file_named_in(const char *sql)
{
    for (const char *p = sql; (p = strchr(p, '\''));) {
        size_t n = strcspn(++p, "'");
        char *word = peri_xasprintf("%.*s", (int)n, p), *inside = strstr(word, ":/");
        glob_t found = {0};
        if (inside && inside != word) *inside = '\0';
        bool is = *word && glob(word, GLOB_NOSORT, NULL, &found) == 0;
        globfree(&found);
        if (is) return word;
        free(word);
        p += n + (p[n] == '\'');
    }
    return NULL;
}

static void hint_here(const peri_portalquery_t *q, const peri_answer_t *a,
                      peri_err_t *err)
{
    if (!q->sql || (a->status != 400 && a->status != 403 && a->status != 404)) return;
    char *file = file_named_in(q->sql);
    if (file) {
        char *said = peri_xstrdup(err->text);
        peri_err_set(err, err->code,
                     "%s; %.200s is a file of this machine, which the portal does not "
                     "see: --here queries it here, without the portal",
                     said, file);
        free(said);
    }
    free(file);
}

/* ---- how it went ---- */

static bool is_over(const json_t *q)
{
    const char *state = peri_json_str(q, "state");
    return strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0;
}

/* What the portal knows of a query that has ended; NULL: it cannot tell now. */
static json_t *outcome(peri_client_t *c, const char *id)
{
    const double until = peri_now() + SETTLED_FOR;
    if (!*id) return NULL;
    char *word = peri_url_escape(id), *path = peri_xasprintf("/queries/%s", word);
    json_t *q = NULL;
    for (bool again = true; again;) {
        peri_err_t ignored = {0};
        peri_answer_t a;
        const peri_call_t call = {.method = "GET", .path = path, .timeout = 5};
        json_decref(q);
        q = peri_client_call(c, &call, &a, &ignored) ? NULL
                                                     : peri_answer_json(&a, &ignored);
        peri_answer_free(&a);
        again = q && !is_over(q) && peri_now() < until && !peri_cli_interrupted();
        if (again) usleep(30000);
    }
    free(path);
    free(word);
    if (q && is_over(q)) return q;
    json_decref(q);
    return NULL;
}

/* It is over for us. A portal that sees the connection close ends it as well; one behind
 * something that keeps connections does not. */
static void cancel(peri_client_t *c, const char *id)
{
    peri_err_t ignored = {0};
    peri_answer_t a;
    if (!*id) return;
    peri_cli_forget_interrupt();
    char *word = peri_url_escape(id), *path = peri_xasprintf("/queries/%s/cancel", word);
    const peri_call_t call = {.method = "POST", .path = path, .timeout = 5};
    peri_client_call(c, &call, &a, &ignored);
    peri_answer_free(&a);
    free(path);
    free(word);
}

static void say_cut(const peri_portalquery_t *q, const json_t *o, const char *id)
{
    const char *cut = peri_json_str(o, "cut");
    const int64_t rows = peri_json_int(o, "rows", -1);
    if (!*cut) return;
    /* What she asked for is no cut. */
    if (!strcmp(cut, "rows") && q->limit >= 0 && rows == q->limit) return;
    fprintf(stderr,
            "perigee: the portal ends quick queries at its limit of %s; all of it, as a "
            "job:\nperigee history job %.8s\n",
            cut, id);
}

/* Why an answer broke off is known to the portal. */
static void say_why(const json_t *o, peri_err_t *err)
{
    const char *state = peri_json_str(o, "state"), *text = peri_json_str(o, "text");
    if (!*text || (strcmp(state, "failed") != 0 && strcmp(state, "cancelled") != 0))
        return;
    peri_err_set(err, !strcmp(state, "failed") ? PERI_EIO : PERI_ECANCEL,
                 "the answer broke off: %s", text);
}

static void on_moved(void *bar, uint64_t sent, uint64_t received)
{
    (void)sent;
    peri_bar_update(bar, received, 0, received);
}

static int refuse_binary(const peri_portalquery_t *q, peri_err_t *err)
{
    const bool binary = q->format == PERI_FMT_PARQUET || q->format == PERI_FMT_HDF5 ||
                        q->format == PERI_FMT_FITS;
    if (!binary || q->into || !isatty(1)) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "%s is nothing for a terminal: write it into a file (--into "
                        "FILE), or send standard output there",
                        peri_format_name(q->format));
}

static int stream_rows(peri_client_t *c, const peri_portalquery_t *q, const char *body,
                       peri_answer_t *a, peri_err_t *err)
{
    peri_bar_t *bar = q->into && peri_bar_wanted(q->quiet)
                          ? peri_bar_new(stderr, "query", "bytes")
                          : NULL;
    const peri_stream_t s = {.method = "POST",
                             .path = "/query",
                             .body = body,
                             .body_len = strlen(body),
                             .in = -1,
                             .out = stdout,
                             .objects = true,
                             .timeout = q->timeout,
                             .moved = bar ? on_moved : NULL,
                             .arg = bar};
    int rc = q->into ? peri_stream_into(c, &s, q->into, q->overwrite, a, err)
                     : peri_stream(c, &s, a, err);
    peri_bar_finish(bar);
    return rc;
}

/* After a failure: what else can be said, and nothing goes on there. */
static void fail(peri_client_t *c, const peri_portalquery_t *q, const peri_answer_t *a,
                 double seconds, peri_err_t *err)
{
    const bool late = q->timeout > 0 && seconds >= q->timeout, begun = a->status == 200;
    if (!begun && !late && err->code != PERI_ECANCEL) {
        hint_here(q, a, err);
        return;
    }
    if (late)
        peri_err_set(err, PERI_ELIMIT,
                     "there is no whole answer after %g seconds (--timeout)", q->timeout);
    json_t *o = err->code == PERI_EIO ? outcome(c, a->query) : NULL;
    if (o)
        say_why(o, err);
    else
        cancel(c, a->query);
    json_decref(o);
}

static void say_end(peri_client_t *c, const peri_portalquery_t *q, const peri_answer_t *a)
{
    peri_err_t ignored = {0};
    json_t *told = a->body.len ? peri_answer_json(a, &ignored) : NULL,
           *o = outcome(c, a->query);
    const char *text = peri_json_str(told ? told : o, "text");
    if (*text && !q->quiet) fprintf(stderr, "%s\n", text);
    if (told && q->into)
        fprintf(stderr, "perigee: that has no rows: %s was not written\n", q->into);
    if (o) say_cut(q, o, a->query);
    json_decref(o);
    json_decref(told);
}

int peri_query_portal(const peri_portalquery_t *q)
{
    peri_err_t err = {0};
    peri_answer_t a = {0};
    char *text = NULL;
    int rc = -1;
    peri_client_t *c = peri_client_new(&err);
    json_t *body = c ? body_of(c, q, &err) : NULL;
    if (json_is_null(body))
        peri_err_set(&err, PERI_EINVAL, "names and texts are to be UTF-8");
    else if (body && refuse_binary(q, &err) == 0)
        text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text) {
        const double started = peri_now();
        peri_cli_catch_interrupts();
        rc = stream_rows(c, q, text, &a, &err);
        if (rc)
            fail(c, q, &a, peri_now() - started, &err);
        else
            say_end(c, q, &a);
    }
    if (rc == 0 && q->save) rc = peri_saved_put(c, q, &err);
    if (rc == 0 && q->save && !q->quiet) fprintf(stderr, "saved as %s\n", q->save);
    peri_answer_free(&a);
    free(text);
    peri_client_free(c);
    return rc ? peri_cli_fail(&err) : peri_cli_done(0);
}
