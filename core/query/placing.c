/* placing.c - see placing.h. */
#include "core/query/placing.h"

#include <stdlib.h>

#include "core/base/util.h"

typedef struct {
    const peri_table_t *t;
    uint64_t *rows; /* kept, of each file */
    int *host;      /* that reads each file; PERI_HOST_ANY: it is shared out */
    uint64_t *load; /* rows of each host */
    int *ranks;     /* of each host */
} placing_t;

static size_t count_holders(const peri_file_t *f)
{
    size_t n = 0;
    int32_t last = PERI_HOST_ANY;
    /* Places on nodes come first; those of one storage are in order of hosts. */
    for (size_t i = 0; i < f->nplaces && f->places[i].host >= 0; i++) {
        if (n && f->places[i].host == last) continue;
        last = f->places[i].host;
        n++;
    }
    return n;
}

/* Rows for each rank of a host are what counts, not its rows. */
static bool less_loaded(const placing_t *p, int a, int b)
{
    unsigned __int128 x = (unsigned __int128)p->load[a] * (unsigned)p->ranks[b];
    unsigned __int128 y = (unsigned __int128)p->load[b] * (unsigned)p->ranks[a];
    return x < y || (x == y && a < b);
}

static void place_files(placing_t *p)
{
    for (size_t f = 0; f < p->t->nfiles; f++) {
        const peri_file_t *file = &p->t->files[f];
        p->host[f] = PERI_HOST_ANY;
        if (count_holders(file) != 1) continue;
        p->host[f] = file->places[0].host;
        p->load[p->host[f]] += p->rows[f];
    }
    for (size_t f = 0; f < p->t->nfiles; f++) {
        const peri_file_t *file = &p->t->files[f];
        if (count_holders(file) < 2) continue;
        int best = file->places[0].host;
        for (size_t i = 1; i < file->nplaces && file->places[i].host >= 0; i++)
            if (less_loaded(p, file->places[i].host, best)) best = file->places[i].host;
        p->host[f] = best;
        p->load[best] += p->rows[f];
    }
}

static void ranges_of(const placing_t *p, const peri_ranges_t *kept, int host,
                      peri_ranges_t *out)
{
    for (size_t i = 0; i < kept->n; i++)
        if (p->host[kept->v[i].file] == host)
            peri_ranges_push(out, kept->v[i].file, kept->v[i].row0, kept->v[i].row1);
}

static int compare_loads(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The level to which `rows` more fill up the loads. */
static uint64_t fill_level(const uint64_t *loads, int n, uint64_t rows)
{
    uint64_t *v = peri_xcalloc((size_t)n, sizeof(*v));
    for (int i = 0; i < n; i++) v[i] = loads[i];
    qsort(v, (size_t)n, sizeof(*v), compare_loads);
    uint64_t level = v[0];
    for (int i = 1; i <= n; i++) {
        uint64_t step = i < n ? v[i] - level : UINT64_MAX;
        if ((unsigned __int128)step * (unsigned)i >= rows) {
            level += (rows + (unsigned)i - 1) / (unsigned)i;
            break;
        }
        rows -= step * (unsigned)i;
        level = v[i];
    }
    free(v);
    return level;
}

/* Shared files, in order, to the ranks that have least. */
static void share_rest(const peri_ranges_t *rest, uint64_t align, int nranks,
                       peri_ranges_t *shares)
{
    uint64_t all = peri_ranges_rows(rest), given = 0;
    if (all == 0) return;
    uint64_t *loads = peri_xcalloc((size_t)nranks, sizeof(*loads));
    for (int r = 0; r < nranks; r++) loads[r] = peri_ranges_rows(&shares[r]);
    uint64_t level = fill_level(loads, nranks, all);
    for (int r = 0; r < nranks; r++) {
        uint64_t n = loads[r] < level ? level - loads[r] : 0;
        if (n > all - given) n = all - given;
        if (n == 0) continue;
        peri_ranges_t mine = {0}, both = {0};
        peri_ranges_cut(rest, align, given, given + n == all ? UINT64_MAX : given + n,
                        &mine);
        peri_ranges_merge(&shares[r], &mine, &both);
        peri_ranges_free(&mine);
        peri_ranges_free(&shares[r]);
        shares[r] = both;
        given += n;
    }
    free(loads);
}

void peri_placing_share(const peri_table_t *t, const peri_ranges_t *kept, uint64_t align,
                        const int *host_of, int nranks, peri_ranges_t *shares)
{
    placing_t p = {.t = t};
    p.rows = peri_xcalloc(t->nfiles, sizeof(*p.rows));
    p.host = peri_xcalloc(t->nfiles, sizeof(*p.host));
    p.load = peri_xcalloc(t->nhosts, sizeof(*p.load));
    p.ranks = peri_xcalloc(t->nhosts, sizeof(*p.ranks));
    for (size_t i = 0; i < kept->n; i++)
        p.rows[kept->v[i].file] += kept->v[i].row1 - kept->v[i].row0;
    for (int r = 0; r < nranks; r++) p.ranks[host_of[r]]++;
    place_files(&p);
    for (int h = 0; h < (int)t->nhosts; h++) {
        peri_ranges_t here = {0};
        int nth = 0;
        ranges_of(&p, kept, h, &here);
        for (int r = 0; r < nranks; r++)
            if (host_of[r] == h)
                peri_ranges_share(&here, align, nth++, p.ranks[h], &shares[r]);
        peri_ranges_free(&here);
    }
    peri_ranges_t rest = {0};
    ranges_of(&p, kept, PERI_HOST_ANY, &rest);
    share_rest(&rest, align, nranks, shares);
    peri_ranges_free(&rest);
    free(p.rows);
    free(p.host);
    free(p.load);
    free(p.ranks);
}
