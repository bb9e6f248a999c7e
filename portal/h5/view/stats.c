/* stats.c - the numbers that a viewer scales its colours by. Of floats only those that
 * are finite count.
 */
#include <math.h>

#include "portal/h5/view/data.h"
#include "portal/h5/view/view.h"

typedef struct {
    const peri_h5value_t *v;
    size_t size;
    uint64_t n;
    double mean, m2; /* m2: sum of squares of distances to the mean */
    bool any_positive, any_strict;
    double min, max, positive, strict;
} stats_t;

/* Welford's way: exact enough whatever the offset. */
static void add(stats_t *s, double x)
{
    const double d = x - s->mean;
    s->n++;
    s->mean += d / (double)s->n;
    s->m2 += d * (x - s->mean);
    if (s->n == 1 || x < s->min) s->min = x;
    if (s->n == 1 || x > s->max) s->max = x;
    if (x >= 0 && (!s->any_positive || x < s->positive)) s->positive = x;
    if (x > 0 && (!s->any_strict || x < s->strict)) s->strict = x;
    s->any_positive |= x >= 0;
    s->any_strict |= x > 0;
}

static int on_block(void *ctx, const void *p, size_t n, peri_err_t *err)
{
    stats_t *s = ctx;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const double x = peri_h5value_real(s->v, (const char *)p + i * s->size);
        if (isfinite(x)) add(s, x);
    }
    return 0;
}

static void put(peri_h5out_t *o, const char *key, double v, bool known)
{
    peri_h5out_key(o, key);
    peri_h5out_real(o, known ? v : NAN);
}

int peri_h5view_stats(hid_t file, const peri_h5ask_t *q, peri_h5out_t *o, peri_err_t *err)
{
    peri_h5set_ask_t set;
    stats_t s = {0};
    int rc = -1;
    if (peri_h5set_open_part(file, q, &set, err)) return -1;
    set.memory = peri_h5value_type(set.type, err);
    if (set.memory < 0 || !(s.v = peri_h5value_new(set.memory, file, q->arena, err)))
        goto out;
    if (!peri_h5value_is_number(s.v)) {
        peri_err_set(err, PERI_EINVAL, "statistics are of numbers, which %.600s has not",
                     q->path);
        goto out;
    }
    s.size = H5Tget_size(set.memory);
    if (!set.null &&
        peri_h5read(set.id, set.memory, &set.part, q->path, on_block, &s, err))
        goto out;
    peri_h5out_text(o, "{");
    put(o, "strict_positive_min", s.strict, s.any_strict);
    peri_h5out_text(o, ",");
    put(o, "positive_min", s.positive, s.any_positive);
    peri_h5out_text(o, ",");
    put(o, "min", s.min, s.n > 0);
    peri_h5out_text(o, ",");
    put(o, "max", s.max, s.n > 0);
    peri_h5out_text(o, ",");
    put(o, "mean", s.mean, s.n > 0);
    peri_h5out_text(o, ",");
    put(o, "std", s.n ? sqrt(s.m2 / (double)s.n) : 0, s.n > 0);
    peri_h5out_text(o, "}");
    rc = 0;
out:
    peri_h5set_close(&set);
    return rc;
}
