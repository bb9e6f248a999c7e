/* kind_script.c - steps that run a program of the user's: words of a command, or the text
 * of a script that travels with the job. With "mpi" it is started as ranks.
 *
 * No user's text goes through a shell here: words are words, and a script gets the
 * parameters of its array as environment variables.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

static const peri_key_t keys[] = {{"command", PERI_J_ARRAY},
                                  {"script", PERI_J_TEXT},
                                  {"args", PERI_J_ARRAY},
                                  {"mpi", PERI_J_BOOL}};

static int check_words(const peri_step_t *step, const char *key, const peri_at_t *at,
                       peri_err_t *err)
{
    const json_t *list = json_object_get(step->json, key), *v;
    const peri_at_t here = {.up = at, .key = key};
    size_t i;
    if (json_array_size(list) > PERI_WORDS_MAX)
        return peri_at_error(&here, err, "has %zu words; at most %d are possible",
                             json_array_size(list), PERI_WORDS_MAX);
    json_array_foreach(list, i, v)
    {
        const peri_at_t word = {.up = &here, .index = i};
        if (peri_type_check(v, PERI_J_TEXT, &word, err) ||
            peri_template_check(json_string_value(v), step, false, PERI_WORD_MAX, &word,
                                err))
            return -1;
    }
    return 0;
}

static int check_script(const char *script, const peri_at_t *at, peri_err_t *err)
{
    const peri_at_t here = {.up = at, .key = "script"};
    size_t line = strcspn(script, "\n");
    if (strncmp(script, "#!", 2) || strspn(script + 2, " \t") + 2 >= line)
        return peri_at_error(&here, err,
                             "must begin with #! and the program that runs it, as "
                             "#!/bin/bash");
    if (memchr(script, '\r', line))
        return peri_at_error(&here, err,
                             "has lines that end as on Windows (CR LF): the system would "
                             "not find the program of its first line");
    return 0;
}

static int check(peri_step_t *step, const peri_at_t *at, peri_err_t *err)
{
    const json_t *command = json_object_get(step->json, "command");
    const char *script = peri_step_text(step, "script");
    if (command && script)
        return peri_key_error(at, "script", err, "does not go together with \"command\"");
    if (!command && !script)
        return peri_key_error(at, "command", err,
                              "is missing: the words of a command, as [\"./prog\", "
                              "\"-v\"]; or \"script\", a text that begins with #!");
    if (command && json_object_get(step->json, "args"))
        return peri_key_error(at, "args", err,
                              "belongs to \"script\"; \"command\" has its own words");
    if (script) {
        if (check_script(script, at, err)) return -1;
        return check_words(step, "args", at, err);
    }
    const char *first = json_string_value(json_array_get(command, 0));
    if (json_array_size(command) == 0 || (first && !*first))
        return peri_key_error(at, "command", err, "names no program");
    return check_words(step, "command", at, err);
}

static const char *title(const peri_step_t *step, peri_arena_t *arena)
{
    const json_t *command = json_object_get(step->json, "command");
    const char *word = json_string_value(json_array_get(command, 0));
    if (!word) return "script";
    const char *slash = strrchr(word, '/');
    if (slash && slash[1]) word = slash + 1;
    const peri_at_t none = {0};
    if (peri_text_check(word, &none, PERI_JOB_NAME_MAX, NULL)) return "command";
    return peri_arena_strdup(arena, word);
}

static void words(const peri_step_t *step, const peri_kindplan_t *p, peri_arena_t *arena,
                  peri_launch_t *out)
{
    (void)p;
    const json_t *list = json_object_get(step->json, "command"), *v;
    size_t i;
    out->script = peri_step_text(step, "script");
    if (out->script) list = json_object_get(step->json, "args");
    const char **w = peri_arena_calloc(arena, json_array_size(list) + 1, sizeof(*w));
    json_array_foreach(list, i, v) w[i] =
        peri_template_for_launch(json_string_value(v), step, arena);
    out->argc = json_array_size(list);
    out->argv = out->argc ? w : NULL;
    out->mpi = json_is_true(json_object_get(step->json, "mpi"));
}

const peri_kind_t peri_kind_script = {
    .name = "script",
    .keys = {"a script step", keys, sizeof(keys) / sizeof(*keys)},
    .check = check,
    .title = title,
    .words = words};
