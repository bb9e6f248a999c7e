/* mail_send.c - the thread that sends what is queued: see mail.h. libcurl speaks SMTP. */
#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "portal/account/mail.h"
#include "portal/account/mail_message.h"
#include "portal/account/secret_file.h"
#include "portal/log.h"

#define POLL        1.0 /* seconds between two looks into the table */
#define REST        3.0 /* after the server could not be had */
#define CONNECT_MAX 10L /* seconds */
#define SEND_MAX    60L
#define MESSAGE_MAX 262144u
#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

struct peri_mailer {
    const peri_confmail_t *conf;
    peri_dbpool_t *pool;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool stop;
    CURL *curl;
};

/* ---- the table ---- */

typedef struct {
    char id[24];
    bool old; /* failing once more is the end */
    int tries;
    char *recipient;
    peri_buf_t message;
    bool broken;
} mail_t;

static void mail_clear(mail_t *m)
{
    free(m->recipient);
    peri_buf_free(&m->message);
    memset(m, 0, sizeof(*m));
}

/* The next that is due, its try counted. 1: there is one. */
static int take(peri_mailer_t *s, mail_t *m, peri_err_t *err)
{
    peri_db_t *db = peri_dbpool_get(s->pool, err);
    if (!db) return -1;
    /* Pauses: 1, 2, 4 minutes ... 4 hours. */
    PGresult *res = peri_db_query(
        db, err,
        "UPDATE mail SET tries = tries + 1,"
        " due = extract(epoch FROM now()) + 60 * least(240, 2 ^ least(tries, 10))"
        " WHERE id = (SELECT id FROM mail WHERE due <= extract(epoch FROM now())"
        "  ORDER BY due, id LIMIT 1 FOR UPDATE SKIP LOCKED)"
        " RETURNING id, recipient, subject, body, created, tries,"
        " extract(epoch FROM now()) - created > 86400.0 * " TEXT_OF(PERI_MAIL_DAYS),
        0, NULL);
    int rc = res ? PQntuples(res) : -1;
    if (rc == 1) {
        const peri_mailtext_t t = {.id = strtoll(PQgetvalue(res, 0, 0), NULL, 10),
                                   .created = strtod(PQgetvalue(res, 0, 4), NULL),
                                   .from = s->conf->from,
                                   .to = PQgetvalue(res, 0, 1),
                                   .subject = PQgetvalue(res, 0, 2),
                                   .text = PQgetvalue(res, 0, 3)};
        snprintf(m->id, sizeof(m->id), "%lld", (long long)t.id);
        m->recipient = peri_xstrdup(t.to);
        m->tries = atoi(PQgetvalue(res, 0, 5));
        m->old = *PQgetvalue(res, 0, 6) == 't';
        peri_buf_init(&m->message, MESSAGE_MAX);
        m->broken = peri_mail_compose(&t, &m->message, err) != 0;
    }
    PQclear(res);
    peri_dbpool_put(s->pool, db);
    return rc;
}

/* ---- sending ---- */

typedef struct {
    const char *data;
    size_t left;
} reader_t;

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    reader_t *r = arg;
    size_t take = size * n < r->left ? size * n : r->left;
    memcpy(to, r->data, take);
    r->data += take;
    r->left -= take;
    return take;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&((peri_mailer_t *)arg)->stop);
}

static void set_security(CURL *c, const peri_confmail_t *conf)
{
    static const long levels[] = {[PERI_MAIL_TLS_REQUIRED] = CURLUSESSL_ALL,
                                  [PERI_MAIL_TLS_TRY] = CURLUSESSL_TRY,
                                  [PERI_MAIL_TLS_OFF] = CURLUSESSL_NONE};
    const long checked = conf->tls == PERI_MAIL_TLS_REQUIRED;
    curl_easy_setopt(c, CURLOPT_USE_SSL, levels[conf->tls]);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, checked);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, checked ? 2L : 0L);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (conf->ca_file) curl_easy_setopt(c, CURLOPT_CAINFO, conf->ca_file);
}

/* PERI_EINVAL: never to this address. PERI_EDENIED: the server does not take it now.
 * PERI_EIO: there is no server, or it does not take us. */
static peri_code_t code_of(CURLcode rc, const char *why)
{
    /* There is no such mailbox: to try again makes us look like a spammer. */
    if (rc == CURLE_SEND_ERROR &&
        (strstr(why, "RCPT failed: 550") || strstr(why, "RCPT failed: 551") ||
         strstr(why, "RCPT failed: 553")))
        return PERI_EINVAL;
    return rc == CURLE_SEND_ERROR || rc == CURLE_WEIRD_SERVER_REPLY ? PERI_EDENIED
                                                                    : PERI_EIO;
}

static int send_one(peri_mailer_t *s, const mail_t *m, peri_err_t *err)
{
    char why[CURL_ERROR_SIZE] = "", *password = NULL;
    const char *address, *name;
    size_t n, nname;
    reader_t reader = {m->message.data, m->message.len};
    CURL *c = s->curl;
    if (peri_mail_from_split(s->conf->from, &address, &n, &name, &nname, err)) return -1;
    if (s->conf->user && peri_secretfile_read(s->conf->password_file, &password, err))
        return -1;
    char *from = peri_xasprintf("<%.*s>", (int)n, address);
    char *rcpt = peri_xasprintf("<%s>", m->recipient);
    struct curl_slist *to = curl_slist_append(NULL, rcpt);
    curl_easy_reset(c); /* the connection stays */
    curl_easy_setopt(c, CURLOPT_URL, s->conf->server);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_MAX);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, SEND_MAX);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, s);
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c, CURLOPT_READDATA, &reader);
    curl_easy_setopt(c, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to);
    if (s->conf->user) {
        curl_easy_setopt(c, CURLOPT_USERNAME, s->conf->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, password);
    }
    set_security(c, s->conf);
    const CURLcode rc = curl_easy_perform(c);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(to);
    free(rcpt);
    free(from);
    peri_secretfile_free(password);
    if (rc == CURLE_OK) return 0;
    return peri_err_set(err, code_of(rc, why), "%s", *why ? why : curl_easy_strerror(rc));
}

/* ---- the outcome ---- */

static int note_failure(peri_db_t *db, const mail_t *m, const char *why, peri_err_t *err)
{
    const char *values[] = {m->id, why};
    return peri_db_exec(db, err, "UPDATE mail SET why = $2 WHERE id = $1", 2, values) < 0
               ? -1
               : 0;
}

static int give_up(peri_db_t *db, const mail_t *m, const char *why, peri_err_t *err)
{
    json_t *o = json_pack("{s:s, s:i}", "why", why, "tries", m->tries);
    char *context = o ? json_dumps(o, JSON_COMPACT) : NULL;
    const char *values[] = {m->recipient, context ? context : "{}", m->id};
    int64_t n = peri_db_exec(db, err,
                             "WITH gone AS (DELETE FROM mail WHERE id = $3 RETURNING 1)"
                             " INSERT INTO audit (action, thing, ok, context)"
                             " SELECT 'mail.give_up', $1, false, $2::jsonb FROM gone",
                             3, values);
    json_decref(o);
    free(context);
    if (n > 0)
        peri_log(PERI_LOG_ERROR, "the mail to %s is given up after %d tries: %s",
                 m->recipient, m->tries, why);
    return n < 0 ? -1 : 0;
}

static int settle(peri_mailer_t *s, const mail_t *m, const peri_err_t *failed,
                  peri_err_t *err)
{
    char why[301] = "";
    const char *values[] = {m->id};
    int rc;
    peri_db_t *db = peri_dbpool_get(s->pool, err);
    if (!db) return -1;
    /* Words of a server may be in any encoding; the table's is UTF-8. */
    if (failed) snprintf(why, sizeof(why), "%s", failed->text);
    for (char *p = why; *p; p++)
        if (*p < 0x20 || *p > 0x7e) *p = '?';
    if (!failed)
        rc = peri_db_exec(db, err, "DELETE FROM mail WHERE id = $1", 1, values) < 0;
    else if (m->broken || m->old || failed->code == PERI_EINVAL)
        rc = give_up(db, m, why, err);
    else
        rc = note_failure(db, m, why, err);
    peri_dbpool_put(s->pool, db);
    return rc ? -1 : 0;
}

/* Seconds until the next round. */
static double round_of(peri_mailer_t *s)
{
    peri_err_t err = {0}, failed = {0};
    mail_t m = {0};
    double pause = 0;
    int n = take(s, &m, &failed);
    if (n <= 0) {
        if (n < 0) peri_log_seldom(PERI_LOG_WARN, "mail", 60, "mail: %s", failed.text);
        return n < 0 ? REST : POLL;
    }
    const bool sent = !m.broken && send_one(s, &m, &failed) == 0;
    if (!sent && atomic_load(&s->stop)) goto out; /* it was us */
    if (settle(s, &m, sent ? NULL : &failed, &err)) {
        peri_log_seldom(PERI_LOG_WARN, "mail", 60, "mail: %s", err.text);
        pause = POLL;
    } else if (!sent) {
        peri_log_seldom(PERI_LOG_WARN, "mail.send", 60, "mail to %s cannot be sent: %s",
                        m.recipient, failed.text);
        pause = failed.code == PERI_EIO ? REST : 0;
    }
out:
    mail_clear(&m);
    return pause;
}

static void *run(void *arg)
{
    peri_mailer_t *s = arg;
    while (!atomic_load(&s->stop)) {
        const double next = peri_now() + round_of(s);
        pthread_mutex_lock(&s->lock);
        while (!atomic_load(&s->stop) && peri_now() < next)
            peri_timed_wait(&s->changed, &s->lock, next);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

peri_mailer_t *peri_mailer_start(const peri_confmail_t *c, peri_dbpool_t *pool,
                                 peri_err_t *err)
{
    sigset_t all, old;
    if (peri_mailconf_check(c, err)) return NULL;
    peri_mailer_t *s = peri_xcalloc(1, sizeof(*s));
    s->conf = c;
    s->pool = pool;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    s->curl = curl_easy_init();
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    int rc = s->curl ? pthread_create(&s->thread, NULL, run, s) : -1;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) return s;
    peri_err_set(err, PERI_EINTERNAL, "cannot start the thread that sends mail");
    curl_easy_cleanup(s->curl);
    free(s);
    return NULL;
}

void peri_mailer_stop(peri_mailer_t *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, true);
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    curl_easy_cleanup(s->curl);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
