/* spec_after.c - what a step waits for: other steps of its job, other jobs. Unknown names
 * and circles are refused; steps are put into an order in which each comes after what it
 * needs, and otherwise as they were written.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

/* ---- reading ---- */

/* A job's number, its uuid, or a start of that. */
static bool is_job(const char *s)
{
    size_t n = strlen(s), digits = strspn(s, "0123456789");
    if (digits == n) return n >= 1 && n <= 18 && s[0] != '0';
    return n >= 8 && n <= 36 && strspn(s, "0123456789abcdef-") == n;
}

static int read_job(const char *job, const peri_at_t *at, peri_specdep_t *d,
                    peri_err_t *err)
{
    char shown[64];
    if (!is_job(job))
        return peri_at_error(
            at, err,
            "\"%s\" is not a job: write its number or its uuid (at least "
            "8 characters of it)",
            peri_shown(job, shown));
    d->job = job;
    return 0;
}

static int read_when(const json_t *object, const peri_at_t *at, peri_specdep_t *d,
                     peri_err_t *err)
{
    const char *when = json_string_value(json_object_get(object, "when"));
    char shown[64];
    if (!when || !strcmp(when, "success")) return 0;
    if (strcmp(when, "end"))
        return peri_key_error(at, "when", err,
                              "\"%s\" is not possible: \"success\" waits for success, "
                              "\"end\" for any end",
                              peri_shown(when, shown));
    d->even_failed = true;
    return 0;
}

static int read_object(const json_t *o, const peri_at_t *at, bool short_form,
                       peri_arena_t *arena, peri_specdep_t *d, peri_err_t *err)
{
    const peri_keys_t *const keys[] = {&peri_keys_after};
    if (peri_keys_check(o, at, keys, 1, err)) return -1;
    const json_t *step = json_object_get(o, "step"), *job = json_object_get(o, "job");
    if (!step == !job)
        return peri_at_error(at, err, "needs one of \"step\" and \"job\"%s",
                             step ? ", not both" : "");
    if (read_when(o, at, d, err)) return -1;
    if (step && short_form)
        return peri_key_error(at, "step", err,
                              "this job has no other steps: write \"job\" to wait for "
                              "another job");
    if (step) {
        d->step = json_string_value(step);
        return 0;
    }
    const peri_at_t here = {.up = at, .key = "job"};
    const char *text =
        json_is_integer(job)
            ? peri_arena_printf(arena, "%lld", (long long)json_integer_value(job))
            : json_string_value(job);
    return read_job(text, &here, d, err);
}

static bool same(const peri_specdep_t *a, const peri_specdep_t *b)
{
    if (a->step && b->step) return !strcmp(a->step, b->step);
    return a->job && b->job && !strcmp(a->job, b->job);
}

static int read_one(const json_t *v, const peri_at_t *at, bool short_form,
                    peri_arena_t *arena, peri_specdep_t *d, peri_err_t *err)
{
    if (peri_type_check(v, PERI_J_TEXT | PERI_J_OBJECT, at, err)) return -1;
    if (json_is_object(v)) return read_object(v, at, short_form, arena, d, err);
    if (short_form) return read_job(json_string_value(v), at, d, err);
    d->step = json_string_value(v);
    return 0;
}

int peri_after_read(const json_t *after, const peri_at_t *at, bool short_form,
                    peri_arena_t *arena, peri_step_t *step, peri_err_t *err)
{
    size_t n = json_array_size(after), i;
    const json_t *v;
    if (n > PERI_STEPS_MAX)
        return peri_at_error(at, err, "has %zu items; at most %d are possible", n,
                             PERI_STEPS_MAX);
    peri_specdep_t *deps = peri_arena_calloc(arena, n, sizeof(*deps));
    json_array_foreach(after, i, v)
    {
        const peri_at_t here = {.up = at, .index = i};
        if (read_one(v, &here, short_form, arena, &deps[i], err)) return -1;
        for (size_t j = 0; j < i; j++)
            if (same(&deps[i], &deps[j]))
                return peri_at_error(&here, err, "is the same as /%zu", j);
    }
    step->after = deps;
    step->nafter = n;
    return 0;
}

/* ---- the graph ---- */

static size_t find_step(const peri_step_t *steps, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(steps[i].name, name)) i++;
    return i;
}

static int check_names(const peri_step_t *steps, size_t n, const peri_at_t *places,
                       peri_err_t *err)
{
    const char *names[PERI_STEPS_MAX];
    for (size_t i = 0; i < n; i++) names[i] = steps[i].name;
    for (size_t i = 0; i < n; i++) {
        const peri_at_t list = {.up = &places[i], .key = "after"};
        for (size_t j = 0; j < steps[i].nafter; j++) {
            const peri_at_t here = {.up = &list, .index = j};
            const char *what = steps[i].after[j].step;
            char shown[64];
            if (!what) continue;
            size_t found = find_step(steps, n, what);
            if (found == i)
                return peri_at_error(&here, err, "the step \"%s\" waits for itself",
                                     what);
            if (found < n) continue;
            const char *near = peri_did_you_mean(what, names, n);
            return peri_at_error(&here, err,
                                 "there is no step \"%s\" in this job%s%s%s; another job "
                                 "is {\"job\": ...}",
                                 peri_shown(what, shown), near ? "; did you mean \"" : "",
                                 near ? near : "", near ? "\"?" : "");
        }
    }
    return 0;
}

/* A step that it waits for and that is not done yet; n if there is none. */
static size_t next_needed(const peri_step_t *steps, size_t n, const bool *done, size_t i)
{
    for (size_t j = 0; j < steps[i].nafter; j++) {
        const char *what = steps[i].after[j].step;
        size_t k = what ? find_step(steps, n, what) : n;
        if (k < n && !done[k]) return k;
    }
    return n;
}

/* Every step that is left waits for another one that is left: follow them until one comes
 * again. */
static int circle(const peri_step_t *steps, size_t n, const bool *done,
                  const peri_at_t *places, peri_err_t *err)
{
    char text[700];
    bool seen[PERI_STEPS_MAX] = {false};
    size_t i = 0;
    while (done[i]) i++;
    for (; !seen[i]; i = next_needed(steps, n, done, i)) seen[i] = true;
    snprintf(text, sizeof(text), "%s", steps[i].name);
    size_t k = i;
    do {
        k = next_needed(steps, n, done, k);
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, " after %s", steps[k].name);
    } while (k != i);
    return peri_key_error(&places[i], "after", err,
                          "the steps wait for each other in a circle: %s", text);
}

int peri_graph_sort(peri_step_t *steps, size_t n, const peri_at_t *places,
                    peri_arena_t *arena, peri_err_t *err)
{
    bool done[PERI_STEPS_MAX] = {false};
    if (check_names(steps, n, places, err)) return -1;
    peri_step_t *sorted = peri_arena_calloc(arena, n, sizeof(*sorted));
    for (size_t at = 0; at < n; at++) {
        size_t i = 0;
        while (i < n && (done[i] || next_needed(steps, n, done, i) < n)) i++;
        if (i == n) return circle(steps, n, done, places, err);
        done[i] = true;
        sorted[at] = steps[i];
    }
    memcpy(steps, sorted, n * sizeof(*steps));
    return 0;
}
