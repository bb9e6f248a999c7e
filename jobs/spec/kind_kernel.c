/* kind_kernel.c - steps that run an analysis kernel: `perigee run` in the allocation.
 *
 * Which kernels there are and what they take is not known here: it is said when the step
 * runs (and by `perigee submit`). So names and types of parameters are checked for what
 * can be a parameter at all. Every value becomes a word of its own, --name=value.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

#define MOST_PARAMETERS 256
#define MOST_NUMBERS    4096 /* of one parameter */

static const peri_key_t keys[] = {{"kernel", PERI_J_TEXT},
                                  {"input", PERI_J_TEXT},
                                  {"parameters", PERI_J_OBJECT},
                                  PERI_ROWS_KEYS};

/* jansson iterates without changing it. */
static json_t *parameters_of(const peri_step_t *step)
{
    return json_object_get((json_t *)(uintptr_t)step->json, "parameters");
}

/* ---- what is wrong ---- */

static bool is_name(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return islower((unsigned char)*s) && !s[n] && n <= PERI_NAME_MAX;
}

static int check_kernel(const peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const char *kernel = peri_step_text(step, "kernel");
    char shown[64];
    if (!kernel)
        return peri_key_error(
            at, "kernel", err,
            "is missing: the name of one, as fof (perigee kernels lists "
            "them)");
    if (is_name(kernel)) return 0;
    return peri_key_error(at, "kernel", err,
                          "\"%s\" is not the name of a kernel: small letters, digits and "
                          "_, beginning with a letter",
                          peri_shown(kernel, shown));
}

static int check_input(const peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const char *input = peri_step_text(step, "input");
    const peri_at_t here = {.up = at, .key = "input"};
    if (!input)
        return peri_at_error(&here, err,
                             "is missing: a table (dataset.table), files "
                             "('snap.*.hdf5:/PartType1') or a SELECT");
    if (input[strspn(input, " \t\r\n;")] == '\0')
        return peri_at_error(&here, err, "is empty");
    return peri_template_check(input, step, true, PERI_WORD_MAX, &here, err);
}

static int check_numbers(const json_t *list, const peri_at_t *at, peri_err_t *err)
{
    size_t i;
    const json_t *v;
    if (json_array_size(list) == 0) return peri_at_error(at, err, "has no numbers");
    if (json_array_size(list) > MOST_NUMBERS)
        return peri_at_error(at, err, "has %zu numbers; at most %d are possible",
                             json_array_size(list), MOST_NUMBERS);
    json_array_foreach(list, i, v)
    {
        const peri_at_t here = {.up = at, .index = i};
        if (!json_is_number(v)) return peri_at_error(&here, err, "must be a number");
    }
    return 0;
}

static int check_parameter(const char *name, const json_t *v, const peri_step_t *step,
                           const peri_at_t *at, peri_err_t *err)
{
    if (!is_name(name))
        return peri_at_error(at, err,
                             "is not the name of a parameter: small letters, digits and "
                             "_, beginning with a letter");
    if (json_is_array(v)) return check_numbers(v, at, err);
    if (json_is_string(v))
        return peri_template_check(json_string_value(v), step, true,
                                   PERI_WORD_MAX - PERI_NAME_MAX - 3, at, err);
    if (json_is_number(v) || json_is_boolean(v)) return 0;
    return peri_at_error(
        at, err,
        "must be a number, a text in quotes, true or false, or a list of "
        "numbers");
}

static int check_parameters(const peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const peri_at_t here = {.up = at, .key = "parameters"};
    const char *name;
    json_t *v;
    if (json_object_size(parameters_of(step)) > MOST_PARAMETERS)
        return peri_at_error(&here, err, "are %zu; at most %d are possible",
                             json_object_size(parameters_of(step)), MOST_PARAMETERS);
    json_object_foreach(parameters_of(step), name, v)
    {
        const peri_at_t one = {.up = &here, .key = name};
        if (check_parameter(name, v, step, &one, err)) return -1;
    }
    return 0;
}

static int check(peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const uint32_t warned_by = step->resources.warn_signal;
    const peri_at_t warn = {.up = at, .key = "warn"};
    if (check_kernel(step, at, err) || check_input(step, at, err) ||
        check_parameters(step, at, err))
        return -1;
    if (warned_by && warned_by != SIGUSR1)
        return peri_key_error(&warn, "signal", err,
                              "must be USR1 for a kernel: at that it saves what it has");
    return peri_rows_check(step, at, err);
}

/* ---- what it becomes ---- */

static const char *title(const peri_step_t *step, peri_arena_t *arena)
{
    (void)arena;
    return peri_step_text(step, "kernel");
}

/* Any text may be a further input. */
static peri_words_t texts(const peri_step_t *step, peri_arena_t *arena)
{
    const size_t most = json_object_size(parameters_of(step)) + 1;
    peri_words_t w = {peri_arena_calloc(arena, most, sizeof(*w.v)), 0};
    const char *name;
    json_t *v;
    w.v[w.n++] = peri_step_text(step, "input");
    json_object_foreach(parameters_of(step), name, v)
    {
        if (json_is_string(v)) w.v[w.n++] = json_string_value(v);
    }
    return w;
}

static const char *numbers_text(const json_t *list, peri_arena_t *arena)
{
    peri_buf_t b;
    size_t i;
    const json_t *v;
    peri_buf_init(&b, PERI_WORD_MAX);
    json_array_foreach(list, i, v)
        peri_buf_printf(&b, "%s%s", i ? "," : "", peri_number_text(v, arena));
    const char *text = peri_arena_strdup(arena, b.data ? b.data : "");
    peri_buf_free(&b);
    return text;
}

static const char *value_text(const json_t *v, const peri_step_t *step,
                              peri_arena_t *arena)
{
    if (json_is_array(v)) return numbers_text(v, arena);
    if (json_is_number(v)) return peri_number_text(v, arena);
    if (json_is_boolean(v)) return json_is_true(v) ? "true" : "false";
    return peri_template_for_launch(json_string_value(v), step, arena);
}

static void words(const peri_step_t *step, const peri_kindplan_t *p, peri_arena_t *arena,
                  peri_launch_t *out)
{
    const size_t more = json_object_size(parameters_of(step)) + 2;
    peri_words_t w =
        peri_rows_words(step, p, "run", peri_step_text(step, "kernel"), more, arena);
    const char *name;
    json_t *v;
    w.v[w.n++] = "--";
    w.v[w.n++] = peri_template_for_launch(peri_step_text(step, "input"), step, arena);
    json_object_foreach(parameters_of(step), name, v)
    {
        w.v[w.n++] =
            peri_arena_printf(arena, "--%s=%s", name, value_text(v, step, arena));
    }
    out->argv = w.v;
    out->argc = w.n;
}

const peri_kind_t peri_kind_kernel = {
    .name = "kernel",
    .keys = {"a kernel step", keys, sizeof(keys) / sizeof(*keys)},
    .check = check,
    .title = title,
    .result = peri_rows_result,
    .data = peri_rows_data,
    .texts = texts,
    .spread = peri_rows_spread,
    .words = words};
