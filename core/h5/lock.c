/* lock.c - the one lock around libhdf5, and the library's settings for the whole process.
 *
 * It isn't the crash guard (guard.c), it only leaves the note that the guard reads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/h5/private.h"

static pthread_mutex_t big_lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *wanted_plugins;
#define MAX_DEPTH 16
static __thread unsigned depth;
static __thread const char *paths[MAX_DEPTH]; /* of the calls that are under way */
static __thread bool quiet;
static __thread int my_tid;

static void init(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&big_lock, &attr);
    pthread_mutexattr_destroy(&attr);

    /* HDF5 reads all of these by itself, in files that we don't open: the environment is
     * the only place that reaches them. Locking fails on read-only Lustre and NFS; the
     * prefixes would send links to places that the root policy did not check. */
    setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
    static const char *const gone[] = {"HDF5_PLUGIN_PATH",    "HDF5_PLUGIN_PRELOAD",
                                       "HDF5_EXT_PREFIX",     "HDF5_VDS_PREFIX",
                                       "HDF5_EXTFILE_PREFIX", "HDF5_DRIVER"};
    for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++) unsetenv(gone[i]);
    /* At exit the process is about to go; tidying up after a damaged or half-written file
     * is where HDF5 1.10 crashes. */
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    unsigned n = 0;
    while (H5PLsize(&n) >= 0 && n > 0)
        if (H5PLremove(n - 1) < 0) break;
    H5PLappend(wanted_plugins && *wanted_plugins ? wanted_plugins : H5_DEFAULT_PLUGINDIR);
    peri_h5_lzf_register();
}

void peri_h5_init(const char *plugin_path)
{
    wanted_plugins = plugin_path;
    pthread_once(&once, init);
}

static const char *innermost_path(void)
{
    for (unsigned d = depth < MAX_DEPTH ? depth : MAX_DEPTH; d > 0; d--)
        if (paths[d - 1]) return paths[d - 1];
    return "an HDF5 file";
}

void peri_h5_now_at(const char *path)
{
    if (depth <= MAX_DEPTH) paths[depth - 1] = path;
    atomic_store(&peri_h5_note.path, path);
}

void peri_h5_forget(const char *path)
{
    for (unsigned d = 0; d < depth && d < MAX_DEPTH; d++)
        if (paths[d] == path) paths[d] = NULL;
    if (depth > 0) atomic_store(&peri_h5_note.path, innermost_path());
}

void peri_h5_enter(const char *path, unsigned busy)
{
    pthread_once(&once, init);
    pthread_mutex_lock(&big_lock);
    if (!quiet) { /* HDF5's error printing is a setting of each thread */
        quiet = true;
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
        my_tid = (int)gettid();
        peri_h5_guard_thread();
    }
    if (depth++ == 0) {
        atomic_store_explicit(&peri_h5_note.busy, busy, memory_order_relaxed);
        atomic_store_explicit(&peri_h5_note.tid, my_tid, memory_order_relaxed);
        atomic_fetch_add(&peri_h5_note.seq, 1);
    }
    if (depth <= MAX_DEPTH) paths[depth - 1] = NULL; /* what an earlier call left */
    peri_h5_now_at(path ? path : innermost_path());
}

void peri_h5_leave(void)
{
    depth--;
    atomic_store(&peri_h5_note.path, depth > 0 ? innermost_path() : NULL);
    pthread_mutex_unlock(&big_lock);
}

void peri_h5_lock(void)
{
    peri_h5_enter(NULL, H5_BUSY_META);
}

void peri_h5_unlock(void)
{
    peri_h5_leave();
}

/* The innermost entry says what really went wrong. */
static herr_t innermost(unsigned n, const H5E_error2_t *e, void *arg)
{
    if (n == 0 && e->desc) snprintf(arg, 256, "%s", e->desc);
    return 0;
}

const char *peri_h5_why(char buf[256])
{
    snprintf(buf, 256, "no reason given");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, buf);
    for (char *p = buf; *p; p++)
        if ((unsigned char)*p < 32) *p = ' ';
    return buf;
}
