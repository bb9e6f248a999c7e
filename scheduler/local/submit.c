/* submit.c - the sizes and settings of the local scheduler, and what can be asked of it.
 *
 * What can never run here is refused with what is possible. Nothing is stored or started
 * here. Under the lock, but for the settings, which are read before anybody else is
 * there.
 */
#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "scheduler/local/local.h"

#define MAX_NAME   160
#define MAX_CORES  100000
#define MAX_MEMORY (1ull << 60)

/* ---- settings ---- */

static int bad_value(const char *key, const char *what, peri_err_t *err)
{
    return peri_err_set(err, PERI_EINVAL,
                        "the local scheduler's setting \"%s\" must be %s", key, what);
}

static int get_count(const json_t *conf, const char *key, int64_t max, int64_t *out,
                     peri_err_t *err)
{
    const json_t *j = json_object_get(conf, key);
    if (!j) return 0;
    if (!json_is_integer(j) || json_integer_value(j) < 1 || json_integer_value(j) > max)
        return bad_value(key, "a whole number, at least 1", err);
    *out = json_integer_value(j);
    return 0;
}

static int get_size(const json_t *conf, const char *key, uint64_t *out, peri_err_t *err)
{
    const json_t *j = json_object_get(conf, key);
    if (!j) return 0;
    if (json_is_integer(j) && json_integer_value(j) > 0)
        *out = (uint64_t)json_integer_value(j);
    else if (!json_is_string(j) || peri_parse_size(json_string_value(j), out, NULL))
        return bad_value(key, "a size such as \"16GB\"", err);
    if (*out == 0 || *out > MAX_MEMORY) return bad_value(key, "a size above zero", err);
    return 0;
}

static int get_seconds(const json_t *conf, const char *key, double *out, peri_err_t *err)
{
    const json_t *j = json_object_get(conf, key);
    if (!j) return 0;
    if (json_is_number(j) && json_number_value(j) >= 0)
        *out = json_number_value(j);
    else if (!json_is_string(j) || peri_parse_seconds(json_string_value(j), out, NULL))
        return bad_value(key, "a time such as \"30s\" or \"1h\"", err);
    return 0;
}

static int check_keys(const json_t *conf, peri_err_t *err)
{
    /* The last ones are the manager's own, in the same section. */
    static const char *const known[] = {
        "cores",      "memory", "tasks", "half_life", "patience", "default_memory",
        "kill_after", "poll",   "grace", "kind",      "name"};
    const size_t n = sizeof(known) / sizeof(known[0]);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)conf, key, value)
    {
        size_t i = 0;
        while (i < n && strcmp(key, known[i]) != 0) i++;
        if (i < n) continue;
        const char *near = peri_did_you_mean(key, known, n);
        return peri_err_set(
            err, PERI_EINVAL, "the local scheduler has no setting \"%s\"%s%s%s", key,
            near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    return 0;
}

static int64_t usable_cores(void)
{
    int64_t n = sysconf(_SC_NPROCESSORS_ONLN);
    for (int max = 1024; max <= 1 << 20; max *= 4) {
        cpu_set_t *set = CPU_ALLOC(max);
        size_t size = CPU_ALLOC_SIZE(max);
        int rc = set ? sched_getaffinity(0, size, set) : -1;
        if (rc == 0) n = CPU_COUNT_S(size, set);
        if (set) CPU_FREE(set);
        if (rc == 0) break;
    }
    return n > 0 ? n : 1;
}

int peri_local_configure(peri_local_t *l, const json_t *conf, peri_err_t *err)
{
    uint64_t memory =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 10 * 9;
    int64_t tasks = INT32_MAX;
    l->cores = usable_cores();
    l->half_life = 3600;
    l->patience = 30;
    l->kill_after = 30;
    if (check_keys(conf, err) || get_count(conf, "cores", MAX_CORES, &l->cores, err) ||
        get_count(conf, "tasks", INT32_MAX, &tasks, err) ||
        get_size(conf, "memory", &memory, err) ||
        get_size(conf, "default_memory", &l->default_memory, err) ||
        get_seconds(conf, "half_life", &l->half_life, err) ||
        get_seconds(conf, "patience", &l->patience, err) ||
        get_seconds(conf, "kill_after", &l->kill_after, err))
        return -1;
    if (l->half_life < 1) l->half_life = 1;
    if (l->default_memory > memory) l->default_memory = memory;
    l->max_tasks = (size_t)tasks;
    l->memory = (int64_t)memory;
    l->free_cores = l->cores;
    l->free_memory = l->memory;
    return 0;
}

/* ---- a request ---- */

static int check_name(const char *name, peri_err_t *err)
{
    size_t n = strlen(name), ok = 0;
    while (isalnum((unsigned char)name[ok]) || (name[ok] && strchr("_.-", name[ok])))
        ok++;
    if (n == 0 || n > MAX_NAME || ok < n || name[0] == '.')
        return peri_err_set(
            err, PERI_EINVAL,
            "\"%.200s\" cannot name a submission: 1 to %d letters, digits "
            "and _.- are wanted, no dot at the front",
            name, MAX_NAME);
    return 0;
}

static int check_indexes(const peri_schedreq_t *req, peri_err_t *err)
{
    if (req->throttle < 0)
        return peri_err_set(err, PERI_EINVAL, "the throttle of an array is not negative");
    if (!req->indexes) return 0;
    if (req->nindexes == 0)
        return peri_err_set(err, PERI_EINVAL, "an array needs at least one index");
    if (req->nindexes > PERI_LOCAL_ARRAY_MAX)
        return peri_err_set(err, PERI_ELIMIT,
                            "an array of %zu tasks is too large for the local scheduler: "
                            "at most %d are possible",
                            req->nindexes, PERI_LOCAL_ARRAY_MAX);
    for (size_t i = 0; i < req->nindexes; i++)
        if (req->indexes[i] < 0 || req->indexes[i] == INT32_MAX ||
            (i && req->indexes[i] <= req->indexes[i - 1]))
            return peri_err_set(
                err, PERI_EINVAL,
                "the indexes of an array are whole numbers from 0 on, each "
                "larger than the one before");
    return 0;
}

/* What never fits this machine; *memory is what it takes. */
static int check_size(const peri_local_t *l, const peri_schedreq_t *req, uint64_t *memory,
                      peri_err_t *err)
{
    char want[16], have[16];
    const uint64_t cores = (uint64_t)req->ranks * req->cpus;
    if (req->ranks < 1 || req->cpus < 1 || req->nodes < 1)
        return peri_err_set(err, PERI_EINVAL,
                            "a task has at least one node, one rank and one core");
    if (req->nodes > 1)
        return peri_err_set(
            err, PERI_ELIMIT,
            "%u nodes are asked for, but the local scheduler has only this "
            "machine: ask for one node",
            req->nodes);
    if (cores > (uint64_t)l->cores)
        return peri_err_set(
            err, PERI_ELIMIT,
            "%u rank%s of %u core%s need %llu cores, but this machine has "
            "%lld for tasks",
            req->ranks, req->ranks == 1 ? "" : "s", req->cpus, req->cpus == 1 ? "" : "s",
            (unsigned long long)cores, (long long)l->cores);
    *memory = req->memory;
    if (!*memory) *memory = l->default_memory;
    if (!*memory)
        *memory = (uint64_t)((double)l->memory / (double)l->cores * (double)cores);
    if (*memory > (uint64_t)l->memory)
        return peri_err_set(
            err, PERI_ELIMIT,
            "%s of memory are asked for, but this machine has %s for tasks",
            peri_human_bytes(*memory, want), peri_human_bytes((uint64_t)l->memory, have));
    return 0;
}

static int check_all(const peri_local_t *l, const peri_schedreq_t *req, uint64_t *memory,
                     peri_err_t *err)
{
    if (check_name(req->name, err) || check_indexes(req, err) ||
        check_size(l, req, memory, err))
        return -1;
    if (req->argc == 0 || req->argv[0][0] != '/' || req->folder[0] != '/')
        return peri_err_set(err, PERI_EINVAL,
                            "the program to start and its folder need absolute paths");
    if (req->nafter)
        return peri_err_set(
            err, PERI_EINVAL,
            "the local scheduler knows no dependencies between submissions");
    if (req->priority < -1000 || req->priority > 1000)
        return peri_err_set(err, PERI_EINVAL,
                            "the priority %d is not between -1000 and 1000",
                            req->priority);
    if (req->uid != l->euid && l->euid != 0 && !peri_local_helped(l, req->uid))
        return peri_err_set(
            err, PERI_EDENIED,
            "tasks of user %s cannot be started: perigeed does not run as "
            "root, so it starts only those of its own user",
            req->user);
    return 0;
}

peri_sub_t *peri_local_check(peri_local_t *l, const peri_schedreq_t *req, peri_err_t *err)
{
    uint64_t memory = 0;
    if (check_all(l, req, &memory, err)) return NULL;
    const size_t n = req->indexes ? req->nindexes : 1;
    peri_sub_t *s = peri_local_sub_new(req->name, n);
    s->folder = peri_xstrdup(req->folder);
    s->comment = peri_xstrdup(req->comment ? req->comment : "");
    s->argv = peri_xcalloc(req->argc + 1, sizeof(*s->argv));
    for (size_t i = 0; i < req->argc; i++) s->argv[i] = peri_xstrdup(req->argv[i]);
    s->user = peri_local_user(l, req->uid, req->user ? req->user : "");
    s->gid = req->gid;
    s->submitted = time(NULL);
    s->memory = memory;
    s->cores = req->ranks * req->cpus;
    s->time_limit = req->time_limit;
    s->priority = req->priority;
    s->throttle = req->throttle;
    s->array = req->indexes != NULL;
    for (size_t i = 0; i < n; i++)
        s->tasks[i].index = s->array ? req->indexes[i] : PERI_SCHED_NO_INDEX;
    return s;
}
