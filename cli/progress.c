/* progress.c - see progress.h. */
#include "cli/progress.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/util.h"

#define TTY_DELAY   0.5 /* seconds until the first line */
#define TTY_PERIOD  0.1
#define PLAIN_DELAY 5.0
#define FILE_PERIOD 0.5

struct peri_bar {
    FILE *out;
    char *label, *unit;
    char *file; /* of $PERIGEE_PROGRESS, or NULL */
    uint64_t done, all;
    bool tty, drawn;
    double started, next;
};

static const char *progress_file(void)
{
    const char *path = getenv("PERIGEE_PROGRESS");
    return path && *path ? path : NULL;
}

bool peri_bar_wanted(bool quiet)
{
    return !quiet || progress_file();
}

peri_bar_t *peri_bar_new(FILE *out, const char *label, const char *unit)
{
    peri_bar_t *bar = peri_xcalloc(1, sizeof(*bar));
    const char *term = getenv("TERM");
    bar->out = out;
    bar->label = peri_xstrdup(label);
    bar->unit = peri_xstrdup(unit);
    bar->tty = isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
    bar->file = progress_file() ? peri_xstrdup(progress_file()) : NULL;
    bar->started = peri_now();
    bar->next = bar->started + (bar->file ? 0 : bar->tty ? TTY_DELAY : PLAIN_DELAY);
    return bar;
}

void peri_bar_relabel(peri_bar_t *bar, const char *label, const char *unit)
{
    if (strcmp(bar->label, label) == 0 && strcmp(bar->unit, unit) == 0) return;
    free(bar->label);
    free(bar->unit);
    bar->label = peri_xstrdup(label);
    bar->unit = peri_xstrdup(unit);
    bar->done = bar->all = 0;
    bar->started = peri_now();
    if (!bar->file) bar->next = bar->started + (bar->tty ? TTY_DELAY : PLAIN_DELAY);
}

/* "0:42", "1:05:00"; "" if it cannot be told. */
static void time_left(double seconds, char out[32])
{
    out[0] = '\0';
    if (!(seconds >= 0 && seconds < 1e7)) return;
    unsigned s = (unsigned)(seconds + 0.5);
    if (s < 3600)
        snprintf(out, 32, "%u:%02u left", s / 60, s % 60);
    else
        snprintf(out, 32, "%u:%02u:%02u left", s / 3600, s / 60 % 60, s % 60);
}

typedef struct {
    uint64_t done, all, bytes;
    double elapsed;
} state_t;

/* What follows the bar: " 42 %  0:12 left  1.2 GB/s  1,234 of 5,678 rows". */
static void describe(const peri_bar_t *bar, const state_t *s, bool counts, char *out,
                     size_t cap)
{
    char n[32], m[32], rate[16], left[32];
    peri_human_count(s->done, n);
    peri_human_count(s->all, m);
    peri_human_bytes(s->elapsed > 0 ? (uint64_t)((double)s->bytes / s->elapsed) : 0,
                     rate);
    if (s->all == 0) {
        snprintf(out, cap, "%s/s  %s %s", rate, n, bar->unit);
        return;
    }
    double part = (double)s->done / (double)s->all;
    time_left(part > 0 ? s->elapsed * (1 - part) / part : -1, left);
    if (!*bar->unit) {
        snprintf(out, cap, "%3.0f %%  %s", 100 * part, left);
        return;
    }
    int len = snprintf(out, cap, "%3.0f %%  %s  %s/s", 100 * part, left, rate);
    if (counts) snprintf(out + len, cap - (size_t)len, "  %s of %s %s", n, m, bar->unit);
}

static int terminal_width(FILE *out)
{
    struct winsize w;
    if (ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col > 0) return w.ws_col;
    return 80;
}

static void draw(peri_bar_t *bar, const state_t *s)
{
    enum { LABEL = 30, LONGEST = 40, SHORTEST = 10 };
    char cells[LONGEST], text[256], line[512];
    int width = terminal_width(bar->out) - 1, label = (int)strlen(bar->label);
    if (label > LABEL) label = LABEL;
    int n = 0;
    for (int counts = 1; counts >= 0 && n < SHORTEST; counts--) {
        describe(bar, s, counts, text, sizeof(text));
        n = width - label - (int)strlen(text) - 6;
    }
    if (n > LONGEST) n = LONGEST;
    if (s->all > 0 && n >= SHORTEST) {
        memset(cells, ' ', sizeof(cells));
        memset(cells, '=', (size_t)(n * ((double)s->done / (double)s->all)));
        snprintf(line, sizeof(line), "%.*s  [%.*s]  %s", label, bar->label, n, cells,
                 text);
    } else {
        snprintf(line, sizeof(line), "%.*s  %s", label, bar->label, text);
    }
    fprintf(bar->out, "\r%.*s\033[K", width > 0 ? width : 0, line);
    fflush(bar->out);
    bar->drawn = true;
}

/* Whole or not at all, but it need not survive a crash. Who cannot write it goes on. */
static void write_file(const peri_bar_t *bar)
{
    char n[32], m[32];
    char *temp = peri_xasprintf("%s.%ld.tmp", bar->file, (long)getpid());
    FILE *f = fopen(temp, "we");
    if (f) {
        double part = bar->all ? (double)bar->done / (double)bar->all : 0;
        /* 1 is said when all is done, not when it is nearly. */
        if (bar->done < bar->all && part > 0.99) part = 0.99;
        int ok = *bar->unit ? fprintf(f, "%.2f %s of %s %s\n", part,
                                      peri_human_count(bar->done, n),
                                      peri_human_count(bar->all, m), bar->unit)
                            : fprintf(f, "%.2f %s\n", part, bar->label);
        if (fclose(f) || ok < 0 || rename(temp, bar->file)) unlink(temp);
    }
    free(temp);
}

void peri_bar_update(peri_bar_t *bar, uint64_t done, uint64_t all, uint64_t bytes)
{
    double now = peri_now();
    if (all > 0 && done > all) done = all;
    bar->done = done;
    bar->all = all;
    if (now < bar->next) return;
    bar->next = now + (bar->file ? FILE_PERIOD : bar->tty ? TTY_PERIOD : PLAIN_DELAY);
    if (bar->file) {
        write_file(bar);
        return;
    }
    state_t s = {.done = done, .all = all, .bytes = bytes, .elapsed = now - bar->started};
    if (bar->tty) {
        draw(bar, &s);
        return;
    }
    char text[256];
    describe(bar, &s, true, text, sizeof(text));
    fprintf(bar->out, "%s: %s\n", bar->label, text + strspn(text, " "));
    fflush(bar->out);
}

void peri_bar_finish(peri_bar_t *bar)
{
    if (!bar) return;
    if (bar->drawn) {
        fputs("\r\033[K", bar->out);
        fflush(bar->out);
    }
    if (bar->file && bar->all) write_file(bar);
    free(bar->file);
    free(bar->label);
    free(bar->unit);
    free(bar);
}
