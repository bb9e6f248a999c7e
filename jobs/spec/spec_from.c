/* spec_from.c - a spec from the options of `perigee submit`.
 *
 * It is written as JSON and read again by the parser, so that the command line can ask
 * for nothing that a spec cannot, and errors are the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

typedef struct {
    json_t *o;
    peri_err_t *err;
    bool failed;
} out_t;

static void put_text(out_t *b, json_t *o, const char *key, const char *s)
{
    if (!s || b->failed) return;
    if (json_object_set_new(o, key, json_string(s)) == 0) return;
    peri_err_set(b->err, PERI_EINVAL, "\"%s\" is not valid UTF-8", key);
    b->failed = true;
}

static void put_count(json_t *o, const char *key, int64_t n)
{
    if (n) json_object_set_new(o, key, json_integer(n));
}

/* An object of its own, if there is something in it. */
static void put_object(json_t *o, const char *key, json_t *v)
{
    if (json_object_size(v))
        json_object_set_new(o, key, v);
    else
        json_decref(v);
}

static void put_resources(out_t *b, const peri_specopts_t *o)
{
    json_t *r = json_object();
    put_count(r, "nodes", o->nodes);
    put_count(r, "ranks", o->ranks);
    put_count(r, "threads", o->cpus);
    put_text(b, r, "memory", o->memory);
    put_text(b, r, "time", o->time);
    put_text(b, r, "partition", o->partition);
    put_text(b, r, "account", o->account);
    put_text(b, r, "constraint", o->constraint);
    put_object(b->o, "resources", r);
}

/* SIGNAL@TIME, TIME or SIGNAL */
static void put_warn(out_t *b, const char *warn)
{
    if (!warn) return;
    json_t *w = json_object();
    const char *at = strchr(warn, '@');
    char name[32];
    snprintf(name, sizeof(name), "%.*s", at ? (int)(at - warn) : 31, warn);
    const bool time_only = !at && *warn >= '0' && *warn <= '9';
    if (!time_only) put_text(b, w, "signal", name);
    if (at || time_only) put_text(b, w, "before", at ? at + 1 : warn);
    put_object(b->o, "warn", w);
}

/* NAME=VALUE: the value, and the name in `name`. */
static const char *split(out_t *b, const char *option, const char *text, const char *form,
                         char *name, size_t cap)
{
    const char *eq = strchr(text, '=');
    char shown[64];
    if (eq && eq > text && (size_t)(eq - text) < cap) {
        snprintf(name, cap, "%.*s", (int)(eq - text), text);
        return eq + 1;
    }
    if (!b->failed)
        peri_err_set(b->err, PERI_EINVAL, "%s \"%s\" is not possible: write %s", option,
                     peri_shown(text, shown), form);
    b->failed = true;
    return NULL;
}

static void twice(out_t *b, const char *option, const char *name)
{
    if (!b->failed)
        peri_err_set(b->err, PERI_EINVAL, "%s %s= is given twice", option, name);
    b->failed = true;
}

static void put_env(out_t *b, const peri_specopts_t *o)
{
    json_t *env = json_object();
    char name[PERI_LABEL_MAX + 1];
    for (size_t i = 0; i < o->nenv && !b->failed; i++) {
        const char *v = split(b, "--env", o->env[i], "NAME=VALUE", name, sizeof(name));
        if (v && json_object_get(env, name)) twice(b, "--env", name);
        put_text(b, env, name, v);
    }
    put_object(b->o, "env", env);
}

static void put_after(out_t *b, const peri_specopts_t *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < o->nafter; i++) {
        const char *colon = strchr(o->after[i], ':');
        char job[64];
        json_t *d = json_object();
        snprintf(job, sizeof(job), "%.*s", colon ? (int)(colon - o->after[i]) : 63,
                 o->after[i]);
        put_text(b, d, "job", job);
        if (colon) put_text(b, d, "when", colon + 1);
        json_array_append_new(list, d);
    }
    if (o->nafter)
        json_object_set_new(b->o, "after", list);
    else
        json_decref(list);
}

/* NAME=V1,V2: texts as they were typed, so that 0.10 stays 0.10. */
static void put_values(out_t *b, json_t *params, const char *name, const char *values)
{
    json_t *list = json_array();
    for (const char *s = values;; s++) {
        size_t n = strcspn(s, ",");
        if (json_array_append_new(list, json_stringn(s, n)) && !b->failed) {
            peri_err_set(b->err, PERI_EINVAL, "--param %s is not valid UTF-8", name);
            b->failed = true;
        }
        s += n;
        if (!*s) break;
    }
    if (json_object_get(params, name)) twice(b, "--param", name);
    if (json_object_set_new(params, name, list) && !b->failed) {
        peri_err_set(b->err, PERI_EINVAL, "--param: a name is not valid UTF-8");
        b->failed = true;
    }
}

static void put_array(out_t *b, const peri_specopts_t *o)
{
    char name[PERI_LABEL_MAX + 1];
    if (o->array && o->nparams) {
        peri_err_set(b->err, PERI_EINVAL,
                     "--array and --param do not go together: each combination of the "
                     "parameters is a task");
        b->failed = true;
    }
    if (b->failed) return;
    if (o->array) {
        char *text = o->parallel && !strchr(o->array, '%')
                         ? peri_xasprintf("%s%%%d", o->array, o->parallel)
                         : peri_xstrdup(o->array);
        put_text(b, b->o, "array", text);
        free(text);
    }
    if (!o->nparams) return;
    json_t *array = json_object(), *params = json_object();
    for (size_t i = 0; i < o->nparams && !b->failed; i++) {
        const char *v =
            split(b, "--param", o->params[i], "NAME=VALUE,VALUE", name, sizeof(name));
        if (v) put_values(b, params, name, v);
    }
    json_object_set_new(array, "parameters", params);
    put_count(array, "parallel", o->parallel);
    json_object_set_new(b->o, "array", array);
}

static void put_common(out_t *b, const peri_specopts_t *o)
{
    put_text(b, b->o, "name", o->name);
    put_text(b, b->o, "scheduler", o->scheduler);
    put_count(b->o, "priority", o->priority);
    put_resources(b, o);
    put_warn(b, o->warn);
    put_env(b, o);
    put_text(b, b->o, "dir", o->dir);
    put_array(b, o);
    put_after(b, o);
    if (o->restartable) json_object_set_new(b->o, "restartable", json_true());
}

static void put_rows(out_t *b, const peri_specopts_t *o)
{
    put_text(b, b->o, "context", o->context);
    put_text(b, b->o, "into", o->into);
    put_text(b, b->o, "format", o->format);
    if (o->overwrite) json_object_set_new(b->o, "overwrite", json_true());
}

/* Checked by the parser; the daemon resolves relative folders. */
static int finish(out_t *b, peri_buf_t *out, peri_err_t *err)
{
    char *text = b->failed ? NULL : json_dumps(b->o, JSON_INDENT(2));
    peri_spec_t *s = NULL;
    int rc = -1;
    if (!text) {
        if (!b->failed) peri_err_set(err, PERI_EINTERNAL, "the spec cannot be written");
        goto out;
    }
    s = peri_spec_parse(text, strlen(text), "/", err);
    if (!s) goto out;
    if (peri_buf_puts(out, text) || peri_buf_putc(out, '\n')) {
        rc = peri_buf_check(out, "the job spec", err);
        goto out;
    }
    rc = 0;
out:
    peri_spec_free(s);
    free(text);
    json_decref(b->o);
    return rc;
}

/* Options that only other kinds have. rows: it is one that gives rows. */
static int refuse(const peri_specopts_t *o, bool rows, peri_err_t *err)
{
    const char *name = rows ? (o->mpi ? "mpi" : NULL)
                            : (o->context     ? "context"
                               : o->into      ? "into"
                               : o->format    ? "format"
                               : o->overwrite ? "overwrite"
                                              : NULL);
    if (!name && o->parallel && !o->array && !o->nparams)
        return peri_err_set(err, PERI_EINVAL, "--parallel needs --array or --param");
    if (!name) return 0;
    return peri_err_set(err, PERI_EINVAL, "--%s is for %s only", name,
                        rows ? "scripts and commands" : "SQL and kernels");
}

int peri_spec_from_sql(const char *sql, const peri_specopts_t *o, peri_buf_t *out,
                       peri_err_t *err)
{
    if (refuse(o, true, err)) return -1;
    out_t b = {.o = json_object(), .err = err};
    put_text(&b, b.o, "kind", "sql");
    put_text(&b, b.o, "sql", sql);
    put_rows(&b, o);
    put_common(&b, o);
    return finish(&b, out, err);
}

/* Values are texts as they were typed, so that 0.10 stays 0.10. */
static void put_arguments(out_t *b, const peri_kernelarg_t *args, size_t n)
{
    json_t *parameters = json_object();
    for (size_t i = 0; i < n && !b->failed; i++) {
        const char *name = args[i].name;
        if (json_object_get(parameters, name)) {
            peri_err_set(b->err, PERI_EINVAL, "--%s is given twice", name);
            b->failed = true;
        }
        if (args[i].is_bool)
            json_object_set_new(parameters, name,
                                json_boolean(!strcmp(args[i].value, "true")));
        else
            put_text(b, parameters, name, args[i].value);
    }
    put_object(b->o, "parameters", parameters);
}

int peri_spec_from_kernel(const char *kernel, const char *input,
                          const peri_kernelarg_t *args, size_t nargs,
                          const peri_specopts_t *o, peri_buf_t *out, peri_err_t *err)
{
    if (refuse(o, true, err)) return -1;
    out_t b = {.o = json_object(), .err = err};
    put_text(&b, b.o, "kind", "kernel");
    put_text(&b, b.o, "kernel", kernel);
    put_text(&b, b.o, "input", input);
    put_arguments(&b, args, nargs);
    put_rows(&b, o);
    put_common(&b, o);
    return finish(&b, out, err);
}

static void put_words(out_t *b, const char *key, const char *const *argv, size_t argc)
{
    json_t *list = json_array();
    for (size_t i = 0; i < argc && !b->failed; i++) {
        if (json_array_append_new(list, json_string(argv[i])) == 0) continue;
        peri_err_set(b->err, PERI_EINVAL, "word %zu of the command is not valid UTF-8",
                     i + 1);
        b->failed = true;
    }
    json_object_set_new(b->o, key, list);
}

int peri_spec_from_command(const char *const *argv, size_t argc, const char *script,
                           const peri_specopts_t *o, peri_buf_t *out, peri_err_t *err)
{
    if (refuse(o, false, err)) return -1;
    out_t b = {.o = json_object(), .err = err};
    put_text(&b, b.o, "kind", "script");
    put_text(&b, b.o, "script", script);
    if (!script || argc) put_words(&b, script ? "args" : "command", argv, argc);
    if (o->mpi) json_object_set_new(b.o, "mpi", json_true());
    put_common(&b, o);
    return finish(&b, out, err);
}
