/* meter.c - see meter.h. */
#include "jobs/launch/meter.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "jobs/task/io.h"

static double thread_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void peri_meter_init(peri_meter_t *m, const char *mark)
{
    *m = (peri_meter_t){0};
    peri_procs_init(&m->procs, mark, getpid(), (uid_t)-1);
}

void peri_meter_free(peri_meter_t *m)
{
    peri_procs_free(&m->procs);
}

static bool read_io(const char *path, uint64_t *r, uint64_t *w)
{
    char text[512];
    unsigned long long rchar, wchar;
    if (peri_read_small(AT_FDCWD, path, text, sizeof(text)) <= 0 ||
        sscanf(text, "rchar: %llu wchar: %llu", &rchar, &wchar) != 2)
        return false;
    *r = rchar;
    *w = wchar;
    return true;
}

/* The kernel adds what children did to the process that waits for them, not to any of its
 * threads: the difference is theirs. */
static void ended_io(uint64_t *r, uint64_t *w)
{
    uint64_t own_r = 0, own_w = 0, tr, tw;
    *r = *w = 0;
    DIR *d = opendir("/proc/self/task");
    if (!d) return;
    const bool all = read_io("/proc/self/io", r, w);
    for (struct dirent *e; (e = readdir(d));) {
        char path[320];
        snprintf(path, sizeof(path), "/proc/self/task/%s/io", e->d_name);
        if (e->d_name[0] != '.' && read_io(path, &tr, &tw)) {
            own_r += tr;
            own_w += tw;
        }
    }
    closedir(d);
    *r = all && *r > own_r ? *r - own_r : 0;
    *w = all && *w > own_w ? *w - own_w : 0;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static void raise_to(uint64_t *v, uint64_t to)
{
    if (to > *v) *v = to;
}

void peri_meter_sample(peri_meter_t *m, uint64_t limit, bool all)
{
    const double before = thread_cpu();
    peri_procsum_t now;
    struct rusage ended = {0};
    uint64_t r, w;
    ended_io(&r, &w);
    if (all && peri_procs_scan(&m->procs)) return;
    peri_procs_sum(&m->procs, limit, &now);
    getrusage(RUSAGE_CHILDREN, &ended);
    const double cpu = now.cpu + seconds(ended.ru_utime) + seconds(ended.ru_stime);
    if (cpu > m->usage.cpu_seconds) m->usage.cpu_seconds = cpu;
    m->memory = now.memory;
    raise_to(&m->usage.memory_peak, now.memory);
    raise_to(&m->usage.memory_peak, (uint64_t)ended.ru_maxrss * 1024);
    raise_to(&m->usage.bytes_read, r + now.bytes_read);
    raise_to(&m->usage.bytes_written, w + now.bytes_written);
    *(all ? &m->cost : &m->quick_cost) = thread_cpu() - before;
}
