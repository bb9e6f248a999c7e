/* so_ask.c - which ranks are asked about a shell around a centre. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "mpi/halo/so_private.h"

static int add_for(peri_so_queries_t *s, const peri_so_query_t *q, int rank,
                   peri_err_t *err)
{
    if (s->n == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 1024;
        peri_so_query_t *queries = realloc(s->queries, capacity * sizeof(*queries));
        if (queries) s->queries = queries;
        int *dest = realloc(s->dest, capacity * sizeof(*dest));
        if (dest) s->dest = dest;
        if (!queries || !dest)
            return peri_err_set(err, PERI_ELIMIT,
                                "there is no memory to search around centres: use more "
                                "ranks");
        s->capacity = capacity;
    }
    s->queries[s->n] = *q;
    s->dest[s->n++] = rank;
    return 0;
}

/* Does a region have anything with inner < distance <= outer? */
static bool touches(const peri_region_t *g, const double x[3], double inner, double outer)
{
    double near2 = 0, far2 = 0;
    for (int k = 0; k < 3; k++) {
        double gap = x[k] < g->lo[k] ? g->lo[k] - x[k] : x[k] - g->hi[k];
        double far = fmax(fabs(x[k] - g->lo[k]), fabs(x[k] - g->hi[k]));
        if (gap > 0) near2 += gap * gap;
        far2 += far * far;
    }
    return near2 <= outer * outer * (1 + 1e-9) && far2 >= inner * inner * (1 - 1e-9);
}

int peri_so_queries_add(peri_so_queries_t *s, const peri_so_query_t *query, double inner,
                        double outer, peri_err_t *err)
{
    const peri_particles_t *p = s->p;
    int low[3], high[3], t[3];
    for (int k = 0; k < 3; k++) {
        /* Images that reach into the box. */
        low[k] = p->periodic && query->x[k] + outer >= p->box[k] ? -1 : 0;
        high[k] = p->periodic && query->x[k] - outer <= 0 ? 1 : 0;
    }
    for (t[0] = low[0]; t[0] <= high[0]; t[0]++)
        for (t[1] = low[1]; t[1] <= high[1]; t[1]++)
            for (t[2] = low[2]; t[2] <= high[2]; t[2]++) {
                peri_so_query_t q = *query;
                for (int k = 0; k < 3; k++) q.x[k] += t[k] * p->box[k];
                for (int r = 0; r < s->nranks; r++) {
                    peri_region_t g = peri_particles_region(p, r);
                    if (touches(&g, q.x, inner, outer) && add_for(s, &q, r, err))
                        return -1;
                }
            }
    return 0;
}

peri_so_asked_t *peri_so_queries_send(peri_so_queries_t *s, size_t *n, peri_err_t *err)
{
    int rank, rc = 0;
    MPI_Comm_rank(s->comm, &rank);
    peri_so_asked_t *out = malloc((s->n + 1) * sizeof(*out));
    void *in = NULL;
    if (!out)
        rc = peri_err_set(err, PERI_ELIMIT, "there is no memory to send %zu queries",
                          s->n);
    if (!peri_ranks_agree(rc, s->comm, err)) {
        for (size_t i = 0; i < s->n; i++) out[i] = (peri_so_asked_t){rank, s->queries[i]};
        if (peri_items_exchange(out, sizeof(*out), s->n, s->dest, s->comm, &in, n, err))
            in = NULL;
    }
    s->n = 0;
    free(out);
    return in;
}
