/* harvest.c - the thread that reads the descriptors of the installation.
 *
 * A file is read again when its size or times are others than in the table `descriptor`,
 * when it was last read hours ago (its data may have grown), and when that is asked for.
 * The first folder that has a name wins, as for the command. What cannot be read keeps
 * what was known of it; what is not there any more is marked, not removed: its grants
 * live on if it comes back.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "portal/catalogue/ask.h"
#include "portal/catalogue/catalogue.h"
#include "portal/log.h"

#define ENDING      ".yaml"
#define FILES_MAX   10000
#define LOOK_EVERY  10.0 /* seconds: only the folders and the files' times */
#define READ_AGAIN  (6 * 3600.0)
#define ASK_SECONDS 120

typedef struct {
    const char *file, *name;
    char seal[80];
} found_t;

typedef struct {
    found_t *v;
    size_t n, cap;
    peri_arena_t *arena;
} list_t;

struct peri_harvester {
    peri_portal_t *portal;
    pthread_t thread;
    atomic_bool stop;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t rung = PTHREAD_COND_INITIALIZER;
static bool asked;

void peri_harvest_now(void)
{
    pthread_mutex_lock(&lock);
    asked = true;
    pthread_cond_signal(&rung);
    pthread_mutex_unlock(&lock);
}

/* ---- files ---- */

static bool is_known(const list_t *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->v[i].name, name)) return true;
    return false;
}

static void add_file(list_t *l, const char *folder, const char *entry, size_t len)
{
    struct stat st;
    const char *name = peri_arena_strndup(l->arena, entry, len);
    found_t f = {.file = peri_arena_printf(l->arena, "%s/%s", folder, entry),
                 .name = name};
    if (!peri_utf8_valid(f.file, strlen(f.file)) || stat(f.file, &st) ||
        !S_ISREG(st.st_mode) || is_known(l, name))
        return;
    snprintf(f.seal, sizeof(f.seal), "%lld-%lld.%09ld-%llu", (long long)st.st_size,
             (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
             (unsigned long long)st.st_ino);
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->v = peri_xrealloc(l->v, l->cap, sizeof(*l->v));
    }
    l->v[l->n++] = f;
}

static void find_files(const peri_config_t *c, list_t *l)
{
    for (size_t i = 0; i < c->ndatasets; i++) {
        DIR *d = opendir(c->datasets[i]);
        for (struct dirent *e; d && l->n < FILES_MAX && (e = readdir(d));) {
            const size_t n = strlen(e->d_name), end = sizeof(ENDING) - 1;
            if (n > end && e->d_name[0] != '.' && !strcmp(e->d_name + n - end, ENDING))
                add_file(l, c->datasets[i], e->d_name, n - end);
        }
        if (d) closedir(d);
    }
}

/* ---- one file ---- */

static bool is_over(void *arg)
{
    return atomic_load(&((peri_harvester_t *)arg)->stop);
}

/* 1, 0, or -1. No connection is held while a process is waited for. */
static int is_due(peri_portal_t *p, const found_t *f, peri_err_t *err)
{
    char age[24];
    snprintf(age, sizeof(age), "%.0f", READ_AGAIN);
    peri_db_t *db = peri_dbpool_get(p->db, err);
    if (!db) return -1;
    PGresult *q = peri_db_query(db, err,
                                "SELECT 1 FROM descriptor WHERE file = $1 AND seal = $2 "
                                "AND looked > extract(epoch FROM now()) - $3::float8",
                                3, (const char *const[]){f->file, f->seal, age});
    const int due = q ? PQntuples(q) == 0 : -1;
    PQclear(q);
    peri_dbpool_put(p->db, db);
    return due;
}

static int note_file(peri_db_t *db, const found_t *f, const char *name, const char *error,
                     peri_err_t *err)
{
    const char *const v[] = {f->file, f->seal, name, error};
    return peri_db_exec(
               db, err,
               "INSERT INTO descriptor (file, seal, name, error) VALUES ($1, $2, $3, $4) "
               "ON CONFLICT (file) DO UPDATE SET seal = excluded.seal, name = "
               "coalesce(excluded.name, descriptor.name), error = excluded.error, looked "
               "= extract(epoch FROM now())",
               4, v) < 0
               ? -1
               : 0;
}

/* What would show our own files as the dataset's is not taken. */
static int check_folder(const peri_config_t *c, const json_t *told, peri_err_t *err)
{
    const char *folder = json_string_value(json_object_get(told, "folder"));
    const char *const ours[] = {c->state, c->spool, c->storage.folder};
    char *whole = folder ? realpath(folder, NULL) : NULL;
    int rc = 0;
    for (size_t i = 0; whole && rc == 0 && i < 3; i++) {
        char *own = realpath(ours[i], NULL);
        if (own && (peri_path_is_below(own, whole) || peri_path_is_below(whole, own)))
            rc = peri_err_set(err, PERI_EDENIED,
                              "the folder %s cannot be shown: files of the portal itself "
                              "(%s) lie there",
                              folder, ours[i]);
        free(own);
    }
    free(whole);
    return rc;
}

static int check_told(const peri_config_t *c, const found_t *f, const json_t *told,
                      peri_err_t *err)
{
    const char *name = json_string_value(json_object_get(told, "name"));
    if (name && !strcmp(name, f->name)) return check_folder(c, told, err);
    return peri_err_set(err, PERI_EINVAL,
                        "%s describes a dataset called %s: rename the file to %s" ENDING,
                        f->file, name ? name : "?", name ? name : "?");
}

/* told NULL: *why says what is wrong with it. */
static int settle(peri_harvester_t *h, const found_t *f, const json_t *told,
                  peri_err_t *why, peri_err_t *err)
{
    const char *note = NULL;
    peri_arena_t *a = peri_arena_new();
    int rc = -1;
    peri_db_t *db = peri_dbpool_get(h->portal->db, err);
    if (!db) goto out;
    if (told && check_told(h->portal->config, f, told, why) == 0)
        (void)peri_dataset_keep(db, told, f->file, a, &note, why);
    if (told && why->code == PERI_EIO) { /* the database: the next time */
        if (err) *err = *why;
        goto out;
    }
    if (why->code) {
        peri_log(PERI_LOG_WARN, "dataset %s: %s", f->name, why->text);
        note = peri_utf8_valid(why->text, strlen(why->text)) ? why->text
                                                             : "it cannot be read";
    }
    rc = note_file(db, f, why->code ? NULL : f->name, note, err);
out:
    if (db) peri_dbpool_put(h->portal->db, db);
    peri_arena_free(a);
    return rc;
}

static int read_file(peri_harvester_t *h, const found_t *f, peri_err_t *err)
{
    const peri_ask_t ask = {.bin = h->portal->config->bin,
                            .file = f->file,
                            .folder = -1,
                            .seconds = ASK_SECONDS,
                            .stop = is_over,
                            .arg = h};
    peri_err_t why = {0};
    json_t *told = peri_catalogue_ask(&ask, &why);
    const int rc = atomic_load(&h->stop) ? 0 : settle(h, f, told, &why, err);
    json_decref(told);
    return rc;
}

/* ---- those that went ---- */

/* What is not listed any more. A name that another folder has now keeps its row: the
 * other file is read before. */
static int mark_gone(peri_db_t *db, const list_t *l, peri_err_t *err)
{
    json_t *files = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(files, json_string(l->v[i].file));
    char *text = json_dumps(files, JSON_COMPACT);
    json_decref(files);
    const char *const v[] = {text};
    int rc = -1;
    if (peri_db_exec(db, err,
                     "UPDATE dataset SET gone = extract(epoch FROM now()), folder = NULL "
                     "WHERE gone IS NULL AND source IS NOT NULL AND volume IS NULL AND "
                     "source NOT IN (SELECT jsonb_array_elements_text($1::jsonb))",
                     1, v) >= 0 &&
        peri_db_exec(db, err,
                     "DELETE FROM descriptor WHERE file NOT IN (SELECT "
                     "jsonb_array_elements_text($1::jsonb))",
                     1, v) >= 0)
        rc = 0;
    free(text);
    return rc;
}

/* ---- the thread ---- */

static int harvest(peri_harvester_t *h, bool all, peri_err_t *err)
{
    list_t l = {.arena = peri_arena_new()};
    int rc = 0;
    find_files(h->portal->config, &l);
    for (size_t i = 0; rc == 0 && i < l.n && !atomic_load(&h->stop); i++) {
        const int due = all ? 1 : is_due(h->portal, &l.v[i], err);
        rc = due < 0 ? -1 : due ? read_file(h, &l.v[i], err) : 0;
    }
    peri_db_t *db =
        rc == 0 && !atomic_load(&h->stop) ? peri_dbpool_get(h->portal->db, err) : NULL;
    if (db) {
        rc = mark_gone(db, &l, err);
        peri_dbpool_put(h->portal->db, db);
    }
    free(l.v);
    peri_arena_free(l.arena);
    return rc;
}

/* True: somebody asked for all. */
static bool wait_for_work(peri_harvester_t *h)
{
    const double until = peri_now() + LOOK_EVERY;
    pthread_mutex_lock(&lock);
    while (!asked && !atomic_load(&h->stop))
        if (peri_timed_wait(&rung, &lock, until)) break;
    const bool all = asked;
    asked = false;
    pthread_mutex_unlock(&lock);
    return all;
}

static void *run(void *arg)
{
    peri_harvester_t *h = arg;
    bool all = true;
    while (!atomic_load(&h->stop)) {
        peri_err_t err = {0};
        if (harvest(h, all, &err) && !atomic_load(&h->stop))
            peri_log_seldom(PERI_LOG_ERROR, "harvest", 60,
                            "the catalogue of datasets cannot be brought up to date: %s",
                            err.text);
        all = wait_for_work(h);
    }
    return NULL;
}

peri_harvester_t *peri_harvest_start(peri_portal_t *p, peri_err_t *err)
{
    sigset_t block, old;
    peri_harvester_t *h = peri_xcalloc(1, sizeof(*h));
    h->portal = p;
    sigfillset(&block);
    pthread_sigmask(SIG_BLOCK, &block, &old);
    const int rc = pthread_create(&h->thread, NULL, run, h);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) return h;
    free(h);
    peri_err_set(err, PERI_EINTERNAL, "cannot start a thread");
    return NULL;
}

void peri_harvest_stop(peri_harvester_t *h)
{
    if (!h) return;
    atomic_store(&h->stop, true);
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&rung);
    pthread_mutex_unlock(&lock);
    pthread_join(h->thread, NULL);
    free(h);
}
