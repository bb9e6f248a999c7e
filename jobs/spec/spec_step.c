/* spec_step.c - the keys that steps of all kinds have; see spec_step.h. */
#include "jobs/spec/spec_step.h"

#include <ctype.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"

#define WARN_SECONDS 120 /* when "before" is not said */

/* ---- name, kind, keys ---- */

static int read_name(const json_t *o, const peri_at_t *at, peri_step_t *step,
                     peri_err_t *err)
{
    char shown[64];
    const char *s = json_string_value(json_object_get(o, "name"));
    if (!json_object_get(o, "name"))
        return peri_key_error(at, "name", err,
                              "is missing: each of several steps has one");
    const peri_at_t here = {.up = at, .key = "name"};
    if (!s) return peri_type_check(json_object_get(o, "name"), PERI_J_TEXT, &here, err);
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (s[n] || n == 0 || n > PERI_STEP_NAME_MAX || !islower((unsigned char)*s))
        return peri_at_error(&here, err,
                             "\"%s\" is not possible: a step's name has at most %d small "
                             "letters, digits, _ and -, and begins with a letter",
                             peri_shown(s, shown), PERI_STEP_NAME_MAX);
    step->name = s;
    return 0;
}

static const char *list_kinds(char *out, size_t size)
{
    *out = '\0';
    for (size_t i = 0; i < peri_nkinds; i++) {
        size_t n = strlen(out);
        snprintf(out + n, size - n, "%s%s", n ? ", " : "", peri_kinds[i]->name);
    }
    return out;
}

static int read_kind(const json_t *o, const peri_at_t *at, peri_step_t *step,
                     peri_err_t *err)
{
    const json_t *v = json_object_get(o, "kind");
    const peri_at_t here = {.up = at, .key = "kind"};
    char list[128], shown[64];
    list_kinds(list, sizeof(list));
    if (!v) return peri_at_error(&here, err, "is missing: one of %s", list);
    if (peri_type_check(v, PERI_J_TEXT, &here, err)) return -1;
    const char *name = json_string_value(v), *names[16];
    for (size_t i = 0; i < peri_nkinds; i++) {
        names[i] = peri_kinds[i]->name;
        if (strcmp(name, names[i])) continue;
        step->kind = peri_kinds[i];
        step->kind_name = names[i];
        return 0;
    }
    const char *near = peri_did_you_mean(name, names, peri_nkinds);
    return peri_at_error(&here, err, "there is no kind \"%s\"%s%s%s: choose one of %s",
                         peri_shown(name, shown), near ? "; did you mean \"" : "",
                         near ? near : "", near ? "\"" : "", list);
}

/* Keys that are right, but not here: said so instead of "no such key". */
static int check_misplaced(const json_t *o, const peri_at_t *at, const peri_step_t *step,
                           bool short_form, peri_err_t *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        if (peri_keys_has(&step->kind->keys, key) || !strcmp(key, "name")) continue;
        if (peri_keys_has(&peri_keys_resources, key))
            return peri_key_error(at, key, err, "belongs into \"resources\"");
        if (!short_form && peri_keys_has(&peri_keys_job, key))
            return peri_key_error(at, key, err,
                                  "belongs to the job: write it beside \"steps\"");
        for (size_t i = 0; i < peri_nkinds; i++)
            if (peri_keys_has(&peri_kinds[i]->keys, key))
                return peri_key_error(at, key, err, "belongs to %s, not to %s",
                                      peri_kinds[i]->keys.what, step->kind->keys.what);
    }
    return 0;
}

static int check_keys(const json_t *o, const peri_at_t *at, const peri_step_t *step,
                      bool short_form, peri_err_t *err)
{
    const peri_keys_t *const keys[] = {short_form ? &peri_keys_job : &peri_keys_stepname,
                                       &peri_keys_step, &step->kind->keys};
    if (check_misplaced(o, at, step, short_form, err)) return -1;
    return peri_keys_check(o, at, keys, 3, err);
}

/* ---- resources, warn ---- */

static int read_counts(const json_t *o, const peri_at_t *at, peri_resources_t *r,
                       peri_err_t *err)
{
    int64_t nodes = 1, ranks = 0, threads = 1;
    if (peri_get_int(o, "nodes", at, 1, PERI_RANKS_MAX, &nodes, err) ||
        peri_get_int(o, "ranks", at, 1, PERI_RANKS_MAX, &ranks, err) ||
        peri_get_int(o, "threads", at, 1, PERI_THREADS_MAX, &threads, err))
        return -1;
    if (ranks && ranks < nodes)
        return peri_key_error(at, "ranks", err,
                              "%lld ranks cannot be on %lld nodes: each node has one at "
                              "least",
                              (long long)ranks, (long long)nodes);
    r->nodes = (uint32_t)nodes;
    r->ranks = (uint32_t)(ranks ? ranks : nodes);
    r->cpus = (uint32_t)threads;
    return 0;
}

static int read_resources(const json_t *step, const peri_at_t *up, peri_resources_t *r,
                          peri_err_t *err)
{
    const json_t *o = json_object_get(step, "resources");
    const peri_at_t at = {.up = up, .key = "resources"};
    const peri_keys_t *const keys[] = {&peri_keys_resources};
    *r = (peri_resources_t){.nodes = 1, .ranks = 1, .cpus = 1};
    if (!o) return 0;
    if (peri_keys_check(o, &at, keys, 1, err) || read_counts(o, &at, r, err) ||
        peri_get_memory(o, "memory", &at, &r->memory, err) ||
        peri_get_time(o, "time", &at, &r->time_limit, err) ||
        peri_get_text(o, "partition", &at, PERI_LABEL_MAX, &r->partition, err) ||
        peri_get_text(o, "account", &at, PERI_LABEL_MAX, &r->account, err) ||
        peri_get_text(o, "constraint", &at, PERI_LABEL_MAX, &r->constraint, err))
        return -1;
    return 0;
}

static int unknown_signal(const char *name, const peri_at_t *at, peri_err_t *err)
{
    char list[128] = "", shown[64];
    for (size_t i = 0; i < peri_nsignal_names; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", peri_signal_names[i]);
    }
    const char *near = peri_did_you_mean(name, peri_signal_names, peri_nsignal_names);
    return peri_key_error(at, "signal", err,
                          "there is no signal \"%s\"%s%s%s: choose one of %s",
                          peri_shown(name, shown), near ? "; did you mean \"" : "",
                          near ? near : "", near ? "\"" : "", list);
}

static int read_warn(const json_t *step, const peri_at_t *up, peri_resources_t *r,
                     peri_err_t *err)
{
    const json_t *o = json_object_get(step, "warn");
    const peri_at_t at = {.up = up, .key = "warn"};
    const peri_keys_t *const keys[] = {&peri_keys_warn};
    if (!o) return 0;
    if (peri_keys_check(o, &at, keys, 1, err)) return -1;
    const char *name = json_string_value(json_object_get(o, "signal"));
    r->warn_signal = (uint32_t)(name ? peri_signal_number(name) : SIGUSR1);
    if (!r->warn_signal) return unknown_signal(name, &at, err);
    r->warn_seconds = WARN_SECONDS;
    if (peri_get_time(o, "before", &at, &r->warn_seconds, err)) return -1;
    if (r->time_limit && r->warn_seconds >= r->time_limit)
        return peri_key_error(&at, "before", err,
                              "%u seconds before the end is not within a time limit of "
                              "%u seconds",
                              r->warn_seconds, r->time_limit);
    return 0;
}

/* ---- environment, folder, data ---- */

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static int read_env(peri_stepread_t *in, const json_t *o, const peri_at_t *up,
                    peri_step_t *step, peri_err_t *err)
{
    const json_t *env = json_object_get(o, "env");
    const peri_at_t at = {.up = up, .key = "env"};
    const size_t n = json_object_size(env);
    if (n == 0) return 0;
    if (n > PERI_ENV_MAX)
        return peri_at_error(&at, err, "are %zu variables; at most %d are possible", n,
                             PERI_ENV_MAX);
    peri_env_t *out = peri_arena_calloc(in->arena, n, sizeof(*out));
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)env, key, v)
    {
        const peri_at_t here = {.up = &at, .key = key};
        if (!peri_is_ident(key, PERI_LABEL_MAX))
            return peri_at_error(&here, err,
                                 "is not the name of a variable: letters, digits and _, "
                                 "no digit first");
        if (strcmp(key, "PERIGEE_KERNELS") != 0 &&
            (starts(key, "PERIGEE_") || starts(key, "SLURM_")))
            return peri_at_error(&here, err,
                                 "is reserved: names that begin with PERIGEE_ or SLURM_ "
                                 "are set by Perigee and by Slurm");
        if (peri_type_check(v, PERI_J_TEXT, &here, err)) return -1;
        if (strlen(json_string_value(v)) + strlen(key) + 1 > PERI_WORD_MAX)
            return peri_at_error(&here, err, "is too long: at most %d bytes are possible",
                                 PERI_WORD_MAX);
        out[step->nenv++] = (peri_env_t){key, json_string_value(v)};
    }
    step->env = out;
    return 0;
}

static int read_dir(peri_stepread_t *in, json_t *o, const peri_at_t *at,
                    peri_step_t *step, peri_err_t *err)
{
    const char *dir = NULL;
    if (peri_get_text(o, "dir", at, PATH_MAX - 1, &dir, err)) return -1;
    if (dir && *dir != '/' && !in->dir)
        return peri_key_error(
            at, "dir", err,
            "is relative, but it is not known to which folder: write an "
            "absolute path");
    if (dir && *dir == '/')
        step->dir = peri_arena_strdup(in->arena, dir);
    else if (dir)
        step->dir = peri_arena_printf(in->arena, "%s/%s", in->dir, dir);
    else
        step->dir = peri_arena_strdup(in->arena, in->dir);
    if (!step->dir) return 0;
    const peri_at_t here = {.up = at, .key = "dir"};
    if (peri_text_check(step->dir, &here, PATH_MAX - 1, err)) return -1;
    if (json_object_set_new(o, "dir", json_string(step->dir)))
        return peri_at_error(&here, err, "is not valid UTF-8");
    return 0;
}

/* "dataset" or "dataset.table" */
static bool is_data(const char *s)
{
    char head[PERI_NAME_MAX + 2];
    const char *dot = strchr(s, '.');
    if (!dot) return peri_is_ident(s, PERI_NAME_MAX);
    if ((size_t)(dot - s) > PERI_NAME_MAX) return false;
    snprintf(head, sizeof(head), "%.*s", (int)(dot - s), s);
    return peri_is_ident(head, PERI_NAME_MAX) && peri_is_ident(dot + 1, PERI_NAME_MAX);
}

static int check_data(const json_t *o, const peri_at_t *up, peri_err_t *err)
{
    const json_t *list = json_object_get(o, "data"), *v;
    const peri_at_t at = {.up = up, .key = "data"};
    char shown[64];
    size_t i;
    if (json_array_size(list) > PERI_STEPS_MAX)
        return peri_at_error(&at, err, "has %zu items; at most %d are possible",
                             json_array_size(list), PERI_STEPS_MAX);
    json_array_foreach(list, i, v)
    {
        const peri_at_t here = {.up = &at, .index = i};
        if (peri_type_check(v, PERI_J_TEXT, &here, err)) return -1;
        if (!is_data(json_string_value(v)))
            return peri_at_error(&here, err,
                                 "\"%s\" is not the name of a dataset or of a table of "
                                 "it, such as tng or tng.subhalos",
                                 peri_shown(json_string_value(v), shown));
    }
    return 0;
}

/* ---- the step ---- */

int peri_step_read(peri_stepread_t *in, json_t *o, const peri_at_t *at, peri_step_t *step,
                   peri_err_t *err)
{
    if (peri_type_check(o, PERI_J_OBJECT, at, err)) return -1;
    memset(step, 0, sizeof(*step));
    step->at = peri_at_text(at, in->arena);
    step->json = o;
    step->name = "main";
    if (!in->short_form && read_name(o, at, step, err)) return -1;
    if (read_kind(o, at, step, err) || check_keys(o, at, step, in->short_form, err) ||
        read_resources(o, at, &step->resources, err) ||
        read_warn(o, at, &step->resources, err) || read_env(in, o, at, step, err) ||
        read_dir(in, o, at, step, err) || check_data(o, at, err))
        return -1;
    const peri_at_t array = {.up = at, .key = "array"};
    const peri_at_t after = {.up = at, .key = "after"};
    step->restartable = json_is_true(json_object_get(o, "restartable"));
    if (peri_array_read(json_object_get(o, "array"), &array, in->arena, &in->budget, step,
                        err) ||
        peri_after_read(json_object_get(o, "after"), &after, in->short_form, in->arena,
                        step, err))
        return -1;
    return step->kind->check(step, at, err);
}
