/* pairs_bin.c - bins the pairs of two tiles one by one: two quantities, weights,
 * separations.
 *
 * For each point of a: the squared quantities with all points of b, as vectors; those
 * within the edges, moved together; their bins, one by one.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/halo/pairs_pick.h"

enum { LANES = 4, LANES_UP_TO = 1 << 14, COMPARE_UP_TO = 24 };

void pairs_sums_init(pairs_sums_t *s, const peri_pairs_counts_t *out)
{
    s->nbins = out->nbins;
    s->lanes = s->nbins <= LANES_UP_TO ? LANES : 1;
    s->count = peri_xcalloc(s->nbins * s->lanes, sizeof *s->count);
    if (out->weight) s->weight = peri_xcalloc(s->nbins * s->lanes, sizeof *s->weight);
    if (out->separation)
        s->separation = peri_xcalloc(s->nbins * s->lanes, sizeof *s->separation);
}

void pairs_sums_end(pairs_sums_t *s, peri_pairs_counts_t *out, uint64_t times)
{
    for (size_t i = 0; i < s->nbins * s->lanes; i++) {
        const size_t k = i % s->nbins;
        out->count[k] += times * s->count[i];
        if (s->weight) out->weight[k] += (int64_t)times * s->weight[i];
        if (s->separation) out->separation[k] += (int64_t)times * s->separation[i];
    }
    free(s->count);
    free(s->weight);
    free(s->separation);
    *s = (pairs_sums_t){0};
}

/* In units. An angle is found from its chord. */
static inline int64_t separation(const pairs_job_t *job, double square)
{
    const double chord = sqrt(square);
    if (job->kind != PERI_PAIRS_THETA) return llrint(chord * job->per_separation);
    const double half = chord < 2 ? asin(chord / 2) : M_PI / 2;
    return llrint(2 * half * (180 / M_PI) * job->per_separation);
}

/* The bins of n squares, of which all are at or above edge above - 1 and below edge upto:
 * by comparing all with the edges between, or one by one if these are many. */
static inline __attribute__((always_inline)) void
find_bins(const pairs_edges_t *e, size_t above, size_t upto, size_t n,
          const double *square, int64_t *bin)
{
    if (upto - above > COMPARE_UP_TO) {
        const pairs_edges_t copy = *e; /* that nothing aliases */
        for (size_t f = 0; f < n; f++)
            bin[f] = (int64_t)pairs_edges_find(&copy, square[f]) - 1;
        return;
    }
    n = (n + 7) & ~(size_t)7;
    for (size_t f = 0; f < n; f++) bin[f] = (int64_t)above - 1;
    for (size_t k = above; k < upto; k++) {
        const double edge = e->square[k];
        for (size_t f = 0; f < n; f++) bin[f] += square[f] >= edge;
    }
}

/* Adds pairs of a point of weight wi with points index[] of weights wj[] (NULL: 1). */
static inline __attribute__((always_inline)) void
add_pairs(const pairs_tiles_t *t, const pairs_job_t *job, size_t n, const double *first,
          const double *second, const int64_t *index, int64_t wi, const int64_t *wj)
{
    const pairs_sums_t s = job->sums;
    int64_t bin[PAIRS_ROOM], more[PAIRS_ROOM];
    find_bins(&job->first, t->above[0], t->upto[0], n, first, bin);
    if (job->second.n) {
        const int64_t nsecond = (int64_t)job->second.n - 1;
        find_bins(&job->second, t->above[1], t->upto[1], n, second, more);
        for (size_t f = 0; f < n; f++) bin[f] = bin[f] * nsecond + more[f];
    }
    for (size_t f = 0; f < n; f++) {
        bin[f] += (int64_t)((f & (s.lanes - 1)) * s.nbins);
        s.count[bin[f]]++;
    }
    if (s.weight)
        for (size_t f = 0; f < n; f++)
            s.weight[bin[f]] += (__int128)wi * (wj ? wj[index[f]] : 1);
    if (s.separation)
        for (size_t f = 0; f < n; f++) s.separation[bin[f]] += separation(job, first[f]);
}

/* Moves what lies within the edges to the front; index says where it was. */
static inline __attribute__((always_inline)) size_t
compact(const pairs_job_t *job, size_t n, double *first, double *second, int64_t *index)
{
    const double lo = job->first.square[0], hi = job->first.square[job->first.n - 1];
    const bool two = job->second.n > 0;
    const double lo2 = two ? job->second.square[0] : 0;
    const double hi2 = two ? job->second.square[job->second.n - 1] : 1;
    size_t found = 0;
    for (size_t j = 0; j < n; j++) {
        const double q = first[j], r = two ? second[j] : 0;
        const bool in = (q >= lo) & (q < hi) & ((r >= lo2) & (r < hi2));
        first[found] = q;
        if (two) second[found] = r;
        index[found] = (int64_t)j;
        found += in;
    }
    return found;
}

#if defined(__x86_64__)
__attribute__((target(PAIRS_AVX512), always_inline)) static inline size_t
compact_avx512(const pairs_job_t *job, size_t n, double *first, double *second,
               int64_t *index)
{
    const bool two = job->second.n > 0;
    const __m512d lo = _mm512_set1_pd(job->first.square[0]);
    const __m512d hi = _mm512_set1_pd(job->first.square[job->first.n - 1]);
    const __m512d lo2 = _mm512_set1_pd(two ? job->second.square[0] : 0);
    const __m512d hi2 = _mm512_set1_pd(two ? job->second.square[job->second.n - 1] : 0);
    __m512i at = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    size_t found = 0;
    for (size_t j = 0; j < n; j += 8) {
        const __m512d q = _mm512_load_pd(first + j);
        __mmask8 m = _mm512_cmp_pd_mask(q, hi, _CMP_LT_OQ);
        m = _mm512_mask_cmp_pd_mask(m, q, lo, _CMP_GE_OQ);
        if (two) {
            const __m512d r = _mm512_load_pd(second + j);
            m = _mm512_mask_cmp_pd_mask(m, r, hi2, _CMP_LT_OQ);
            m = _mm512_mask_cmp_pd_mask(m, r, lo2, _CMP_GE_OQ);
            _mm512_storeu_pd(second + found, _mm512_maskz_compress_pd(m, r));
        }
        _mm512_storeu_pd(first + found, _mm512_maskz_compress_pd(m, q));
        _mm512_storeu_si512(index + found, _mm512_maskz_compress_epi64(m, at));
        at = _mm512_add_epi64(at, _mm512_set1_epi64(8));
        found += (unsigned)__builtin_popcount(m);
    }
    return found;
}
#endif

#define TARGET
#define NAME(x) x##_portable
#define PICK    pairs_pick
#define COMPACT compact
#include "mpi/halo/pairs_bin.inc"
#undef TARGET
#undef NAME

#if defined(__x86_64__)
#define TARGET  __attribute__((target("avx2")))
#define NAME(x) x##_avx2
#include "mpi/halo/pairs_bin.inc"
#undef TARGET
#undef NAME
#undef PICK
#undef COMPACT

#define TARGET  __attribute__((target(PAIRS_AVX512)))
#define NAME(x) x##_avx512
#define PICK    pairs_pick_avx512
#define COMPACT compact_avx512
#include "mpi/halo/pairs_bin.inc"
#endif

pairs_bin_t *pairs_bin_kernel(peri_simd_t simd)
{
#if defined(__x86_64__)
    if (simd == PERI_SIMD_AVX512) return bin_avx512;
    if (simd == PERI_SIMD_AVX2) return bin_avx2;
#endif
    (void)simd;
    return bin_portable;
}
