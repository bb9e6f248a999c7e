/* config_quick.c - the section quick: what a quick query may use. */
#include <sched.h>

#include "portal/config/config_priv.h"

#define GB (1000000000LL)
#define MB (1000000LL)

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

static int read_count(peri_confload_t *l, peri_node_t *at, const char *what, double max,
                      int *out, peri_err_t *err)
{
    double v = *out;
    if (peri_conf_number(l, at, what, 1, max, &v, err)) return -1;
    *out = (int)v;
    return 0;
}

static int read_size(peri_confload_t *l, peri_node_t *at, const char *what, int64_t least,
                     int64_t *out, peri_err_t *err)
{
    if (peri_conf_size(l, at, what, out, err)) return -1;
    if (*out >= least) return 0;
    return peri_yaml_error(&l->yaml, at, err, "%s is %lld MB at least", what,
                           (long long)(least / MB));
}

int peri_conf_quick(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    enum { SECONDS, ROWS, MEMORY, BYTES, PROCESSES, PER_ACCOUNT, UPLOAD, HISTORY, N };
    static const char *const keys[N] = {"seconds", "rows",        "memory",
                                        "bytes",   "processes",   "per_account",
                                        "upload",  "history_days"};
    peri_confquick_t *q = &l->c->quick;
    peri_node_t *v[N] = {0};
    double rows = 100000;
    *q = (peri_confquick_t){.seconds = 60,
                            .memory = 2 * GB,
                            .bytes = GB,
                            .processes = 2 * cores(),
                            .per_account = 2,
                            .upload = 10 * GB,
                            .history_days = 90};
    if ((at && peri_yaml_fields(&l->yaml, at, "quick", keys, N, v, err)) ||
        peri_conf_number(l, v[SECONDS], keys[SECONDS], 1, 3600, &q->seconds, err) ||
        peri_conf_number(l, v[ROWS], keys[ROWS], 0, 1e12, &rows, err) ||
        read_size(l, v[MEMORY], keys[MEMORY], 200 * MB, &q->memory, err) ||
        read_size(l, v[BYTES], keys[BYTES], MB, &q->bytes, err) ||
        read_count(l, v[PROCESSES], keys[PROCESSES], 1000, &q->processes, err) ||
        read_count(l, v[PER_ACCOUNT], keys[PER_ACCOUNT], 1000, &q->per_account, err) ||
        read_size(l, v[UPLOAD], keys[UPLOAD], MB, &q->upload, err) ||
        peri_conf_number(l, v[HISTORY], keys[HISTORY], 0, 36500, &q->history_days, err))
        return -1;
    q->rows = (int64_t)rows;
    return 0;
}
