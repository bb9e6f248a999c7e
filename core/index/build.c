/* build.c - making the index of a table with several threads.
 *
 * Datasets of files are tasks, split into pieces once they are opened, so that one huge
 * dataset keeps all cores busy and a thousand small ones do not need a thousand open
 * files. The calling thread only reports progress. A file's entry is written when the
 * file and all before it are done: the same table gives the same bytes with any number of
 * threads.
 *
 * Everything in build_t but the meter is guarded by its lock; a scan's zones belong to
 * the threads that read its pieces, then to the one that writes the file.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "core/base/timedwait.h"
#include "core/index/scan.h"

#define TELL_EVERY 0.1 /* seconds */

typedef struct task task_t;

typedef struct {
    const peri_file_t *file;
    peri_h5file_t *h5;
    task_t *tasks;
    size_t ntasks, left; /* left: tasks not done */
    bool done, opening;
    peri_err_t *err; /* why it is left out */
} job_t;

struct task {
    job_t *job;
    const peri_wantset_t *want;
    peri_scan_t scan;
    uint64_t next_piece, pieces_left;
    task_t *next; /* of those with pieces that nobody has taken */
};

typedef struct {
    const peri_table_t *table;
    peri_wanted_t wanted;
    peri_idxwriter_t *writer;
    peri_index_stats_t *stats;
    pthread_mutex_t lock;
    pthread_cond_t work, tick;
    job_t *jobs; /* files to read, in the table's order */
    size_t njobs;
    task_t *tasks;
    size_t ntasks, next_task, opening;
    task_t *ready;
    size_t next_write;
    bool writing;
    int alive;
    peri_err_t fatal; /* of the writer */
    peri_scanmeter_t meter;
} build_t;

/* ---- one file ---- */

static int check_identity(const peri_file_t *f, peri_err_t *err)
{
    struct stat st;
    if (stat(f->path, &st))
        return peri_err_set(err, errno == ENOENT ? PERI_ENOTFOUND : PERI_EIO,
                            "cannot look at %s: %s", f->path, strerror(errno));
    int64_t mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if ((uint64_t)st.st_size != f->size || mtime_ns != f->mtime_ns ||
        (uint64_t)st.st_ino != f->inode)
        return peri_err_set(
            err, PERI_EIO,
            "%s changed while it was being indexed; run \"perigee index\" "
            "again when nothing writes to it any more",
            f->path);
    return 0;
}

static bool stopped(build_t *b)
{
    return __atomic_load_n(&b->meter.stop, __ATOMIC_RELAXED);
}

static void fail_job(job_t *j, const peri_err_t *err)
{
    if (j->err) return;
    j->err = peri_xmalloc(sizeof *j->err);
    *j->err = *err;
}

static int write_job(build_t *b, job_t *j, peri_err_t *err)
{
    const peri_file_t *f = j->file;
    if (peri_idxwriter_file(b->writer, f->path, f->size, f->mtime_ns, f->inode, err))
        return -1;
    for (size_t i = 0; i < j->ntasks; i++) {
        const peri_scan_t *s = &j->tasks[i].scan;
        if (peri_idxwriter_set(b->writer, j->tasks[i].want->dataset, s->rows,
                               s->zone_rows, s->locs, s->nlocs, err))
            return -1;
        for (size_t k = 0; k < s->nfields; k++) {
            const peri_scanfield_t *sf = &s->fields[k];
            if (peri_idxwriter_field(b->writer, sf->name, sf->type, sf->width, sf->zones,
                                     sf->width ? s->nzones : 0, err))
                return -1;
            if (sf->width) b->stats->zones += s->nzones;
        }
    }
    return 0;
}

/* Write the files that are done, as far as they are next. One thread at a time, others do
 * not wait for it. */
static void write_done_jobs(build_t *b)
{
    if (b->writing) return;
    b->writing = true;
    while (b->next_write < b->njobs && b->jobs[b->next_write].done) {
        job_t *j = &b->jobs[b->next_write];
        bool stop = stopped(b);
        pthread_mutex_unlock(&b->lock);
        peri_err_t err;
        bool failed = !stop && j->err == NULL && write_job(b, j, &err);
        for (size_t i = 0; i < j->ntasks; i++) peri_scan_free(&j->tasks[i].scan);
        pthread_mutex_lock(&b->lock);
        if (failed) {
            b->fatal = err;
            __atomic_store_n(&b->meter.stop, 1, __ATOMIC_RELAXED);
        }
        b->next_write++;
    }
    b->writing = false;
}

/* ---- tasks; all with the lock held on entry and exit ---- */

static void finish_task(build_t *b, task_t *t)
{
    job_t *j = t->job;
    pthread_mutex_unlock(&b->lock);
    peri_scan_close(&t->scan);
    pthread_mutex_lock(&b->lock);
    if (--j->left > 0) return;
    pthread_mutex_unlock(&b->lock);
    peri_h5file_unref(j->h5);
    j->h5 = NULL;
    peri_err_t err;
    if (check_identity(j->file, &err)) fail_job(j, &err);
    pthread_mutex_lock(&b->lock);
    j->done = true;
    write_done_jobs(b);
}

/* The file of a task, opened by whichever thread comes first. */
static peri_h5file_t *job_file(build_t *b, job_t *j)
{
    while (j->opening) pthread_cond_wait(&b->work, &b->lock);
    if (j->h5 || j->err) return j->h5;
    j->opening = true;
    pthread_mutex_unlock(&b->lock);
    peri_err_t err;
    peri_h5file_t *h5 = NULL;
    int rc = check_identity(j->file, &err);
    if (rc == 0) {
        h5 = peri_h5file_open(j->file->path, peri_file_root(b->table, j->file), &err);
        rc = h5 ? 0 : -1;
    }
    pthread_mutex_lock(&b->lock);
    if (rc) fail_job(j, &err);
    j->h5 = h5;
    j->opening = false;
    pthread_cond_broadcast(&b->work);
    return h5;
}

static void open_task(build_t *b, task_t *t)
{
    job_t *j = t->job;
    b->opening++;
    peri_h5file_t *h5 = job_file(b, j);
    if (h5 && j->err == NULL) {
        peri_err_t err;
        pthread_mutex_unlock(&b->lock);
        int rc = peri_scan_open(&t->scan, h5, t->want, j->file, &err);
        pthread_mutex_lock(&b->lock);
        if (rc) fail_job(j, &err);
    }
    b->opening--;
    if (t->scan.npieces > 0) {
        t->pieces_left = t->scan.npieces;
        t->next = b->ready;
        b->ready = t;
    } else {
        __atomic_add_fetch(&b->meter.rows, j->file->rows, __ATOMIC_RELAXED);
        finish_task(b, t);
    }
    pthread_cond_broadcast(&b->work);
}

static void run_piece(build_t *b, task_t *t)
{
    uint64_t piece = t->next_piece++;
    if (t->next_piece == t->scan.npieces) b->ready = t->next;
    if (t->job->err == NULL) {
        peri_err_t err;
        pthread_mutex_unlock(&b->lock);
        int rc = peri_scan_piece(&t->scan, piece, &b->meter, &err);
        pthread_mutex_lock(&b->lock);
        if (rc) fail_job(t->job, &err);
    }
    if (--t->pieces_left == 0) finish_task(b, t);
}

static void *worker(void *arg)
{
    build_t *b = arg;
    pthread_mutex_lock(&b->lock);
    while (!stopped(b)) {
        if (b->ready)
            run_piece(b, b->ready);
        else if (b->next_task < b->ntasks)
            open_task(b, &b->tasks[b->next_task++]);
        else if (b->opening > 0)
            pthread_cond_wait(&b->work, &b->lock);
        else
            break;
    }
    b->alive--;
    pthread_cond_broadcast(&b->work);
    pthread_cond_signal(&b->tick);
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* ---- the whole ---- */

static int cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    return 1;
}

/* Wait for the workers, and tell the caller how far they are. Returns true if cancelled.
 */
static bool watch(build_t *b, const peri_index_opts_t *opts)
{
    uint64_t rows_all = 0, units_all = 0;
    for (size_t i = 0; i < b->njobs; i++) {
        rows_all += b->jobs[i].file->rows;
        units_all += b->jobs[i].file->rows * b->jobs[i].ntasks;
    }
    bool cancelled = false;
    pthread_mutex_lock(&b->lock);
    for (;;) {
        const double until = peri_now() + TELL_EVERY;
        int rc = 0;
        while (b->alive > 0 && rc == 0) rc = peri_timed_wait(&b->tick, &b->lock, until);
        bool over = b->alive == 0;
        pthread_mutex_unlock(&b->lock);
        uint64_t units = __atomic_load_n(&b->meter.rows, __ATOMIC_RELAXED);
        uint64_t bytes = __atomic_load_n(&b->meter.bytes, __ATOMIC_RELAXED);
        double part = units_all ? (double)units / (double)units_all : 1;
        uint64_t rows = part < 1 ? (uint64_t)(part * (double)rows_all) : rows_all;
        if (over && !stopped(b)) rows = rows_all;
        if (opts->progress && !cancelled &&
            opts->progress(rows, rows_all, bytes, opts->arg)) {
            cancelled = true;
            __atomic_store_n(&b->meter.stop, 1, __ATOMIC_RELAXED);
        }
        if (over) return cancelled;
        pthread_mutex_lock(&b->lock);
    }
}

static int run_jobs(build_t *b, const peri_index_opts_t *opts, peri_err_t *err)
{
    int n = opts->threads > 0 ? opts->threads : cores();
    if (n > 1024) n = 1024;
    pthread_t *threads = peri_xcalloc((size_t)n, sizeof *threads);
    sigset_t all, old;
    sigfillset(&all); /* signals are the calling thread's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_mutex_lock(&b->lock);
    write_done_jobs(b); /* files without rows */
    int started = 0;
    while (started < n && pthread_create(&threads[started], NULL, worker, b) == 0)
        started++;
    b->alive = started;
    pthread_mutex_unlock(&b->lock);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    bool cancelled = false;
    if (started > 0) cancelled = watch(b, opts);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    free(threads);
    if (started == 0)
        return peri_err_set(err, PERI_EINTERNAL, "cannot start a thread to read files");
    if (cancelled)
        return peri_err_set(
            err, PERI_ECANCEL,
            "indexing %s was cancelled; an index that was there before is "
            "unchanged",
            b->table->name);
    if (b->fatal.code) {
        *err = b->fatal;
        return -1;
    }
    return 0;
}

static void add_job(build_t *b, const peri_file_t *f)
{
    job_t *j = &b->jobs[b->njobs++];
    j->file = f;
    j->tasks = &b->tasks[b->ntasks];
    for (size_t i = 0; i < b->wanted.nsets; i++) {
        if (!peri_wanted_has_set(&b->wanted.sets[i], f)) continue;
        b->tasks[b->ntasks].job = j;
        b->tasks[b->ntasks++].want = &b->wanted.sets[i];
        j->ntasks++;
    }
    j->left = j->ntasks;
    j->done = j->ntasks == 0;
}

static uint64_t count_zones(const peri_index_t *x, const peri_idxfile_t *e)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->nsets; i++) {
        const peri_idxset_t *s = peri_index_set(x, e->first_set + i);
        for (uint32_t k = 0; k < s->nfields; k++)
            if (peri_index_field(x, s->first_field + k)->width)
                n += peri_idxset_nzones(s->rows, s->zone_rows);
    }
    return n;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Entries of other files in the old index that still fit: those of a larger table that
 * shares it (the same pattern with more files). */
static int keep_others(build_t *b, const peri_index_t *old, peri_err_t *err)
{
    const peri_table_t *t = b->table;
    const char **paths = peri_xcalloc(t->nfiles, sizeof *paths);
    for (size_t i = 0; i < t->nfiles; i++) paths[i] = t->files[i].path;
    qsort(paths, t->nfiles, sizeof *paths, compare_paths);
    int rc = 0;
    for (size_t i = 0; i < peri_index_nfiles(old) && rc >= 0; i++) {
        const peri_idxfile_t *e = peri_index_file(old, i);
        const char *path = peri_index_string(old, e->path);
        peri_file_t f = {
            .path = path, .size = e->size, .mtime_ns = e->mtime_ns, .inode = e->inode};
        if (!bsearch(&path, paths, t->nfiles, sizeof *paths, compare_paths) &&
            check_identity(&f, NULL) == 0)
            rc = peri_idxwriter_copy(b->writer, old, e, err);
    }
    free(paths);
    return rc < 0 ? -1 : 0;
}

/* Take over what still fits from the old index (or NULL); the rest becomes jobs. */
static int keep_old(build_t *b, const peri_index_t *old, peri_err_t *err)
{
    const peri_table_t *t = b->table;
    for (size_t i = 0; i < t->nfiles; i++) {
        const peri_file_t *f = &t->files[i];
        const peri_idxfile_t *e = NULL;
        int rc = 1;
        if (old && peri_wanted_is_fresh(&b->wanted, old, f)) {
            e = peri_index_find_file(old, f->path);
            rc = peri_idxwriter_copy(b->writer, old, e, err);
        }
        if (rc < 0) return -1;
        if (rc > 0) {
            add_job(b, f);
            continue;
        }
        b->stats->files_kept++;
        b->stats->zones += count_zones(old, e);
    }
    return old ? keep_others(b, old, err) : 0;
}

/* Nothing to do: every file's entry fits and all blocks are sound. */
static bool all_kept(build_t *b, const char *path)
{
    peri_index_t *old = peri_index_open(path, NULL);
    if (old == NULL) return false;
    bool kept = peri_index_fresh_files(old, b->table) == b->table->nfiles &&
                peri_index_verify(old, NULL) == 0;
    for (size_t i = 0; kept && i < b->table->nfiles; i++)
        b->stats->zones +=
            count_zones(old, peri_index_find_file(old, b->table->files[i].path));
    struct stat st;
    if (kept) {
        b->stats->files_kept = b->table->nfiles;
        b->stats->index_bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    }
    peri_index_unref(old);
    return kept;
}

/* The error of the first file that was left out, and how many there are. */
static size_t left_out(const build_t *b, peri_err_t *err)
{
    size_t n = 0;
    for (size_t i = 0; i < b->njobs; i++) {
        if (b->jobs[i].err == NULL) continue;
        if (n++ == 0) *err = *b->jobs[i].err;
    }
    return n;
}

static int finish(build_t *b, peri_err_t *err)
{
    peri_err_t first;
    size_t n = left_out(b, &first), kept = b->stats->files - n;
    peri_idxwriter_t *w = b->writer;
    b->writer = NULL;
    if (n > 0 && kept == 0) {
        peri_idxwriter_abort(w);
        *err = first;
        return -1;
    }
    if (peri_idxwriter_finish(w, &b->stats->index_bytes, err)) return -1;
    if (n == 0) return 0;
    size_t len = strlen(first.text);
    if (len > 0 && first.text[len - 1] == '.') first.text[len - 1] = '\0';
    return peri_err_set(err, first.code,
                        "%s; the index was written without %zu of the %zu files of %s",
                        first.text, n, b->table->nfiles, b->table->name);
}

int peri_index_build(const peri_table_t *t, const char *path,
                     const peri_index_opts_t *opts, peri_index_stats_t *stats,
                     peri_err_t *err)
{
    static const peri_index_opts_t defaults;
    peri_index_stats_t unused;
    peri_err_t ignored;
    if (opts == NULL) opts = &defaults;
    if (err == NULL) err = &ignored;
    build_t b = {.table = t, .stats = stats ? stats : &unused};
    memset(b.stats, 0, sizeof *b.stats);
    b.stats->files = t->nfiles;
    pthread_mutex_init(&b.lock, NULL);
    pthread_cond_init(&b.work, NULL);
    pthread_cond_init(&b.tick, NULL);
    peri_wanted_init(&b.wanted, t);
    for (size_t i = 0; i < b.wanted.nsets; i++)
        for (size_t k = 0; k < b.wanted.sets[i].nfields; k++)
            b.stats->columns += b.wanted.sets[i].fields[k].zones;

    int rc = 0;
    peri_index_t *old = NULL;
    if (all_kept(&b, path)) goto out;
    rc = -1;
    b.jobs = peri_xcalloc(t->nfiles, sizeof *b.jobs);
    b.tasks = peri_xcalloc(t->nfiles * b.wanted.nsets, sizeof *b.tasks);
    b.writer = peri_idxwriter_new(path, err);
    if (b.writer == NULL) goto out;
    old = peri_index_open(path, NULL);
    if (keep_old(&b, old, err)) goto out;
    if (run_jobs(&b, opts, err)) goto out;
    b.stats->bytes_read = b.meter.bytes;
    rc = finish(&b, err);
out:
    peri_idxwriter_abort(b.writer);
    peri_index_unref(old);
    for (size_t i = 0; i < b.ntasks; i++) peri_scan_free(&b.tasks[i].scan);
    for (size_t i = 0; i < b.njobs; i++) {
        peri_h5file_unref(b.jobs[i].h5);
        free(b.jobs[i].err);
    }
    free(b.jobs);
    free(b.tasks);
    peri_wanted_free(&b.wanted);
    pthread_cond_destroy(&b.work);
    pthread_cond_destroy(&b.tick);
    pthread_mutex_destroy(&b.lock);
    return rc;
}
