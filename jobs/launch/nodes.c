/* nodes.c - Slurm's short form of a list of nodes, written out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "jobs/launch/task.h"

static void put_name(peri_buf_t *out, const char *prefix, size_t n, const char *number)
{
    if (out->len) peri_buf_putc(out, ',');
    peri_buf_append(out, prefix, n);
    peri_buf_puts(out, number);
}

/* "1-3,07" behind a prefix; what follows the list, NULL if it is none. */
static const char *put_range(peri_buf_t *out, const char *prefix, size_t n, const char *s)
{
    char number[32];
    for (;;) {
        char *end;
        const unsigned long from = strtoul(s, &end, 10);
        const int width = (int)(end - s);
        unsigned long to = from;
        if (width == 0 || width > 9) return NULL;
        if (*end == '-') {
            s = end + 1;
            to = strtoul(s, &end, 10);
            if (end == s || end - s > 9) return NULL;
        }
        for (unsigned long i = from; i <= to && !out->failed; i++) {
            snprintf(number, sizeof(number), "%0*lu", width, i);
            put_name(out, prefix, n, number);
        }
        if (*end == ']') return end + 1;
        if (*end != ',') return NULL;
        s = end + 1;
    }
}

const char *peri_nodes_expand(const char *list, size_t max, peri_arena_t *arena)
{
    peri_buf_t out;
    peri_buf_init(&out, max);
    const char *s = list, *result = list;
    while (s && *s && !out.failed) {
        size_t n = strcspn(s, ",[");
        if (s[n] == '[') {
            s = put_range(&out, s, n, s + n + 1);
        } else {
            put_name(&out, s, n, "");
            s += n;
        }
        if (s && *s == ',')
            s++;
        else if (s && *s)
            s = NULL; /* more than one range in a name: left alone */
    }
    if (s && !out.failed && out.len) result = peri_arena_strdup(arena, out.data);
    peri_buf_free(&out);
    return result;
}
