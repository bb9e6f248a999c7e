/* config.c - see config.h. */
#include "portal/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/base/yaml.h"
#include "portal/config/config_priv.h"

#define CONFIG_MAX    (1u << 20)
#define MAX_KEEP_DAYS 36500

typedef peri_confload_t load_t;

/* Whole numbers and true/false as such, everything else as text. */
static json_t *scalar_json(const char *s)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end != s && !*end && !errno) return json_integer(v);
    if (!strcmp(s, "true")) return json_true();
    if (!strcmp(s, "false")) return json_false();
    return json_string(s);
}

/* ---- schedulers ---- */

static int read_scheduler(load_t *l, const peri_pair_t *p, peri_confsched_t *out,
                          peri_err_t *err)
{
    peri_arena_t *a = l->c->arena;
    json_t *conf = json_object();
    json_object_set_new(l->c->json, p->key, conf);
    bool local = !strcmp(p->key, "local");
    *out = (peri_confsched_t){
        .name = p->key, .conf = conf, .poll = local ? 0.5 : 5, .grace = local ? 0.5 : 30};
    for (const char *c = p->key; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || *c == '_' || (*c >= '0' && *c <= '9')))
            return peri_yaml_error(&l->yaml, p->at, err,
                                   "the name of a scheduler has small letters, digits "
                                   "and _, not \"%.60s\"",
                                   p->key);
    peri_pair_t *keys = NULL;
    size_t n = 0;
    if (p->value && peri_yaml_pairs(&l->yaml, p->value, "a scheduler", a, &keys, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        const char *s = NULL;
        if (!strcmp(keys[i].key, "poll")) {
            if (peri_conf_number(l, keys[i].value, "poll", 0.05, 3600, &out->poll, err))
                return -1;
        } else if (!strcmp(keys[i].key, "grace")) {
            if (peri_conf_number(l, keys[i].value, "grace", 0, 3600, &out->grace, err))
                return -1;
        } else if (keys[i].value) {
            if (peri_conf_text(l, keys[i].value, keys[i].key, &s, err)) return -1;
            json_object_set_new(conf, keys[i].key, scalar_json(s));
        }
    }
    return 0;
}

static int read_schedulers(load_t *l, peri_node_t *at, peri_err_t *err)
{
    peri_config_t *c = l->c;
    peri_pair_t *pairs = NULL;
    size_t n = 0;
    if (at && peri_yaml_pairs(&l->yaml, at, "the list of schedulers", c->arena, &pairs,
                              &n, err))
        return -1;
    c->schedulers = peri_arena_calloc(c->arena, n + 1, sizeof(*c->schedulers));
    for (size_t i = 0; i < n; i++)
        if (read_scheduler(l, &pairs[i], &c->schedulers[c->nschedulers++], err))
            return -1;
    if (peri_config_scheduler(c, "local")) return 0;
    const peri_pair_t local = {.key = "local"};
    return read_scheduler(l, &local, &c->schedulers[c->nschedulers++], err);
}

const peri_confsched_t *peri_config_scheduler(const peri_config_t *c, const char *name)
{
    for (size_t i = 0; i < c->nschedulers; i++)
        if (!strcmp(c->schedulers[i].name, name)) return &c->schedulers[i];
    return NULL;
}

/* ---- the file ---- */

enum {
    K_STATE,
    K_SPOOL,
    K_SOCKET,
    K_LOG,
    K_DATABASE,
    K_USERS,
    K_SCHEDULER,
    K_SCHEDULERS,
    K_KEEP,
    K_USER,
    K_WEB,
    K_PORTAL, /* those of config_portal.c */
    NKEYS = K_PORTAL + PERI_CONF_NPORTAL
};
static const char *const own_keys[K_PORTAL] = {
    "state",     "spool",      "socket",    "log",  "database", "users",
    "scheduler", "schedulers", "keep_days", "user", "web"};

static int read_users(load_t *l, peri_node_t *at, peri_err_t *err)
{
    const char *s = NULL;
    if (!at) return 0;
    if (peri_conf_text(l, at, "users", &s, err)) return -1;
    if (strcmp(s, "all") && strcmp(s, "self"))
        return peri_yaml_error(&l->yaml, at, err,
                               "users is \"self\" or \"all\", not \"%.60s\"", s);
    l->c->all_users = !strcmp(s, "all");
    return 0;
}

static int read_default_scheduler(load_t *l, peri_node_t *at, peri_err_t *err)
{
    if (!at) return 0;
    peri_config_t *c = l->c;
    if (peri_conf_text(l, at, "scheduler", &c->scheduler, err)) return -1;
    if (peri_config_scheduler(c, c->scheduler)) return 0;
    return peri_yaml_error(&l->yaml, at, err,
                           "the default scheduler \"%.60s\" is not among the schedulers; "
                           "add it there",
                           c->scheduler);
}

static int read_file(load_t *l, const char *text, size_t len, peri_err_t *err)
{
    peri_config_t *c = l->c;
    peri_node_t *v[NKEYS];
    const char *keys[NKEYS];
    memcpy(keys, own_keys, sizeof(own_keys));
    memcpy(keys + K_PORTAL, peri_conf_portal_keys, PERI_CONF_NPORTAL * sizeof(keys[0]));
    if (len == 0) return 0;
    if (peri_yaml_open(&l->yaml, text, len, c->source, err)) return -1;
    if (peri_yaml_fields(&l->yaml, peri_yaml_root(&l->yaml), "the configuration", keys,
                         NKEYS, v, err))
        return -1;
    if (peri_conf_folder(l, v[K_STATE], "state", &c->state, err) ||
        peri_conf_folder(l, v[K_SPOOL], "spool", &c->spool, err) ||
        peri_conf_folder(l, v[K_SOCKET], "socket", &c->socket, err) ||
        peri_conf_folder(l, v[K_LOG], "log", &c->log, err) ||
        peri_conf_text(l, v[K_DATABASE], "database", &c->database, err) ||
        read_users(l, v[K_USERS], err) ||
        peri_conf_number(l, v[K_KEEP], "keep_days", 0, MAX_KEEP_DAYS, &c->keep_days,
                         err) ||
        peri_conf_text(l, v[K_USER], "user", &c->user, err) ||
        peri_conf_web(l, v[K_WEB], err) || peri_conf_portal(l, v + K_PORTAL, err) ||
        read_schedulers(l, v[K_SCHEDULERS], err))
        return -1;
    return read_default_scheduler(l, v[K_SCHEDULER], err);
}

/* ---- where it is, and the defaults ---- */

/* Where root's own folder would be, the server's user "postgres" cannot go. */
static char *default_state(void)
{
    const char *own = getenv("PERIGEE_STATE"), *xdg = getenv("XDG_STATE_HOME");
    if (geteuid() == 0 && !(own && *own) && !(xdg && *xdg))
        return peri_xstrdup("/var/lib/perigee");
    return peri_state_dir();
}

/* NULL: there is none. */
static char *find_file(const char *path)
{
    if (path) return peri_xstrdup(path);
    const char *env = getenv("PERIGEE_CONFIG");
    if (env && *env) return peri_xstrdup(env);
    char *state = default_state();
    char *own = peri_xasprintf("%s/perigee.yaml", state);
    free(state);
    if (access(own, F_OK) == 0) return own;
    free(own);
    if (access("/etc/perigee/perigee.yaml", F_OK) == 0)
        return peri_xstrdup("/etc/perigee/perigee.yaml");
    return NULL;
}

static const char *program_folder(peri_arena_t *a)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n < 0) return "/usr/bin";
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
    return peri_arena_strdup(a, path);
}

/* Beside the programs: PREFIX/share/perigee, in a build tree as in an installed one. */
static const char *share_folder(peri_arena_t *a, const char *bin)
{
    const char *near = peri_arena_printf(a, "%s/../share/perigee", bin);
    char path[PATH_MAX];
    return realpath(near, path) ? peri_arena_strdup(a, path) : near;
}

static void set_defaults(peri_config_t *c)
{
    peri_arena_t *a = c->arena;
    if (!c->state) {
        char *state = default_state();
        c->state = peri_arena_strdup(a, state);
        free(state);
    }
    if (!c->spool) c->spool = peri_arena_printf(a, "%s/jobs", c->state);
    if (!c->socket) c->socket = peri_arena_printf(a, "%s/perigeed.sock", c->state);
    if (!c->log) c->log = peri_arena_printf(a, "%s/perigeed.log", c->state);
    if (!c->scheduler) c->scheduler = "local";
    c->pidfile = peri_arena_printf(a, "%s/perigeed.pid", c->state);
    c->pg_dir = peri_arena_printf(a, "%s/postgres", c->state);
    c->bin = program_folder(a);
    c->share = share_folder(a, c->bin);
    peri_conf_portal_defaults(c);
}

/* Root takes no orders that another user may write: a configuration says who it becomes,
 * and which files it reads for that user. */
static int slurp(const char *file, char **text, size_t *len, peri_err_t *err)
{
    char same[64];
    struct stat st;
    if (geteuid() != 0) return peri_file_slurp(file, CONFIG_MAX, text, len, err);
    int fd = open(file, O_RDONLY | O_CLOEXEC), rc = -1;
    if (fd < 0)
        return peri_err_set(err, errno == ENOENT ? PERI_ENOTFOUND : PERI_EIO,
                            "cannot open %s: %m", file);
    if (fstat(fd, &st) || st.st_uid != 0 || st.st_mode & 022) {
        peri_err_set(err, PERI_EDENIED,
                     "%s can be changed by others than root, so root does not take it: "
                     "chown root %s && chmod go-w %s",
                     file, file, file);
    } else {
        /* What was looked at, not what has its name by now. */
        snprintf(same, sizeof(same), "/proc/self/fd/%d", fd);
        rc = peri_file_slurp(same, CONFIG_MAX, text, len, err);
    }
    close(fd);
    return rc;
}

peri_config_t *peri_config_load(const char *path, peri_err_t *err)
{
    peri_config_t *c = peri_xcalloc(1, sizeof(*c));
    load_t l = {.c = c};
    char *text = NULL, whole[PATH_MAX];
    size_t len = 0;
    int rc = -1;
    c->arena = peri_arena_new();
    c->json = json_object();
    char *file = find_file(path);
    c->source = peri_arena_strdup(c->arena, file);
    if (file && slurp(file, &text, &len, err)) goto out;
    peri_node_t *none[PERI_CONF_NPORTAL] = {0};
    if (peri_conf_portal(&l, none, err)) goto out; /* the defaults */
    if (read_file(&l, text, len, err)) goto out;
    if (!c->nschedulers && read_schedulers(&l, NULL, err)) goto out;
    set_defaults(c);
    /* Who changes the folder or the user after this still finds it. */
    if (file && realpath(file, whole)) c->source = peri_arena_strdup(c->arena, whole);
    rc = 0;
out:
    peri_yaml_close(&l.yaml);
    free(text);
    free(file);
    if (rc == 0) return c;
    peri_config_free(c);
    return NULL;
}

void peri_config_free(peri_config_t *c)
{
    if (!c) return;
    json_decref(c->json);
    peri_arena_free(c->arena);
    free(c);
}
