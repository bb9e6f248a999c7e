/* kernels.c - see kernels.h. */
#include "cli/kernels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/launch_place.h"
#include "cli/spawn.h"
#include "core/base/util.h"

#define MAX_ANSWER (16u << 20)
#define TIME_LIMIT 30.0

json_t *peri_kernels_load(peri_err_t *err)
{
    json_error_t je;
    json_t *all = NULL;
    peri_buf_t out;
    char *task = peri_launchplace_of_task(err);
    if (!task) return NULL;
    peri_buf_init(&out, MAX_ANSWER);
    const char *const argv[] = {task, "--kernels", NULL};
    int rc = peri_spawn(argv, TIME_LIMIT, &out, err);
    if (rc == 0) all = json_loadb(out.data ? out.data : "", out.len, 0, &je);
    if (rc > 0 || (rc == 0 && !json_is_object(all))) {
        peri_err_set(err, PERI_EINTERNAL, "%s does not tell of its kernels: %.300s", task,
                     out.data ? out.data : "it prints nothing");
        json_decref(all);
        all = NULL;
    }
    peri_buf_free(&out);
    free(task);
    return all;
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static const json_t *by_name(const json_t *list, const char *name)
{
    size_t i;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        if (strcasecmp(text(o, "name"), name) == 0) return o;
    }
    return NULL;
}

const json_t *peri_kernels_find(const json_t *all, const char *name, peri_err_t *err)
{
    const json_t *list = json_object_get(all, "kernels");
    const json_t *found = by_name(list, name);
    if (found) return found;
    const char *names[256];
    size_t i, n = 0;
    json_t *o;
    json_array_foreach(list, i, o)
    {
        if (n < 256) names[n++] = text(o, "name");
    }
    const char *near = peri_did_you_mean(name, names, n);
    peri_err_set(err, PERI_EKERNEL,
                 "there is no kernel \"%s\"%s%s%s (perigee kernels lists "
                 "them)",
                 name, near ? ": did you mean \"" : "", near ? near : "",
                 near ? "\"?" : "");
    return NULL;
}

bool peri_kernels_is_input(const json_t *kernel, const char *name)
{
    return by_name(json_object_get(kernel, "inputs"), name) != NULL;
}

const json_t *peri_kernels_param(const json_t *all, const json_t *kernel,
                                 const char *name)
{
    const json_t *p = by_name(json_object_get(kernel, "params"), name);
    return p ? p : by_name(json_object_get(all, "standard"), name);
}

/* ---- help ---- */

/* Words of a text, filled to a width, behind an indent. */
static void fill(FILE *f, const char *s, int indent, int width)
{
    int at = 0;
    while (*s) {
        if (*s == '\n') { /* paragraphs and lists of the author stay */
            fputs("\n", f);
            at = 0;
            s++;
            continue;
        }
        const int n = (int)strcspn(s, " \n");
        if (at && at + 1 + n > width - indent) {
            fputs("\n", f);
            at = 0;
        }
        if (!at) fprintf(f, "%*s", indent, "");
        if (at) fputc(' ', f);
        fprintf(f, "%.*s", n, s);
        at += n + (at != 0);
        s += n;
        while (*s == ' ') s++;
    }
    fputs("\n", f);
}

/* "number above 0, at most 10; default 0.2". */
static void describe_values(const json_t *p, char *out, size_t cap)
{
    const char *type = text(p, "type"), *choices = text(p, "choices");
    const json_t *min = json_object_get(p, "min"), *max = json_object_get(p, "max");
    const json_t *above = json_object_get(p, "above");
    const char *words = strcmp(type, "float") == 0    ? "number"
                        : strcmp(type, "int") == 0    ? "whole number"
                        : strcmp(type, "floats") == 0 ? "numbers"
                        : strcmp(type, "bool") == 0   ? "true or false"
                        : strcmp(type, "output") == 0 ? "file to write"
                                                      : "text";
    size_t n = (size_t)snprintf(out, cap, "%s", *choices ? choices : words);
    if (above && n < cap)
        n += (size_t)snprintf(out + n, cap - n, " above %g", json_number_value(above));
    if (min && max && n < cap)
        n += (size_t)snprintf(out + n, cap - n, " from %g to %g", json_number_value(min),
                              json_number_value(max));
    else if (min && n < cap)
        n += (size_t)snprintf(out + n, cap - n, " from %g", json_number_value(min));
    else if (max && n < cap)
        n += (size_t)snprintf(out + n, cap - n, ", at most %g", json_number_value(max));
    if (*text(p, "unit") && n < cap)
        n += (size_t)snprintf(out + n, cap - n, ", in %s", text(p, "unit"));
    if (json_is_true(json_object_get(p, "required")) && n < cap)
        n += (size_t)snprintf(out + n, cap - n, "; must be given");
    if (json_object_get(p, "default") && n < cap)
        snprintf(out + n, cap - n, "; default %s", text(p, "default"));
}

static void print_params(FILE *f, const json_t *list, bool brief)
{
    size_t i;
    json_t *p;
    json_array_foreach(list, i, p)
    {
        char values[256];
        describe_values(p, values, sizeof(values));
        fprintf(f, "  --%-16s %s\n", text(p, "name"), brief ? text(p, "help") : values);
        if (!brief) fill(f, text(p, "help"), 21, 90);
    }
}

static void put_type(FILE *f, const json_t *c)
{
    const int width = (int)json_integer_value(json_object_get(c, "width"));
    fputs(text(c, "type"), f);
    if (width > 1) fprintf(f, "[%d]", width);
}

/* "position, mass" */
static void put_words(FILE *f, const json_t *list)
{
    size_t i;
    json_t *w;
    json_array_foreach(list, i, w)
    {
        const char *s = json_is_string(w) ? json_string_value(w) : text(w, "name");
        fprintf(f, "%s%s", i ? ", " : "", s);
    }
}

/* What an input must have. */
static void put_needs(FILE *f, const json_t *input)
{
    if (json_is_true(json_object_get(input, "path")))
        fputs("names of files", f);
    else
        put_words(f, json_object_get(input, json_object_get(input, "columns")
                                                ? "columns"
                                                : "particles"));
}

static void print_inputs(FILE *f, const json_t *kernel)
{
    size_t i;
    json_t *in;
    json_array_foreach(json_object_get(kernel, "inputs"), i, in)
    {
        const bool optional = json_is_true(json_object_get(in, "optional"));
        fprintf(f, "  %s%-16s ", i ? "--" : "", text(in, "name"));
        if (!i) fputs("  ", f);
        put_needs(f, in);
        fprintf(f, "%s\n", optional ? "; may be left out" : "");
        fill(f, text(in, "help"), 21, 90);
    }
}

void peri_kernel_print(FILE *f, const json_t *all, const json_t *kernel)
{
    const json_t *inputs = json_object_get(kernel, "inputs");
    fprintf(f, "%s - %s\n\nUsage: perigee run %s %s [--PARAMETER VALUE...] [OPTION...]\n",
            text(kernel, "name"), text(kernel, "summary"), text(kernel, "name"),
            text(json_array_get(inputs, 0), "name"));
    fprintf(f, "       SELECT * FROM %s('dataset.table', parameter => value, ...)\n\n",
            text(kernel, "name"));
    fill(f, text(kernel, "help"), 0, 90);
    fputs("\nInputs: a table (dataset.table), files ('snap.*.hdf5:/PartType1') or a "
          "SELECT\n",
          f);
    print_inputs(f, kernel);
    fputs("\nParameters\n", f);
    print_params(f, json_object_get(kernel, "params"), false);
    fputs("\nParameters of all kernels\n", f);
    print_params(f, json_object_get(all, "standard"), true);
    fputs("\nRows\n", f);
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(kernel, "columns"), i, c)
    {
        fprintf(f, "  %-18s ", text(c, "name"));
        put_type(f, c);
        if (*text(c, "unit")) fprintf(f, ", in %s", text(c, "unit"));
        fputs("\n", f);
        fill(f, text(c, "help"), 21, 90);
    }
    fputs("\nOptions are those of perigee query: -n RANKS, --into FILE, --explain, ...\n",
          f);
    if (*text(kernel, "example"))
        fprintf(f, "\nExample:\n  perigee run %s\n", text(kernel, "example"));
    if (*text(kernel, "file")) fprintf(f, "\nFrom %s\n", text(kernel, "file"));
}

/* ---- pages ---- */

/* In a cell of a table. */
static void put_cell(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '|') fputc('\\', f);
        fputc(*s == '\n' ? ' ' : *s, f);
    }
}

static void params_markdown(FILE *f, const json_t *list)
{
    size_t i;
    json_t *p;
    if (!json_array_size(list)) return;
    fputs("\n| parameter | values | meaning |\n| --- | --- | --- |\n", f);
    json_array_foreach(list, i, p)
    {
        char values[256];
        describe_values(p, values, sizeof(values));
        fprintf(f, "| `%s` | ", text(p, "name"));
        put_cell(f, values);
        fputs(" | ", f);
        put_cell(f, text(p, "help"));
        fputs(" |\n", f);
    }
}

void peri_kernel_print_markdown(FILE *f, const json_t *kernel)
{
    size_t i;
    json_t *o;
    fprintf(f, "\n## %s\n\n", text(kernel, "name"));
    fprintf(f, "*%s*\n\n", text(kernel, "summary"));
    fill(f, text(kernel, "help"), 0, 100);
    fputs("\n| input | has | meaning |\n| --- | --- | --- |\n", f);
    json_array_foreach(json_object_get(kernel, "inputs"), i, o)
    {
        fprintf(f, "| `%s`%s | ", text(o, "name"),
                json_is_true(json_object_get(o, "optional")) ? " (optional)" : "");
        put_needs(f, o);
        fputs(" | ", f);
        put_cell(f, text(o, "help"));
        fputs(" |\n", f);
    }
    params_markdown(f, json_object_get(kernel, "params"));
    fputs("\n| column | type | unit | meaning |\n| --- | --- | --- | --- |\n", f);
    json_array_foreach(json_object_get(kernel, "columns"), i, o)
    {
        fprintf(f, "| `%s` | ", text(o, "name"));
        put_type(f, o);
        fprintf(f, " | %s | ", text(o, "unit"));
        put_cell(f, text(o, "help"));
        fputs(" |\n", f);
    }
    if (*text(kernel, "example"))
        fprintf(f, "\n```sh\nperigee run %s\n```\n", text(kernel, "example"));
}

void peri_kernels_print_standard_markdown(FILE *f, const json_t *all)
{
    fputs("\n## Parameters of all kernels\n", f);
    params_markdown(f, json_object_get(all, "standard"));
}
