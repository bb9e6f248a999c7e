/* log.c - see log.h. */
#include "portal/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"

#define LINE_MAX_LOG 2048
#define KEYS         32

static peri_level_t least_level = PERI_LOG_INFO;
static const char *const names[] = {"debug", "info", "warn", "error"};

void peri_log_level(peri_level_t least)
{
    least_level = least;
}

static void put(peri_level_t level, const char *fmt, va_list ap)
{
    char line[LINE_MAX_LOG];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s ",
                          now.tv_nsec / 1000000, names[level]);
    int more = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
    size_t end = more < 0 ? n : n + (size_t)more;
    if (end > sizeof(line) - 2) end = sizeof(line) - 2;
    for (size_t i = n; i < end; i++)
        if ((unsigned char)line[i] < 0x20) line[i] = ' ';
    line[end++] = '\n';
    /* A log that cannot be written is no reason to stop. */
    if (write(STDERR_FILENO, line, end) < 0) return;
}

void peri_log(peri_level_t level, const char *fmt, ...)
{
    if (level < least_level) return;
    va_list ap;
    va_start(ap, fmt);
    put(level, fmt, ap);
    va_end(ap);
}

void peri_log_seldom(peri_level_t level, const char *key, double seconds, const char *fmt,
                     ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        char key[48];
        double last;
    } seen[KEYS];
    if (level < least_level) return;
    double now = peri_now();
    size_t at = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < KEYS; i++) {
        if (strncmp(seen[i].key, key, sizeof(seen[i].key) - 1) == 0) {
            at = i;
            break;
        }
        if (seen[i].last < seen[at].last) at = i;
    }
    bool say = strncmp(seen[at].key, key, sizeof(seen[at].key) - 1) != 0 ||
               now - seen[at].last >= seconds;
    if (say) {
        snprintf(seen[at].key, sizeof(seen[at].key), "%s", key);
        seen[at].last = now;
    }
    pthread_mutex_unlock(&lock);
    if (!say) return;
    va_list ap;
    va_start(ap, fmt);
    put(level, fmt, ap);
    va_end(ap);
}
