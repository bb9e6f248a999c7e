/* run.c - see run.h. A thread makes the folder, runs the command and judges it; requests
 * look at what it has written. */
#include "portal/quick/run.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/log.h"
#include "portal/queue/queue.h"
#include "portal/quick/folder.h"
#include "portal/quick/use.h"
#include "portal/quick/word.h"

#define SPARE      5.0 /* seconds that the command has to end by itself */
#define OLD        1.0 /* seconds after which it gives its place to a new one */
#define JSON_MAX   (64u << 20)
#define CHUNK      (64u << 20)    /* bytes that may be written before the limit is seen */
#define SLACK      (512ull << 20) /* libraries, stacks */
#define USE        4.0 /* seconds of lately that make a new command a second older */
#define LOOK_EVERY (16u << 20)
#define BUSY       "too many queries run now: try again in a moment, or send it as a job"

static peri_queue_t queue =
    PERI_QUEUE({.waiting = 512, .waiting_of = 64, .patience = PERI_QUICK_PATIENCE});
static peri_confquick_t conf;

typedef struct {
    peri_turn_t turn; /* held: what nobody has fetched yet */
    peri_portal_t *portal;
    peri_arena_t *arena; /* the thread's while it runs */
    peri_quickrun_t q;   /* strings in the arena, limits filled in */
    int input, output;   /* -1: none (any more) */
    double started;
    uint64_t looked; /* at the disk, when so much was written */
    bool full;
    atomic_ullong written;
    atomic_bool hungry; /* the request waits for more */
    atomic_bool over;   /* the rest is there: */
    peri_quickend_t end;
    json_t *word;
    bool told;       /* q.over was called */
    uint64_t sent;   /* the request's own */
    peri_err_t busy; /* ... it was not started */
} item_t;

/* ---- the end ---- */

static void tell_over(item_t *i)
{
    if (i->told) return;
    i->told = true;
    if (i->q.over) i->q.over(i->portal, i->q.arg, &i->end);
    if (i->q.arg_free) i->q.arg_free(i->q.arg);
}

static void item_free(peri_turn_t *t)
{
    item_t *i = (item_t *)t;
    if (i->input >= 0) close(i->input);
    if (i->output >= 0) close(i->output);
    json_decref(i->word);
    peri_arena_free(i->arena);
    free(i);
}

/* Never ran. */
static void end_unstarted(item_t *i, const peri_err_t *err)
{
    i->end = (peri_quickend_t){.code = err->code ? err->code : PERI_ECANCEL,
                               .text = err->code ? err->text : "cancelled"};
    tell_over(i);
}

/* ---- the thread ---- */

/* Answers lie on the portal's disk, where nobody has a quota. */
static void look_at_disk(item_t *i, uint64_t written)
{
    uint64_t left;
    if (i->full || written - i->looked < LOOK_EVERY) return;
    i->looked = written;
    if (peri_quickfolder_room(i->output, LOOK_EVERY, &left)) return;
    i->full = true;
    atomic_store(&i->turn.stop, true);
}

static void on_tick(void *arg, uint64_t written)
{
    item_t *i = arg;
    if (!i->turn.old && peri_now() > i->started + OLD) peri_queue_age(&queue, &i->turn);
    if (atomic_load(&i->written) == written) return;
    look_at_disk(i, written);
    atomic_store(&i->written, written);
    atomic_store(&i->turn.held, written);
    if (atomic_exchange(&i->hungry, false)) peri_portal_news(i->turn.id);
}

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

/* The command keeps its limits itself; these hold if it does not. */
static size_t limits_of(const item_t *i, peri_startlimit_t out[4])
{
    size_t n = 0;
    const double cpu = (i->q.seconds + SPARE) * cores();
    out[n++] = (peri_startlimit_t){RLIMIT_CORE, 0, true};
    out[n++] = (peri_startlimit_t){RLIMIT_CPU, (uint64_t)cpu, true};
    /* AddressSanitizer's shadow memory counts as data. */
    if (!PERIGEE_SANITIZED)
        out[n++] = (peri_startlimit_t){RLIMIT_DATA, i->q.memory + SLACK, true};
    /* What is written to tables has the quota. */
    if (!i->q.writes)
        out[n++] = (peri_startlimit_t){
            RLIMIT_FSIZE, i->q.memory > i->q.bytes ? i->q.memory : i->q.bytes, true};
    return n;
}

static int run_child(item_t *i, const char *folder, int tale, peri_childend_t *end,
                     peri_err_t *err)
{
    peri_arena_t *a = i->arena;
    const size_t argc = i->q.argc + 7;
    const char **argv = peri_arena_calloc(a, argc + 1, sizeof(*argv));
    const char *bin = i->portal->config->bin;
    argv[0] = peri_arena_printf(a, "%s/perigee-launch", bin);
    argv[1] = "--sandbox";
    argv[2] = folder;
    argv[3] = "0";
    argv[4] = peri_arena_printf(a, "%d", tale);
    argv[5] = "0";
    argv[6] = peri_arena_printf(a, "%s/perigee", bin);
    memcpy(argv + 7, i->q.argv, i->q.argc * sizeof(*argv));
    static char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
                                NULL};
    peri_startlimit_t limits[4];
    peri_child_t c = {.start = {.path = argv[0],
                                .argv = (char *const *)argv,
                                .envp = env,
                                .dir = "/",
                                .in = i->input,
                                .keep = tale,
                                .cgroup = -1,
                                .limits = limits,
                                .nlimits = limits_of(i, limits)},
                      .output = i->output,
                      .bytes = i->q.bytes + CHUNK,
                      .seconds = i->q.seconds + SPARE,
                      .stop = &i->turn.stop,
                      .tick = on_tick,
                      .arg = i};
    return peri_child_run(&c, end, err);
}

static void judge(item_t *i, const peri_childend_t *end, int tale)
{
    char text[2048] = "";
    const ssize_t n = pread(tale, text, sizeof(text) - 1, 0);
    if (n >= 0) text[n] = '\0';
    const peri_quickgiven_t given = {
        .seconds = i->q.seconds,
        .memory = i->q.memory,
        .bytes = i->q.bytes,
        .tale = text,
        .advice = i->q.type ? peri_arena_printf(
                                  i->arena, "send it as a job (perigee history job %s)",
                                  i->q.id)
                            : ""};
    peri_quick_judge(end, &given, i->arena, &i->word, &i->end);
    if (i->full && i->end.code) {
        i->end.code = PERI_EFULL;
        i->end.text = PERI_QUICK_NO_ROOM;
    }
    if (i->end.code == PERI_ECANCEL && peri_queue_ends(&queue)) {
        i->end.code = PERI_EIO;
        i->end.text = "the portal was stopped while it ran: send it again";
    }
}

static int make_folder(item_t *i, const char **folder, peri_binds_t *binds,
                       peri_err_t *err)
{
    const char **argv = peri_arena_calloc(i->arena, i->q.argc + 1, sizeof(*argv));
    argv[0] = "perigee";
    memcpy(argv + 1, i->q.argv, i->q.argc * sizeof(*argv));
    const peri_quicktask_t task = {.id = i->q.id,
                                   .account = i->turn.account,
                                   .argv = argv,
                                   .argc = i->q.argc + 1,
                                   .age = peri_use_of(i->turn.account, peri_now()) / USE,
                                   .width = i->q.width,
                                   .ascii = i->q.ascii,
                                   .writes = i->q.writes};
    peri_db_t *db = peri_dbpool_get(i->portal->db, err);
    if (!db) return -1;
    /* What is left of the quota is to be exact. */
    int rc = i->q.writes ? peri_binds_count(i->portal, db, i->turn.account, err) : 0;
    if (rc == 0)
        rc = peri_quickfolder_make(i->portal, db, &task, i->arena, binds, folder, err);
    peri_dbpool_put(i->portal->db, db);
    return rc;
}

static int run_in_folder(item_t *i, const char *folder, peri_err_t *err)
{
    peri_childend_t end;
    int rc = -1;
    const int low = memfd_create("tale", MFD_CLOEXEC);
    /* Above those that it gets anyhow. */
    const int tale = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 10);
    if (low >= 0) close(low);
    uint64_t left;
    i->output = peri_quickfolder_file(i->portal, err);
    if (i->output >= 0 && !peri_quickfolder_room(i->output, 0, &left))
        peri_err_set(err, PERI_EFULL, PERI_QUICK_NO_ROOM);
    else if (tale < 0)
        peri_err_set(err, PERI_EBUSY, "no descriptor is left: try again in a moment");
    else if (i->output >= 0)
        rc = run_child(i, folder, tale, &end, err);
    if (rc == 0) {
        judge(i, &end, tale);
        free(end.said);
    }
    if (tale >= 0) close(tale);
    return rc;
}

/* She may have written, also if it failed. */
static void doubt(const item_t *i)
{
    peri_err_t err = {0};
    peri_db_t *db = peri_dbpool_get(i->portal->db, &err);
    if (!db || peri_binds_doubt(db, i->turn.account, &err))
        peri_log_seldom(PERI_LOG_WARN, "quick", 10,
                        "volumes are not counted anew after a query: %s", err.text);
    if (db) peri_dbpool_put(i->portal->db, db);
}

static void run(peri_turn_t *t)
{
    item_t *i = (item_t *)t;
    peri_err_t err = {0};
    peri_binds_t binds;
    const char *folder;
    i->started = peri_now();
    int rc = make_folder(i, &folder, &binds, &err);
    if (rc == 0) rc = run_in_folder(i, folder, &err);
    peri_quickfolder_remove(i->portal, i->q.id);
    if (i->q.writes) doubt(i);
    peri_use_add(i->turn.account, peri_now(), peri_now() - i->started);
    if (rc) {
        if (err.code == PERI_EINTERNAL || err.code == PERI_EIO)
            peri_log_seldom(PERI_LOG_WARN, "quick", 10, "a quick query did not start: %s",
                            err.text);
        i->end = (peri_quickend_t){.code = err.code,
                                   .text = peri_arena_strdup(i->arena, err.text)};
    }
    if (i->input >= 0) close(i->input);
    i->input = -1;
    tell_over(i);
    atomic_store(&i->over, true);
    /* The rest (peri_queue's) tells the news. */
}

/* ---- the request ---- */

static void let_go(void *arg)
{
    item_t *i = arg;
    if (peri_queue_drop(&queue, &i->turn)) end_unstarted(i, &i->busy);
    peri_queue_leave(&queue, &i->turn);
}

static int fail(peri_request_t *r, const item_t *i, peri_err_t *err)
{
    const peri_quickend_t *e = &i->end;
    switch (e->code) {
    case PERI_ECANCEL:
        return peri_request_fail(r, err, 409, "cancelled", "%s", e->text);
    case PERI_ELIMIT:
        return peri_request_fail(r, err, 400, "limit", "%s", e->text);
    case PERI_EKERNEL:
    case PERI_ESTOPPED:
    case PERI_ECLOSED:
        return peri_request_fail(r, err, 400, "invalid", "%s", e->text);
    default:
        return peri_err_set(err, e->code, "%s", e->text);
    }
}

static bool is_char(int fd, int64_t at, char c)
{
    char got = '\0';
    return pread(fd, &got, 1, at) == 1 && got == c;
}

/* As it is: a list of many columns is hundreds of megabytes as values in memory, for as
 * long as its client takes to read it. */
static int answer_json(peri_request_t *r, item_t *i, peri_err_t *err)
{
    int64_t n = (int64_t)atomic_load(&i->written);
    if (is_char(i->output, n - 1, '\n')) n--;
    if (n > JSON_MAX || !is_char(i->output, 0, '{') || !is_char(i->output, n - 1, '}'))
        return peri_err_set(err, PERI_EINTERNAL, "the command did not answer in JSON");
    r->type = "application/json";
    r->fd = i->output;
    i->output = -1;
    r->fd_from = 0;
    r->fd_len = n;
    return 0;
}

static void describe(peri_request_t *r, const item_t *i)
{
    r->type = i->q.type;
    /* What a user has written is never a page of ours. */
    peri_request_set_header(r, "X-Content-Type-Options", "nosniff");
    peri_request_set_header(r, "Content-Security-Policy", "default-src 'none'; sandbox");
    if (i->q.name)
        peri_request_set_header(
            r, "Content-Disposition",
            peri_arena_printf(r->arena, "attachment; filename=\"%s\"", i->q.name));
}

/* All is there. */
static int answer(peri_request_t *r, item_t *i, peri_err_t *err)
{
    const uint64_t n = atomic_load(&i->written);
    if (i->end.code) return fail(r, i, err);
    if (!i->q.type) return answer_json(r, i, err);
    if (!n && i->end.changed) {
        r->json = json_pack("{s:O, s:s}", "changed", i->end.changed, "text", i->end.text);
        return 0;
    }
    describe(r, i);
    if (i->end.cut) peri_request_set_header(r, "Perigee-Cut", i->end.cut);
    r->fd = i->output;
    i->output = -1;
    r->fd_from = 0;
    r->fd_len = (int64_t)n;
    return 0;
}

static ssize_t on_read(peri_request_t *r, void *ctx, char *buf, size_t max)
{
    item_t *i = ctx;
    bool over = atomic_load(&i->over);
    uint64_t n = atomic_load(&i->written);
    if (n == i->sent && !over) {
        atomic_store(&i->hungry, true);
        over = atomic_load(&i->over); /* news that came before nobody was hungry */
        n = atomic_load(&i->written);
    }
    if (n > i->sent) {
        const uint64_t left = n - i->sent;
        const ssize_t got =
            pread(i->output, buf, left < max ? left : max, (off_t)i->sent);
        if (got <= 0) return PERI_STREAM_FAILED;
        i->sent += (uint64_t)got;
        return got;
    }
    if (over) return i->end.code ? PERI_STREAM_FAILED : PERI_STREAM_END;
    if (peri_request_gone(r)) return PERI_STREAM_FAILED;
    peri_turn_wait(&i->turn, r);
    return 0;
}

bool peri_quick_again(peri_request_t *r, int *rc, peri_err_t *err)
{
    if (r->ctx_free != let_go) return false;
    item_t *i = r->ctx;
    peri_turnstate_t state;
    peri_request_set_header(r, "Perigee-Query", i->q.id);
    if (atomic_load(&i->over)) {
        *rc = answer(r, i, err);
        return true;
    }
    *rc = peri_queue_look(&queue, &i->turn, r, BUSY, &state, err);
    if (*rc) {
        peri_err_set(&i->busy, PERI_EBUSY, BUSY);
    } else if (atomic_load(&i->over)) {
        *rc = answer(r, i, err);
    } else if (state == PERI_TURN_WAITS && atomic_load(&i->turn.stop)) {
        *rc = peri_request_fail(r, err, 409, "cancelled", "cancelled before it started");
    } else if (i->q.type && atomic_load(&i->written)) {
        describe(r, i);
        r->stream = (peri_stream_t){.read = on_read, .ctx = i, .size = -1};
    }
    return true;
}

static const char *copied(item_t *i, const char *s)
{
    return peri_arena_strdup(i->arena, s);
}

static item_t *item_new(peri_request_t *r, const peri_quickrun_t *q)
{
    item_t *i = peri_xcalloc(1, sizeof(*i));
    i->arena = peri_arena_new();
    i->portal = r->portal;
    i->q = *q;
    const char **argv = peri_arena_calloc(i->arena, q->argc + 1, sizeof(*argv));
    for (size_t k = 0; k < q->argc; k++) argv[k] = copied(i, q->argv[k]);
    i->q.argv = argv;
    i->q.type = copied(i, q->type);
    i->q.name = copied(i, q->name);
    i->q.id = copied(i, q->id);
    if (!(q->seconds > 0)) i->q.seconds = conf.seconds;
    if (!q->memory) i->q.memory = (uint64_t)conf.memory;
    if (!q->bytes) i->q.bytes = (uint64_t)conf.bytes;
    i->input = q->input;
    i->output = -1;
    atomic_store(&i->hungry, true);
    i->turn.account = r->actor.account;
    i->turn.alone = q->writes;
    i->turn.slow = i->q.seconds > conf.seconds;
    i->turn.run = run;
    i->turn.free = item_free;
    memcpy(i->turn.id, q->id, sizeof(i->turn.id));
    return i;
}

int peri_quick_start(peri_request_t *r, const peri_quickrun_t *q, peri_err_t *err)
{
    int rc;
    item_t *i = item_new(r, q);
    if (!peri_queue_put(&queue, &i->turn)) {
        peri_request_set_header(r, "Perigee-Query", i->q.id);
        rc = peri_err_set(err, PERI_EBUSY, BUSY);
        peri_err_set(&i->busy, PERI_EBUSY, BUSY);
        end_unstarted(i, &i->busy);
        item_free(&i->turn);
        return rc;
    }
    peri_request_drop_body(r);
    if (r->ctx_free) r->ctx_free(r->ctx);
    r->ctx = i;
    r->ctx_free = let_go;
    peri_quick_again(r, &rc, err);
    return rc;
}

/* ---- by id ---- */

static void cancel(peri_turn_t *t, void *arg)
{
    (void)arg;
    atomic_store(&t->stop, true);
}

bool peri_quick_cancel(int64_t account, const char *id)
{
    const bool found = peri_queue_with(&queue, account, id, cancel, NULL);
    if (found) peri_portal_news(id);
    return found;
}

static void tell_state(peri_turn_t *t, void *arg)
{
    *(const char **)arg = t->state == PERI_TURN_RUNS ? "running" : "waiting";
}

const char *peri_quick_state(int64_t account, const char *id)
{
    const char *state = NULL;
    peri_queue_with(&queue, account, id, tell_state, &state);
    return state;
}

/* ---- all ---- */

int peri_quick_begin(peri_portal_t *p, peri_err_t *err)
{
    conf = p->config->quick;
    queue.limits.running = (unsigned)conf.processes;
    queue.limits.old = (unsigned)(conf.processes + 1) / 2;
    queue.limits.slow = queue.limits.old;
    queue.limits.running_of = (unsigned)conf.per_account;
    queue.limits.held = 16 * (uint64_t)conf.bytes;
    queue.limits.held_of = 4 * (uint64_t)conf.bytes;
    return peri_quickfolder_sweep(p, err);
}

void peri_quick_stop(void)
{
    peri_queue_stop(&queue);
}
