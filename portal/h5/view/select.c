/* select.c - see select.h. */
#include "portal/h5/view/select.h"

#include <string.h>

typedef struct {
    const char *p, *end;
} text_t;

static void skip(text_t *t)
{
    while (t->p < t->end && *t->p == ' ') t->p++;
}

static bool take(text_t *t, char c)
{
    skip(t);
    if (t->p == t->end || *t->p != c) return false;
    t->p++;
    return true;
}

/* 1: a number; 0: there is none here; -1: one that has no place in 63 bits. */
static int number(text_t *t, int64_t *out)
{
    skip(t);
    const char *p = t->p;
    const bool minus = p < t->end && *p == '-';
    if (minus) p++;
    if (p == t->end || *p < '0' || *p > '9') return 0;
    int64_t v = 0;
    for (; p < t->end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return -1;
    t->p = p;
    *out = minus ? -v : v;
    return 1;
}

static int part(text_t *t, peri_h5slice_t *s)
{
    *s = (peri_h5slice_t){.step = 1};
    int got = number(t, &s->start);
    if (got < 0) return -1;
    s->has_start = got;
    if (!take(t, ':')) {
        s->index = true;
        return got ? 0 : -1;
    }
    got = number(t, &s->stop);
    if (got < 0) return -1;
    s->has_stop = got;
    if (take(t, ':') && number(t, &s->step) < 0) return -1;
    return s->step >= 1 ? 0 : -1;
}

int peri_h5select_parse(const char *s, size_t len, peri_h5select_t *out, peri_err_t *err)
{
    text_t t = {s, s + len};
    out->n = 0;
    skip(&t);
    if (t.p == t.end) return 0;
    do {
        if (out->n == PERI_H5SELECT_DIMS)
            return peri_err_set(err, PERI_EINVAL,
                                "a selection has at most %d members, one a dimension",
                                PERI_H5SELECT_DIMS);
        if (part(&t, &out->v[out->n])) goto bad;
        out->n++;
    } while (take(&t, ','));
    skip(&t);
    if (t.p == t.end) return 0;
bad:
    return peri_err_set(err, PERI_EINVAL,
                        "member %zu of the selection is neither a whole number nor a "
                        "slice like 10:20 or ::2 (steps are positive)",
                        out->n + 1);
}

/* As Python's slice.indices. */
static uint64_t bound(int64_t at, uint64_t dim)
{
    if (at >= 0) return (uint64_t)at < dim ? (uint64_t)at : dim;
    const uint64_t back = 0 - (uint64_t)at;
    return back < dim ? dim - back : 0;
}

static int resolve(const peri_h5slice_t *s, size_t i, uint64_t dim, peri_h5part_t *out,
                   peri_err_t *err)
{
    out->step[i] = 1;
    if (s->index) {
        const uint64_t back = s->start < 0 ? 0 - (uint64_t)s->start : 0;
        if (s->start < 0 ? back > dim : (uint64_t)s->start >= dim)
            return peri_err_set(err, PERI_EINVAL,
                                "%lld is out of range: dimension %zu has %llu elements",
                                (long long)s->start, i, (unsigned long long)dim);
        out->dropped[i] = true;
        out->start[i] = back ? dim - back : (uint64_t)s->start;
        out->count[i] = 1;
        return 0;
    }
    const uint64_t from = s->has_start ? bound(s->start, dim) : 0;
    const uint64_t to = s->has_stop ? bound(s->stop, dim) : dim;
    out->start[i] = from;
    out->step[i] = (uint64_t)s->step;
    out->count[i] = to > from ? (to - from - 1) / (uint64_t)s->step + 1 : 0;
    return 0;
}

int peri_h5select_resolve(const peri_h5select_t *s, size_t ndims, const uint64_t *dims,
                          peri_h5part_t *out, peri_err_t *err)
{
    static const peri_h5slice_t all = {.step = 1};
    memset(out, 0, sizeof(*out));
    if (s->n > ndims || ndims > PERI_H5SELECT_DIMS)
        return peri_err_set(err, PERI_EINVAL,
                            "the selection has %zu members, the dataset %zu dimension%s",
                            s->n, ndims, ndims == 1 ? "" : "s");
    out->ndims = ndims;
    for (size_t i = 0; i < ndims; i++)
        if (resolve(i < s->n ? &s->v[i] : &all, i, dims[i], out, err)) return -1;
    return 0;
}

uint64_t peri_h5part_size(const peri_h5part_t *p)
{
    uint64_t n = 1;
    bool over = false;
    for (size_t i = 0; i < p->ndims; i++) {
        if (p->count[i] == 0) return 0;
        over |= __builtin_mul_overflow(n, p->count[i], &n);
    }
    return over ? UINT64_MAX : n;
}
