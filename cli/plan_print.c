/* plan_print.c - see plan_print.h. */
#include "cli/plan_print.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cli/when.h"
#include "core/base/util.h"

#define STEP      2
#define MAX_DEPTH 32
#define LINE      76 /* a list of scalars up to here stays on one line */

static void print_value(const json_t *v, int depth, bool inside, FILE *out);

static void print_text(const char *s, int depth, FILE *out)
{
    if (!strchr(s, '\n')) {
        fputs(s, out);
        return;
    }
    fputc('|', out);
    for (const char *end; *s; s = *end ? end + 1 : end) {
        end = strchrnul(s, '\n');
        fprintf(out, "\n%*s%.*s", depth * STEP, "", (int)(end - s), s);
    }
}

static void print_scalar(const char *key, const json_t *v, int depth, FILE *out)
{
    char text[PERI_WHEN], size[16];
    double n = json_number_value(v);
    if (json_is_string(v))
        print_text(json_string_value(v), depth, out);
    else if (json_is_integer(v) && key && !strcmp(key, "memory"))
        fputs(peri_human_bytes((uint64_t)n, size), out);
    else if (json_is_integer(v) && key && !strcmp(key, "time_limit"))
        fputs(peri_when_span(n, text), out);
    else if (json_is_integer(v))
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        fprintf(out, "%g", n);
    else
        fputs(json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-", out);
}

static int is_scalar(const json_t *v)
{
    return !json_is_object(v) && !json_is_array(v);
}

/* The words of a list of short scalars, or 0 if it is not one. */
static int on_one_line(const json_t *v)
{
    size_t i, len = 0;
    const json_t *e;
    json_array_foreach(v, i, e)
    {
        const char *s = json_string_value(e);
        if (!is_scalar(e) || (s && strpbrk(s, "\n"))) return 0;
        len += s ? strlen(s) + 1 : 8;
    }
    return len <= LINE;
}

static void print_list(const json_t *v, int depth, bool inside, FILE *out)
{
    size_t i;
    const json_t *e;
    json_array_foreach(v, i, e)
    {
        fprintf(out, "%*s- ", i == 0 && inside ? 0 : depth * STEP, "");
        if (is_scalar(e)) {
            print_scalar(NULL, e, depth + 1, out);
            fputc('\n', out);
        } else {
            print_value(e, depth + 1, true, out);
        }
    }
}

/* inside: the first line has its indent already. */
static void print_object(const json_t *v, int depth, bool inside, FILE *out)
{
    const char *key;
    const json_t *e;
    /* jansson iterates without changing it. */
    json_object_foreach((json_t *)(uintptr_t)v, key, e)
    {
        if (json_is_null(e) ||
            (!is_scalar(e) && !json_array_size(e) && !json_object_size(e)))
            continue;
        fprintf(out, "%*s%s:", inside ? 0 : depth * STEP, "", key);
        inside = false;
        if (is_scalar(e)) {
            fputc(' ', out);
            print_scalar(key, e, depth + 1, out);
        } else if (json_is_array(e) && on_one_line(e)) {
            size_t i;
            const json_t *word;
            json_array_foreach(e, i, word)
            {
                fputc(' ', out);
                print_scalar(NULL, word, depth + 1, out);
            }
        } else {
            fputc('\n', out);
            print_value(e, depth + 1, false, out);
            continue;
        }
        fputc('\n', out);
    }
}

static void print_value(const json_t *v, int depth, bool inside, FILE *out)
{
    if (depth > MAX_DEPTH) return;
    if (json_is_object(v))
        print_object(v, depth, inside, out);
    else
        print_list(v, depth, inside, out);
}

void peri_plan_print(const json_t *value, FILE *out)
{
    if (json_is_object(value) || json_is_array(value)) print_value(value, 0, false, out);
}
