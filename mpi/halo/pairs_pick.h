/* pairs_pick.h - leaves out what cannot count: points of a tile too far from the other
 * tile's box. What is left is stored without gaps, columns followed by infinite ones.
 */
#ifndef MPI_HALO_PAIRS_PICK_H
#define MPI_HALO_PAIRS_PICK_H

#include <math.h>

#include "mpi/halo/pairs_private.h"

/* Vector kernels read and write up to a vector past the end. */
#define PAIRS_ROOM (PAIRS_TILE + 8)

typedef struct {
    size_t n;
    _Alignas(64) double at[3][PAIRS_ROOM];
    _Alignas(64) int64_t weight[PAIRS_ROOM]; /* only where the set has weights */
} pairs_picked_t;

/* Pairs count if the squares of some axes sum up to less than far, and of others to less
 * than far2: a sphere (the other ones are none) or a cylinder. */
typedef struct {
    double far, far2;
    double axis[3]; /* 1: belongs to far; 0: to far2 */
} pairs_shape_t;

static inline pairs_shape_t pairs_shape_sphere(double far)
{
    return (pairs_shape_t){far, INFINITY, {1, 1, 1}};
}

/* The shape of all bins of a job. */
static inline pairs_shape_t pairs_shape_of(const pairs_job_t *job)
{
    pairs_shape_t s = pairs_shape_sphere(job->far);
    if (job->kind == PERI_PAIRS_RP_PI && job->los != PERI_LOS_MIDPOINT) {
        s.far = job->first.square[job->first.n - 1];
        s.far2 = job->second.square[job->second.n - 1];
        s.axis[job->los] = 0;
    }
    return s;
}

static inline void pairs_picked_end(pairs_picked_t *out)
{
    for (size_t j = out->n; j < out->n + 8; j++)
        for (int d = 0; d < 3; d++) out->at[d][j] = INFINITY;
}

/* Rows: the points of a near b's box; else the points of b near a's box. */
static inline void pairs_pick(const pairs_tiles_t *t, const double shift[3],
                              const pairs_shape_t *shape, bool rows, pairs_picked_t *out)
{
    const double *const *from = rows ? t->a : t->b;
    const int64_t *weight = rows ? t->wa : t->wb;
    const pairs_node_t *box = rows ? t->boxb : t->boxa;
    const size_t n = rows ? t->na : t->nb;
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0, sum2 = 0;
        for (int d = 0; d < 3; d++) {
            const double p = from[d][i];
            const double lo = (rows ? box->lo[d] - p : p - box->hi[d]) - shift[d];
            const double hi = (rows ? box->hi[d] - p : p - box->lo[d]) - shift[d];
            const double near = lo > -hi ? lo : -hi;
            const double gap = near > 0 ? near * near : 0;
            sum += gap * shape->axis[d];
            sum2 += gap * (1 - shape->axis[d]);
            out->at[d][out->n] = p;
        }
        if (weight) out->weight[out->n] = weight[i];
        out->n += (sum < shape->far) & (sum2 < shape->far2);
    }
    pairs_picked_end(out);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define PAIRS_AVX512 "avx512f,avx512dq,avx512vl,avx512bw"

__attribute__((target(PAIRS_AVX512), always_inline)) static inline void
pairs_pick_avx512(const pairs_tiles_t *t, const double *shift, const pairs_shape_t *shape,
                  bool rows, pairs_picked_t *out)
{
    const double *const *from = rows ? t->a : t->b;
    const int64_t *weight = rows ? t->wa : t->wb;
    const pairs_node_t *box = rows ? t->boxb : t->boxa;
    const size_t n = rows ? t->na : t->nb;
    const __m512d zero = _mm512_setzero_pd();
    out->n = 0;
    for (size_t i = 0; i < n; i += 8) {
        __m512d p[3], sum = zero, sum2 = zero;
        for (int d = 0; d < 3; d++) {
            const __m512d l = _mm512_set1_pd(box->lo[d]), h = _mm512_set1_pd(box->hi[d]);
            const __m512d s = _mm512_set1_pd(shift[d]),
                          f = _mm512_set1_pd(shape->axis[d]);
            p[d] = _mm512_load_pd(from[d] + i);
            const __m512d lo =
                _mm512_sub_pd(rows ? _mm512_sub_pd(l, p[d]) : _mm512_sub_pd(p[d], h), s);
            const __m512d hi =
                _mm512_sub_pd(rows ? _mm512_sub_pd(h, p[d]) : _mm512_sub_pd(p[d], l), s);
            const __m512d near =
                _mm512_max_pd(_mm512_max_pd(lo, _mm512_sub_pd(zero, hi)), zero);
            const __m512d gap = _mm512_mul_pd(near, near);
            sum = _mm512_add_pd(sum, _mm512_mul_pd(gap, f));
            sum2 = _mm512_add_pd(sum2,
                                 _mm512_mul_pd(gap, _mm512_sub_pd(_mm512_set1_pd(1), f)));
        }
        __mmask8 m = n - i < 8 ? (__mmask8)((1u << (n - i)) - 1) : 0xff;
        m = _mm512_mask_cmp_pd_mask(m, sum, _mm512_set1_pd(shape->far), _CMP_LT_OQ);
        m = _mm512_mask_cmp_pd_mask(m, sum2, _mm512_set1_pd(shape->far2), _CMP_LT_OQ);
        for (int d = 0; d < 3; d++)
            _mm512_storeu_pd(out->at[d] + out->n, _mm512_maskz_compress_pd(m, p[d]));
        if (weight)
            _mm512_storeu_si512(
                out->weight + out->n,
                _mm512_maskz_compress_epi64(m, _mm512_loadu_si512(weight + i)));
        out->n += (unsigned)__builtin_popcount(m);
    }
    pairs_picked_end(out);
}
#endif

#endif
