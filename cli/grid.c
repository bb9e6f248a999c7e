/* grid.c - see grid.h. */
#include "cli/grid.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/harmless.h"
#include "core/base/util.h"

#define MIN_CUT 8 /* columns that a cut cell keeps */
#define GAP     2

struct peri_grid {
    size_t ncolumns, ncells, room;
    bool *right;
    char **cells; /* the titles first */
};

int peri_terminal_width(FILE *out)
{
    struct winsize w;
    if (!isatty(fileno(out))) return 0;
    if (ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col > 0) return w.ws_col;
    return 80;
}

/* Bytes of the next character of s and the columns that it takes; a byte that is none in
 * this locale takes one. */
static size_t character(const char *s, int *columns)
{
    wchar_t wc;
    mbstate_t st = {0};
    size_t n = mbrtowc(&wc, s, strlen(s), &st);
    if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
        *columns = 1;
        return 1;
    }
    *columns = wcwidth(wc);
    if (*columns < 0) *columns = 1;
    return n;
}

static int width_of(const char *s)
{
    int all = 0;
    while (*s) {
        int w;
        s += character(s, &w);
        all += w;
    }
    return all;
}

peri_grid_t *peri_grid_new(const char *const *titles, size_t n)
{
    peri_grid_t *g = peri_xcalloc(1, sizeof(*g));
    g->ncolumns = n;
    g->right = peri_xcalloc(n, sizeof(*g->right));
    for (size_t i = 0; i < n; i++) {
        g->right[i] = titles[i][0] == '>';
        peri_grid_add(g, titles[i] + g->right[i]);
    }
    return g;
}

void peri_grid_free(peri_grid_t *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->ncells; i++) free(g->cells[i]);
    free(g->cells);
    free(g->right);
    free(g);
}

void peri_grid_add(peri_grid_t *g, const char *text)
{
    if (g->ncells == g->room) {
        g->room = g->room ? 2 * g->room : 64;
        g->cells = peri_xrealloc(g->cells, g->room, sizeof(*g->cells));
    }
    char *s = peri_xstrdup(text ? text : "");
    peri_harmless(s, false);
    g->cells[g->ncells++] = s;
}

void peri_grid_addf(peri_grid_t *g, const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0) abort();
    va_end(ap);
    peri_grid_add(g, s);
    free(s);
}

size_t peri_grid_rows(const peri_grid_t *g)
{
    return g->ncells / g->ncolumns - 1;
}

/* Takes columns away from the last cells until a row fits. */
static void fit(const peri_grid_t *g, int *widths, int terminal)
{
    int all = -GAP;
    for (size_t i = 0; i < g->ncolumns; i++) all += widths[i] + GAP;
    for (size_t i = g->ncolumns; i-- > 1 && all > terminal;) {
        if (widths[i] <= MIN_CUT) continue;
        int take = all - terminal;
        if (take > widths[i] - MIN_CUT) take = widths[i] - MIN_CUT;
        widths[i] -= take;
        all -= take;
    }
}

static void print_cell(FILE *out, const char *s, int width, bool right, bool last)
{
    int w = width_of(s);
    if (right) fprintf(out, "%*s", w < width ? width - w : 0, "");
    if (w <= width) {
        fputs(s, out);
    } else {
        int used = 0, columns;
        size_t n;
        while ((n = character(s, &columns)), used + columns <= width - 1) {
            fwrite(s, 1, n, out);
            s += n;
            used += columns;
        }
        fprintf(out, "~%*s", width - 1 - used, "");
    }
    if (!right && !last) fprintf(out, "%*s", w < width ? width - w : 0, "");
    if (!last) fprintf(out, "%*s", GAP, "");
}

void peri_grid_print(const peri_grid_t *g, FILE *out)
{
    int *widths = peri_xcalloc(g->ncolumns, sizeof(*widths));
    for (size_t i = 0; i < g->ncells; i++) {
        int w = width_of(g->cells[i]);
        if (w > widths[i % g->ncolumns]) widths[i % g->ncolumns] = w;
    }
    int terminal = peri_terminal_width(out);
    if (terminal > 0) fit(g, widths, terminal);
    for (size_t row = 0; row < g->ncells; row += g->ncolumns) {
        size_t n = g->ncolumns; /* without the empty ones at the end */
        while (n > 1 && !*g->cells[row + n - 1]) n--;
        for (size_t i = 0; i < n; i++)
            print_cell(out, g->cells[row + i], widths[i], g->right[i], i == n - 1);
        fputc('\n', out);
    }
    free(widths);
}

void peri_grid_label(FILE *out, const char *label, const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0) abort();
    va_end(ap);
    peri_harmless(s, true);
    fprintf(out, "%-12s %s\n", label, s);
    free(s);
}
