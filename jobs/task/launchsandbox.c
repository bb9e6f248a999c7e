/* launchsandbox.c - the sandbox of launch.json: what a task may see, as text.
 *
 * Written by the daemon, but read strictly: a path that means something else than it says
 * would show a program what is not hers.
 *
 * Threads: no state.
 */
#include <string.h>

#include "jobs/task/launchjson.h"

enum { LONGEST = 4000 };

/* ---- writing ---- */

static json_t *bind_json(const peri_bind_t *b)
{
    json_t *o =
        json_pack("{s:s, s:s, s:b, s:b, s:s*}", "from", b->from, "to", b->to, "write",
                  (int)b->write, "optional", (int)b->optional, "hide", b->hide);
    if (b->path && o && json_object_set_new(o, "path", json_string(b->path))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *paths_json(const char *const *paths, size_t n)
{
    json_t *list = json_array();
    int bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= json_array_append_new(list, json_string(paths[i]));
    if (!bad) return list;
    json_decref(list);
    return NULL;
}

json_t *peri_launch_sandbox_json(const peri_sandbox_t *s)
{
    json_t *o = json_object(), *binds = json_array();
    int bad = 0;
    for (size_t i = 0; i < s->nbinds; i++)
        bad |= json_array_append_new(binds, bind_json(&s->binds[i]));
    bad |= json_object_set_new(o, "binds", binds) |
           json_object_set_new(o, "read", paths_json(s->read, s->nread)) |
           json_object_set_new(o, "hide", paths_json(s->hide, s->nhide)) |
           json_object_set_new(o, "network", json_boolean(s->network));
    if (s->user) bad |= json_object_set_new(o, "user", json_string(s->user));
    if (s->home) bad |= json_object_set_new(o, "home", json_string(s->home));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}

/* ---- reading ---- */

static int wrong(peri_err_t *err, const char *key, const char *is)
{
    return peri_err_set(err, PERI_EFORMAT, "launch.json: \"%s\" of \"sandbox\" %s", key,
                        is);
}

/* No part is empty, "." or "..". */
static bool is_plain(const char *s)
{
    for (size_t n; *s; s += n + (s[n] == '/')) {
        n = strcspn(s, "/");
        if (n == 0 || (n <= 2 && strspn(s, ".") >= n) || (s[n] && !s[n + 1]))
            return false;
    }
    return true;
}

static const char *read_path(const json_t *v, bool absolute, const char *key,
                             peri_arena_t *arena, peri_err_t *err)
{
    const char *s = json_string_value(v);
    if (!s || !*s || strlen(s) > LONGEST || (*s == '/') != absolute ||
        !is_plain(s + absolute) || (absolute && !s[1])) {
        wrong(err, key,
              absolute ? "is not an absolute path without . and .."
                       : "is not a relative path without . and ..");
        return NULL;
    }
    return peri_arena_strdup(arena, s);
}

static int read_paths(const json_t *v, const char *key, const char *const **out,
                      size_t *n, peri_arena_t *arena, peri_err_t *err)
{
    const size_t count = json_array_size(v);
    if ((v && !json_is_array(v)) || count > PERI_SANDBOX_PATHS)
        return wrong(err, key, "is not a list of folders");
    const char **paths = peri_arena_calloc(arena, count + 1, sizeof(*paths));
    for (size_t i = 0; i < count; i++) {
        paths[i] = read_path(json_array_get(v, i), true, key, arena, err);
        if (!paths[i]) return -1;
    }
    *out = paths;
    *n = count;
    return 0;
}

static int read_bind(const json_t *o, peri_bind_t *b, peri_arena_t *arena,
                     peri_err_t *err)
{
    const json_t *path = json_object_get(o, "path"), *write = json_object_get(o, "write"),
                 *hide = json_object_get(o, "hide"),
                 *optional = json_object_get(o, "optional");
    b->from = read_path(json_object_get(o, "from"), true, "from", arena, err);
    b->to = b->from ? read_path(json_object_get(o, "to"), true, "to", arena, err) : NULL;
    if (!b->to) return -1;
    if (path && !json_is_null(path)) {
        b->path = read_path(path, false, "path", arena, err);
        if (!b->path) return -1;
    }
    if (hide && !json_is_null(hide)) {
        b->hide = read_path(hide, false, "hide", arena, err);
        if (!b->hide) return -1;
        if (strchr(b->hide, '/')) return wrong(err, "hide", "is not a name");
    }
    if ((write && !json_is_boolean(write)) || (optional && !json_is_boolean(optional)))
        return wrong(err, "write", "is not true or false");
    b->write = json_is_true(write);
    b->optional = json_is_true(optional);
    return 0;
}

static int read_all(const json_t *o, peri_sandbox_t *s, peri_arena_t *arena,
                    peri_err_t *err)
{
    const json_t *binds = json_object_get(o, "binds"),
                 *network = json_object_get(o, "network"),
                 *user = json_object_get(o, "user"), *home = json_object_get(o, "home");
    const size_t n = json_array_size(binds);
    if (!json_is_object(o))
        return peri_err_set(err, PERI_EFORMAT,
                            "launch.json: \"sandbox\" is not an object");
    if ((binds && !json_is_array(binds)) || n > PERI_SANDBOX_BINDS)
        return wrong(err, "binds", "is not a list of folders");
    peri_bind_t *list = peri_arena_calloc(arena, n + 1, sizeof(*list));
    for (size_t i = 0; i < n; i++)
        if (read_bind(json_array_get(binds, i), &list[i], arena, err)) return -1;
    s->binds = list;
    s->nbinds = n;
    if (read_paths(json_object_get(o, "read"), "read", &s->read, &s->nread, arena, err) ||
        read_paths(json_object_get(o, "hide"), "hide", &s->hide, &s->nhide, arena, err))
        return -1;
    if (network && !json_is_boolean(network))
        return wrong(err, "network", "is not true or false");
    s->network = json_is_true(network);
    if (home && !(s->home = read_path(home, true, "home", arena, err))) return -1;
    if (user) {
        const char *name = json_string_value(user);
        /* It becomes a line of a passwd file. */
        if (!name || !*name || strlen(name) > 64 || strpbrk(name, ":/\n\r"))
            return wrong(err, "user", "is not the name of a user");
        s->user = peri_arena_strdup(arena, name);
    }
    return 0;
}

const peri_sandbox_t *peri_launch_sandbox_read(const json_t *o, peri_arena_t *arena,
                                               peri_err_t *err)
{
    peri_sandbox_t *s = peri_arena_calloc(arena, 1, sizeof(*s));
    return read_all(o, s, arena, err) ? NULL : s;
}
