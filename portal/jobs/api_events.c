/* api_events.c - events of all jobs that who asks may see, as they come: server-sent
 * events.
 *
 * The log has no order over all jobs, only the time when each event was stored, and a
 * transaction may become visible a moment after a later one. So each look goes back a
 * little, and what was sent already is left out; after a reconnect with Last-Event-ID an
 * event of that moment may come twice, none is missing. Only the newest events of a job
 * are looked at, so that a look costs little whatever the jobs are.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "portal/jobs/api.h"

#define LONGEST   3600.0 /* seconds of one answer */
#define HEARTBEAT 15.0
#define OVERLAP   2.0   /* seconds that a look goes back */
#define LOOK_MIN  0.25  /* seconds between looks, however many news there are */
#define NEWEST    "300" /* events of a job */
#define AT_ONCE   "500"
#define OUT_MAX   (4u << 20)
enum { REMEMBERED = 4096 };

typedef struct {
    int64_t job;
    int seq;
} sent_t;

typedef struct {
    double since;            /* stored time of the newest event that was sent */
    double first;            /* nothing that was stored before */
    double looked, spoke;    /* peri_now() */
    sent_t sent[REMEMBERED]; /* a ring */
    size_t nsent;
    peri_buf_t out;
    size_t at; /* of out, sent so far */
} events_t;

/* With the rights of who asks: row-level security leaves out the rest. */
static const char sql[] =
    "SELECT e.job, e.seq, e.stored, json_build_object('job', j.uuid, 'number', j.number, "
    "'name', j.name, 'user', j.username, 'state', j.state, 'seq', e.seq, 'time', "
    "e.\"time\", "
    "'event', e.event, 'step', e.step, 'attempt', e.attempt, 'tasks', "
    "cardinality(e.indexes), 'text', e.sentence)::text "
    "FROM job j JOIN job_event e ON e.job = j.number AND e.seq > j.last_seq - " NEWEST " "
    "WHERE (j.state IN ('waiting', 'queued', 'running') OR j.ended > $1::float8 - 60) "
    "AND e.stored > $1::float8 ORDER BY e.stored, e.job, e.seq LIMIT " AT_ONCE;

static bool was_sent(const events_t *s, int64_t job, int seq)
{
    const size_t n = s->nsent < REMEMBERED ? s->nsent : REMEMBERED;
    for (size_t i = 0; i < n; i++)
        if (s->sent[i].job == job && s->sent[i].seq == seq) return true;
    return false;
}

static void put_event(events_t *s, const PGresult *q, int i)
{
    const int64_t job = strtoll(PQgetvalue(q, i, 0), NULL, 10);
    const int seq = atoi(PQgetvalue(q, i, 1));
    const double stored = strtod(PQgetvalue(q, i, 2), NULL);
    if (was_sent(s, job, seq)) return;
    s->sent[s->nsent++ % REMEMBERED] = (sent_t){job, seq};
    if (stored > s->since) s->since = stored;
    peri_buf_printf(&s->out, "id: %.6f\nevent: job\ndata: %s\n\n", s->since,
                    PQgetvalue(q, i, 3));
}

/* Into out; -1: the database does not answer now. */
static int look(peri_request_t *r, events_t *s)
{
    char from[40];
    peri_db_t *db = peri_request_db(r, NULL);
    if (!db) return -1;
    snprintf(from, sizeof(from), "%.6f",
             s->since - OVERLAP > s->first ? s->since - OVERLAP : s->first);
    PGresult *q = peri_db_query(db, NULL, sql, 1, (const char *const[]){from});
    for (int i = 0; q && i < PQntuples(q); i++) put_event(s, q, i);
    const int rc = q ? 0 : -1;
    PQclear(q);
    peri_dbpool_put(r->portal->db, db);
    s->looked = peri_now();
    return rc;
}

static ssize_t read_events(peri_request_t *r, void *ctx, char *buf, size_t max)
{
    events_t *s = ctx;
    const double now = peri_now();
    /* The client comes again, and is asked again who it is. */
    if (now - r->first > LONGEST && s->at == s->out.len) return PERI_STREAM_END;
    if (s->at == s->out.len) {
        peri_buf_clear(&s->out);
        s->at = 0;
        if (now - s->looked >= LOOK_MIN && look(r, s)) return PERI_STREAM_END;
        if (s->out.len == 0 && now - s->spoke >= HEARTBEAT)
            peri_buf_puts(&s->out, ":\n\n");
    }
    if (s->out.failed) return PERI_STREAM_FAILED;
    size_t n = s->out.len - s->at;
    if (n == 0) {
        /* News within the shortest time are looked at when that is over. */
        const double rest = LOOK_MIN - (now - s->looked);
        snprintf(r->wait_uuid, sizeof(r->wait_uuid), "%s", rest > 0 ? "-" : "*");
        r->wait_until = now + (rest > 0 ? rest : HEARTBEAT - (now - s->spoke));
        return 0;
    }
    if (n > max) n = max;
    memcpy(buf, s->out.data + s->at, n);
    s->at += n;
    s->spoke = now;
    return (ssize_t)n;
}

static void free_events(void *ctx)
{
    events_t *s = ctx;
    peri_buf_free(&s->out);
    free(s);
}

int peri_api_events(peri_request_t *r, peri_err_t *err)
{
    const char *last = peri_request_header(r, "Last-Event-ID");
    const double now = peri_epoch();
    double since = now;
    if (last && *last) {
        char *end;
        since = strtod(last, &end);
        if (*end || !(since > 0) || since > now + 60)
            return peri_err_set(err, PERI_EINVAL,
                                "the Last-Event-ID \"%.40s\" is not one of ours", last);
        /* What is older is in the list of jobs. */
        if (since < now - 86400) since = now - 86400;
    }
    events_t *s = peri_xcalloc(1, sizeof(*s));
    s->since = since;
    s->first = last ? since - OVERLAP : now; /* without it: new ones only */
    peri_buf_init(&s->out, OUT_MAX);
    /* So that who connects sees at once that it works. */
    peri_buf_printf(&s->out, "retry: 2000\n\n");
    s->spoke = s->looked = peri_now();
    peri_request_set_header(r, "Cache-Control", "no-store");
    peri_request_set_header(r, "X-Accel-Buffering", "no");
    r->type = "text/event-stream";
    r->stream = (peri_stream_t){read_events, free_events, s, -1};
    return 0;
}
