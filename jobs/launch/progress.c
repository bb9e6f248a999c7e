/* progress.c - see progress.h. The program's files are read with bounds: a program that
 * appends to its progress file for days costs no more than one that rewrites it. */
#include "jobs/launch/progress.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/task/folder.h"
#include "jobs/task/io.h"
#include "jobs/task/text.h"

enum { TAIL = 4096, REPORT_MAX = 64 * 1024, NUMBER_MAX = 32 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void peri_progress_parse(const char *line, size_t len, peri_progress_t *p)
{
    char number[NUMBER_MAX + 1], *end;
    while (len && is_blank(*line)) line++, len--;
    while (len && is_blank(line[len - 1])) len--;
    p->fraction = -1;
    size_t n = 0;
    while (n < len && n < NUMBER_MAX && line[n] && strchr("0123456789.eE-+", line[n]))
        n++;
    memcpy(number, line, n);
    number[n] = '\0';
    double v = n ? strtod(number, &end) : -1;
    if (n && *end == '\0' && end != number) {
        size_t after = n;
        while (after < len && is_blank(line[after])) after++;
        const bool percent = after < len && line[after] == '%';
        if (percent) {
            v /= 100;
            after++;
        }
        if (v >= 0 && v <= 1 && (percent || n == len || is_blank(line[n]))) {
            p->fraction = v;
            while (after < len && is_blank(line[after])) after++;
            line += after;
            len -= after;
        }
    }
    peri_text_clean(line, len, p->message, PERI_PROGRESS_MAX);
}

/* The last line that is whole, or the last if none is. */
static void last_line(const char *text, size_t len, peri_progress_t *p)
{
    const char *nl = memrchr(text, '\n', len);
    if (nl && nl > text) {
        const char *before = memrchr(text, '\n', (size_t)(nl - text));
        const char *start = before ? before + 1 : text;
        peri_progress_parse(start, (size_t)(nl - start), p);
    } else {
        peri_progress_parse(text, len, p);
    }
}

bool peri_progress_read(peri_progress_t *p, int dirfd)
{
    char text[TAIL];
    struct stat st;
    if (fstatat(dirfd, "progress", &st, AT_SYMLINK_NOFOLLOW)) return false;
    if (st.st_size == 0 ||
        (st.st_size == p->size && st.st_mtim.tv_sec == p->mtime.tv_sec &&
         st.st_mtim.tv_nsec == p->mtime.tv_nsec))
        return false;
    int fd = peri_folder_open_file(dirfd, "progress", NULL);
    if (fd < 0) return false;
    const off_t from = st.st_size > TAIL ? st.st_size - TAIL : 0;
    ssize_t n = peri_read_some(fd, text, sizeof(text), from);
    close(fd);
    if (n <= 0) return false;
    peri_progress_t now = {.mtime = st.st_mtim, .size = st.st_size};
    last_line(text, (size_t)n, &now);
    const bool other =
        now.fraction != p->fraction || strcmp(now.message, p->message) != 0;
    *p = now;
    return other;
}

static uint64_t get(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_real(v)) {
        const double d = json_real_value(v);
        return d > 0 && d < 9e18 ? (uint64_t)d : 0;
    }
    return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

void peri_report_read(int dirfd, peri_usage_t *u)
{
    int fd = peri_folder_open_file(dirfd, "report", NULL);
    if (fd < 0) return;
    char *text = malloc(REPORT_MAX);
    ssize_t n = text ? peri_read_some(fd, text, REPORT_MAX, 0) : 0;
    close(fd);
    json_t *o = n > 0 ? json_loadb(text, (size_t)n, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    if (json_is_object(o)) {
        u->rows = get(o, "rows");
        u->local_bytes = get(o, "local_bytes");
        u->shared_bytes = get(o, "shared_bytes");
        u->remote_bytes = get(o, "remote_bytes");
    }
    json_decref(o);
    free(text);
}
