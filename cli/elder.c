/* elder.c - see elder.h. Threads: one of its own, which sleeps. */
#include "cli/elder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

enum { TRIES = 20 };

static const struct {
    double age; /* seconds */
    int nice;
} steps[] = {{0.3, 5}, {1, 10}, {5, 19}};

/* Those that start later have it of the one that starts them. */
static void lower_threads(int nice)
{
    DIR *d = opendir("/proc/self/task");
    const struct dirent *e;
    while (d && (e = readdir(d)))
        if (*e->d_name != '.') setpriority(PRIO_PROCESS, (id_t)atol(e->d_name), nice);
    if (d) closedir(d);
}

static void sleep_for(double seconds)
{
    const time_t whole = (time_t)seconds;
    nanosleep(&(struct timespec){whole, (long)((seconds - (double)whole) * 1e9)}, NULL);
}

/* Where the kernel shares the machine between sessions, nice counts only within one. It
 * takes one such wish in a tenth of a second, of all users together. */
static void lower_session(int nice)
{
    char text[8];
    const int n = snprintf(text, sizeof(text), "%d", nice);
    const int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    for (int i = 0; i < TRIES && write(fd, text, (size_t)n) < 0 && errno == EAGAIN; i++) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        sleep_for(0.02 + (double)(t.tv_nsec / 1000 % 100) / 1e3); /* not in step */
    }
    close(fd);
}

/* Who has asked for much just before does not begin as a child. */
static double age_at_birth(void)
{
    const char *s = getenv("PERIGEE_AGE");
    return s ? strtod(s, NULL) : 0;
}

static void *grow_old(void *arg)
{
    double age = age_at_birth();
    (void)arg;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        const double more = steps[i].age - age;
        if (more > 0) {
            sleep_for(more);
            age = steps[i].age;
        }
        lower_threads(steps[i].nice);
        lower_session(steps[i].nice);
    }
    return NULL;
}

void peri_elder_begin(void)
{
    pthread_t thread;
    if (!peri_cli_word_is_wanted()) return;
    if (pthread_create(&thread, NULL, grow_old, NULL) == 0) pthread_detach(thread);
}
