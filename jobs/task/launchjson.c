/* launchjson.c - launch.json: what perigee-launch is to do.
 *
 * Written by the daemon. Of an array the values of all tasks are in it, one task a line,
 * so that a task finds its own without the parsing of 100,000 others
 * (peri_launch_for_task).
 *
 * Threads: no state.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/task/folder.h"
#include "jobs/task/launchjson.h"

#define JSON_MAX (64u << 20)
enum { WORDS_MAX = 65536 };

/* ---- writing ---- */

static json_t *pairs_json(const peri_env_t *pairs, size_t n)
{
    json_t *o = json_object();
    for (size_t i = 0; i < n; i++)
        if (json_object_set_new(o, pairs[i].name, json_string(pairs[i].value))) {
            json_decref(o);
            return NULL;
        }
    return o;
}

static int put_text(json_t *o, const char *key, const char *s)
{
    return s ? json_object_set_new(o, key, json_string(s)) : 0;
}

static int put_int(json_t *o, const char *key, uint64_t n)
{
    return n > INT64_MAX ? -1 : json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *head_json(const peri_launch_t *l)
{
    json_t *o = json_object();
    int bad = put_text(o, "uuid", l->uuid) | put_text(o, "step", l->step) |
              put_int(o, "attempt", (uint64_t)(l->attempt < 0 ? 0 : l->attempt)) |
              json_object_set_new(o, "array", json_boolean(l->is_array));
    if (l->argv) {
        json_t *argv = json_array();
        for (size_t i = 0; i < l->argc; i++)
            bad |= json_array_append_new(argv, json_string(l->argv[i]));
        bad |= json_object_set_new(o, "argv", argv);
    }
    bad |= put_text(o, "script", l->script) | put_text(o, "dir", l->dir) |
           put_text(o, "results", l->results) |
           json_object_set_new(o, "env", pairs_json(l->env, l->nenv)) |
           json_object_set_new(o, "mpi", json_boolean(l->mpi)) |
           put_int(o, "nodes", l->nodes) | put_int(o, "ranks", l->ranks) |
           put_int(o, "cpus", l->cpus) | put_int(o, "memory", l->memory) |
           put_int(o, "time_limit", l->time_limit) |
           put_int(o, "warn_signal", l->warn_signal) |
           put_int(o, "warn_seconds", l->warn_seconds) |
           put_int(o, "output_max", l->output_max) |
           json_object_set_new(o, "heartbeat", json_real(l->heartbeat));
    if (l->sandbox)
        bad |= json_object_set_new(o, "sandbox", peri_launch_sandbox_json(l->sandbox));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

static int put_json(peri_buf_t *out, json_t *o)
{
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(o);
    if (!text) return -1;
    peri_buf_puts(out, text);
    free(text);
    return 0;
}

static int put_tasks(peri_buf_t *out, const peri_launch_t *l)
{
    peri_buf_puts(out, ",\n\"tasks\":[\n");
    for (size_t i = 0; i < l->ntasks; i++) {
        const peri_launchtask_t *t = &l->tasks[i];
        if (i) peri_buf_puts(out, ",\n");
        peri_buf_printf(out, "{\"index\":%d,\"params\":", (int)t->index);
        if (put_json(out, pairs_json(t->params, t->nparams))) return -1;
        peri_buf_putc(out, '}');
    }
    return peri_buf_puts(out, "\n]");
}

int peri_launch_to_json(const peri_launch_t *l, peri_buf_t *out, peri_err_t *err)
{
    const size_t before = out->len;
    if (put_json(out, head_json(l))) goto bad;
    if (!out->failed && out->len > before) out->len--; /* the closing brace */
    if (l->ntasks && put_tasks(out, l) && !out->failed) goto bad;
    peri_buf_puts(out, "}\n");
    return peri_buf_check(out, "launch.json", err);
bad:
    return peri_err_set(err, PERI_EINVAL,
                        "a word or a value of the command is not valid UTF-8 text");
}

/* ---- parsing ---- */

typedef struct {
    peri_arena_t *arena;
    const json_t *o;
    peri_err_t *err;
    bool failed;
} in_t;

static void fail(in_t *in, const char *key, const char *is)
{
    if (!in->failed)
        peri_err_set(in->err, PERI_EFORMAT, "launch.json: \"%s\" %s", key, is);
    in->failed = true;
}

static const char *get_text(in_t *in, const char *key, bool needed)
{
    const json_t *v = json_object_get(in->o, key);
    if (json_is_string(v)) return peri_arena_strdup(in->arena, json_string_value(v));
    if (v && !json_is_null(v)) fail(in, key, "is not a text");
    if (needed) fail(in, key, "is missing");
    return NULL;
}

static uint64_t get_count(in_t *in, const char *key, uint64_t max)
{
    const json_t *v = json_object_get(in->o, key);
    if (!v) return 0;
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || (uint64_t)n > max)
        fail(in, key, "is not a number in its range");
    return (uint64_t)n;
}

static bool get_bool(in_t *in, const char *key)
{
    const json_t *v = json_object_get(in->o, key);
    if (v && !json_is_boolean(v)) fail(in, key, "is not true or false");
    return json_is_true(v);
}

static const char *const *get_words(in_t *in, const char *key, size_t *n)
{
    const json_t *v = json_object_get(in->o, key);
    *n = 0;
    if (!v) return NULL;
    size_t count = json_array_size(v);
    if (count == 0 || count > WORDS_MAX) {
        fail(in, key, "is not a list of words");
        return NULL;
    }
    const char **words = peri_arena_calloc(in->arena, count + 1, sizeof(*words));
    for (size_t i = 0; i < count; i++) {
        const char *s = json_string_value(json_array_get(v, i));
        if (!s) fail(in, key, "is not a list of words");
        words[i] = peri_arena_strdup(in->arena, s ? s : "");
    }
    *n = count;
    return words;
}

static const peri_env_t *get_pairs(in_t *in, const json_t *v, const char *key, size_t *n)
{
    *n = 0;
    if (v && !json_is_object(v)) fail(in, key, "is not an object");
    size_t count = json_object_size(v), i = 0;
    if (count == 0) return NULL;
    peri_env_t *pairs = peri_arena_calloc(in->arena, count, sizeof(*pairs));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)v, name, value)
    {
        if (!*name || strchr(name, '=')) fail(in, key, "has a name that cannot be");
        if (!json_is_string(value)) {
            fail(in, key, "has a value that is not a text");
            break;
        }
        pairs[i].name = peri_arena_strdup(in->arena, name);
        pairs[i++].value = peri_arena_strdup(in->arena, json_string_value(value));
    }
    *n = i;
    return pairs;
}

static void get_tasks(in_t *in, peri_launch_t *l)
{
    const json_t *v = json_object_get(in->o, "tasks");
    size_t count = json_array_size(v);
    if (v && !json_is_array(v)) fail(in, "tasks", "is not a list");
    if (count == 0) return;
    peri_launchtask_t *tasks = peri_arena_calloc(in->arena, count, sizeof(*tasks));
    for (size_t i = 0; i < count && !in->failed; i++) {
        const json_t *t = json_array_get(v, i), *index = json_object_get(t, "index");
        json_int_t k = json_integer_value(index);
        if (!json_is_integer(index) || k < 0 || k > INT32_MAX)
            fail(in, "tasks", "has one without its index");
        tasks[i].index = (int32_t)k;
        tasks[i].params =
            get_pairs(in, json_object_get(t, "params"), "params", &tasks[i].nparams);
    }
    l->tasks = tasks;
    l->ntasks = count;
}

static void get_all(in_t *in, peri_launch_t *l)
{
    memset(l, 0, sizeof(*l));
    l->uuid = get_text(in, "uuid", true);
    l->step = get_text(in, "step", true);
    l->attempt = (int)get_count(in, "attempt", INT32_MAX);
    l->is_array = get_bool(in, "array");
    l->argv = get_words(in, "argv", &l->argc);
    l->script = get_text(in, "script", false);
    l->dir = get_text(in, "dir", false);
    l->results = get_text(in, "results", false);
    l->env = get_pairs(in, json_object_get(in->o, "env"), "env", &l->nenv);
    get_tasks(in, l);
    l->mpi = get_bool(in, "mpi");
    l->nodes = (uint32_t)get_count(in, "nodes", UINT32_MAX);
    l->ranks = (uint32_t)get_count(in, "ranks", UINT32_MAX);
    l->cpus = (uint32_t)get_count(in, "cpus", UINT32_MAX);
    l->memory = get_count(in, "memory", INT64_MAX);
    l->time_limit = (uint32_t)get_count(in, "time_limit", UINT32_MAX);
    l->warn_signal = (uint32_t)get_count(in, "warn_signal", 64);
    l->warn_seconds = (uint32_t)get_count(in, "warn_seconds", UINT32_MAX);
    l->output_max = get_count(in, "output_max", INT64_MAX);
    const json_t *beat = json_object_get(in->o, "heartbeat");
    l->heartbeat = json_number_value(beat);
    if ((beat && !json_is_number(beat)) || l->heartbeat < 0 || l->heartbeat > 86400)
        fail(in, "heartbeat", "is not a number of seconds");
    const json_t *sandbox = json_object_get(in->o, "sandbox");
    if (sandbox && !in->failed) {
        l->sandbox = peri_launch_sandbox_read(sandbox, in->arena, in->err);
        in->failed = !l->sandbox;
    }
    if (l->uuid && !peri_uuid_valid(l->uuid)) fail(in, "uuid", "is not a uuid");
    if (l->step && (!*l->step || strlen(l->step) > 200 || strchr(l->step, '/')))
        fail(in, "step", "is not the name of a step");
    if (!l->argv && !l->script) fail(in, "argv", "is missing");
}

int peri_launch_from_json(const char *json, size_t len, peri_arena_t *arena,
                          peri_launch_t *l, peri_err_t *err)
{
    json_error_t at;
    if (len > JSON_MAX)
        return peri_err_set(err, PERI_ELIMIT, "launch.json is larger than 64 MiB");
    json_t *o = json_loadb(json, len, 0, &at);
    if (!json_is_object(o)) {
        json_decref(o);
        return peri_err_set(err, PERI_EFORMAT, "launch.json: %s", at.text);
    }
    in_t in = {.arena = arena, .o = o, .err = err};
    get_all(&in, l);
    json_decref(o);
    return in.failed ? -1 : 0;
}

int peri_launch_for_task(const char *json, size_t len, int32_t index, peri_arena_t *arena,
                         peri_launch_t *l, peri_err_t *err)
{
    static const char open[] = ",\n\"tasks\":[\n";
    const char *start = memmem(json, len, open, sizeof(open) - 1);
    if (!start) return peri_launch_from_json(json, len, arena, l, err);
    peri_buf_t text;
    peri_buf_init(&text, JSON_MAX);
    char key[64];
    int n = snprintf(key, sizeof(key), "\n{\"index\":%d,", (int)index);
    const char *end = json + len,
               *mine = memmem(start, (size_t)(end - start), key, (size_t)n);
    peri_buf_append(&text, json, (size_t)(start - json));
    if (mine) {
        const char *nl = memchr(mine + 1, '\n', (size_t)(end - mine - 1));
        size_t size = (size_t)((nl ? nl : end) - mine);
        if (size && mine[size - 1] == ',') size--;
        peri_buf_puts(&text, ",\n\"tasks\":[");
        peri_buf_append(&text, mine, size);
        peri_buf_putc(&text, ']');
    }
    peri_buf_puts(&text, "}\n");
    int rc = peri_buf_check(&text, "launch.json", err);
    if (rc == 0) rc = peri_launch_from_json(text.data, text.len, arena, l, err);
    peri_buf_free(&text);
    return rc;
}
