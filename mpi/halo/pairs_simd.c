/* pairs_simd.c - counts of pairs of two tiles below squared distances, for three
 * instruction sets; the inner loop of r and theta without weights.
 *
 * First what cannot count is left out: rows of a too far from b's box, and columns of b
 * too far from a's box. Then each row is compared with vectors of columns. All sets do
 * the same IEEE operations in the same order (no fused ones: see CMakeLists.txt), so all
 * count alike.
 */
#include <math.h>

#include "mpi/halo/pairs_pick.h"

/* Edges that a vector kernel compares every pair with at once. */
#define TOP_EDGES  6
#define AVX2_EDGES 4
#define DEEP       100.0

/* How many of the first edges so few pairs are below that they are not worth a comparison
 * of each pair: those whose sphere is small against the boxes' sum. */
static size_t deep_edges(const pairs_tiles_t *t, const double *square, size_t n)
{
    double room = 1;
    for (int d = 0; d < 3; d++)
        room *= (t->boxa->hi[d] - t->boxa->lo[d]) + (t->boxb->hi[d] - t->boxb->lo[d]);
    size_t k = 0;
    while (k < n && DEEP * square[k] * sqrt(square[k]) < room) k++;
    return k;
}

/* How many of the last of n edges to take at once: no deep ones unless there is room. */
static size_t chunk(size_t n, size_t deep, size_t most)
{
    const size_t k = n - deep < most ? n - deep : most;
    return k < most && deep > 0 ? (n < most ? n : most) : k;
}

static void below_portable(const pairs_tiles_t *t, const pairs_job_t *job,
                           const double *square, size_t n, uint64_t *below)
{
    const double *s = job->shift;
    const pairs_shape_t near = pairs_shape_sphere(square[n - 1]);
    pairs_picked_t a, b;
    pairs_pick(t, s, &near, true, &a);
    if (a.n == 0) return;
    pairs_pick(t, s, &near, false, &b);
    const size_t nb = (b.n + 7) & ~(size_t)7;
    for (size_t i = 0; i < a.n; i++) {
        double q[PAIRS_ROOM];
        for (size_t j = 0; j < nb; j++) {
            const double dx = (b.at[0][j] - a.at[0][i]) - s[0];
            const double dy = (b.at[1][j] - a.at[1][i]) - s[1];
            const double dz = (b.at[2][j] - a.at[2][i]) - s[2];
            q[j] = dx * dx + dy * dy + dz * dz;
        }
        int64_t c = 1;
        for (size_t k = n; k-- > 0 && c > 0;) {
            c = 0;
            for (size_t j = 0; j < nb; j++) c += q[j] < square[k];
            below[k] += (uint64_t)c;
        }
    }
}

#if defined(__x86_64__)

#define AVX2   __attribute__((target("avx2,popcnt"), always_inline)) static inline
#define AVX512 __attribute__((target(PAIRS_AVX512), always_inline)) static inline

/* Edges that few pairs are below: looked at only where a lane is. */
AVX2 void deep_avx2(__m256d q, int m, const double *square, size_t n, uint64_t *below)
{
    while (n-- > 0 && m) {
        m = _mm256_movemask_pd(_mm256_cmp_pd(q, _mm256_set1_pd(square[n]), _CMP_LT_OQ));
        below[n] += (unsigned)__builtin_popcount((unsigned)m);
    }
}

/* n edges, and ndeep before them. */
AVX2 void rows_avx2(const pairs_picked_t *a, const pairs_picked_t *b, const double *s,
                    const double *square, const int n, size_t ndeep, uint64_t *below)
{
    const __m256d sx = _mm256_set1_pd(s[0]), sy = _mm256_set1_pd(s[1]),
                  sz = _mm256_set1_pd(s[2]);
    __m256d edge[AVX2_EDGES];
    __m256i count[AVX2_EDGES];
    for (int k = 0; k < n; k++) edge[k] = _mm256_set1_pd(square[k]);
    for (int k = 0; k < n; k++) count[k] = _mm256_setzero_si256();
    for (size_t j = 0; j < b->n; j += 4) {
        const __m256d x = _mm256_load_pd(b->at[0] + j), y = _mm256_load_pd(b->at[1] + j),
                      z = _mm256_load_pd(b->at[2] + j);
        for (size_t i = 0; i < a->n; i++) {
            const __m256d dx =
                _mm256_sub_pd(_mm256_sub_pd(x, _mm256_broadcast_sd(a->at[0] + i)), sx);
            const __m256d dy =
                _mm256_sub_pd(_mm256_sub_pd(y, _mm256_broadcast_sd(a->at[1] + i)), sy);
            const __m256d dz =
                _mm256_sub_pd(_mm256_sub_pd(z, _mm256_broadcast_sd(a->at[2] + i)), sz);
            const __m256d q =
                _mm256_add_pd(_mm256_add_pd(_mm256_mul_pd(dx, dx), _mm256_mul_pd(dy, dy)),
                              _mm256_mul_pd(dz, dz));
            __m256d less = _mm256_setzero_pd();
            for (int k = n - 1; k >= 0; k--) {
                less = _mm256_cmp_pd(q, edge[k], _CMP_LT_OQ);
                count[k] = _mm256_sub_epi64(count[k], _mm256_castpd_si256(less));
            }
            if (n == AVX2_EDGES && ndeep) { /* less is of the innermost edge */
                const int m = _mm256_movemask_pd(less);
                if (m) deep_avx2(q, m, square - ndeep, ndeep, below - ndeep);
            }
        }
    }
    for (int k = 0; k < n; k++) {
        _Alignas(32) uint64_t lane[4];
        _mm256_store_si256((__m256i *)lane, count[k]);
        below[k] += lane[0] + lane[1] + lane[2] + lane[3];
    }
}

__attribute__((target("avx2,popcnt"))) static void below_avx2(const pairs_tiles_t *t,
                                                              const pairs_job_t *job,
                                                              const double *square,
                                                              size_t n, uint64_t *below)
{
    const pairs_shape_t near = pairs_shape_sphere(square[n - 1]);
    pairs_picked_t a, b;
    pairs_pick(t, job->shift, &near, true, &a);
    if (a.n == 0) return;
    pairs_pick(t, job->shift, &near, false, &b);
    const size_t deep = n > AVX2_EDGES ? deep_edges(t, square, n) : 0;
    for (size_t left = n; left > 0;) {
        const size_t k = chunk(left, deep, AVX2_EDGES);
        const bool last = left - k <= deep;
        left -= k;
        const double *sq = square + left;
        const size_t ndeep = last ? left : 0;
        if (k == 1)
            rows_avx2(&a, &b, job->shift, sq, 1, 0, below + left);
        else if (k == 2)
            rows_avx2(&a, &b, job->shift, sq, 2, 0, below + left);
        else if (k == 3)
            rows_avx2(&a, &b, job->shift, sq, 3, 0, below + left);
        else
            rows_avx2(&a, &b, job->shift, sq, AVX2_EDGES, ndeep, below + left);
        if (last) break;
    }
}

/* Edges that few pairs are below: looked at only where a lane is. */
AVX512 void deep_avx512(__m512d q, __mmask8 m, const double *square, size_t n,
                        uint64_t *below)
{
    while (n-- > 0 && m) {
        m = _mm512_mask_cmp_pd_mask(m, q, _mm512_set1_pd(square[n]), _CMP_LT_OQ);
        below[n] += (unsigned)__builtin_popcount(m);
    }
}

/* n edges, and ndeep before them. */
AVX512 void rows_avx512(const pairs_picked_t *a, const pairs_picked_t *b, const double *s,
                        bool shifted, const double *square, const int n, size_t ndeep,
                        uint64_t *below)
{
    const __m512d sx = _mm512_set1_pd(s[0]), sy = _mm512_set1_pd(s[1]),
                  sz = _mm512_set1_pd(s[2]);
    const __m512i one = _mm512_set1_epi64(1);
    __m512d edge[TOP_EDGES];
    __m512i count[TOP_EDGES];
    for (int k = 0; k < n; k++) edge[k] = _mm512_set1_pd(square[k]);
    for (int k = 0; k < n; k++) count[k] = _mm512_setzero_si512();
    for (size_t j = 0; j < b->n; j += 8) {
        const __m512d x = _mm512_load_pd(b->at[0] + j), y = _mm512_load_pd(b->at[1] + j),
                      z = _mm512_load_pd(b->at[2] + j);
        for (size_t i = 0; i < a->n; i++) {
            __m512d dx = _mm512_sub_pd(x, _mm512_set1_pd(a->at[0][i]));
            __m512d dy = _mm512_sub_pd(y, _mm512_set1_pd(a->at[1][i]));
            __m512d dz = _mm512_sub_pd(z, _mm512_set1_pd(a->at[2][i]));
            if (shifted) {
                dx = _mm512_sub_pd(dx, sx);
                dy = _mm512_sub_pd(dy, sy);
                dz = _mm512_sub_pd(dz, sz);
            }
            const __m512d q =
                _mm512_add_pd(_mm512_add_pd(_mm512_mul_pd(dx, dx), _mm512_mul_pd(dy, dy)),
                              _mm512_mul_pd(dz, dz));
            __mmask8 m[TOP_EDGES];
            for (int k = 0; k < n; k++) {
                m[k] = _mm512_cmp_pd_mask(q, edge[k], _CMP_LT_OQ);
                count[k] = _mm512_mask_add_epi64(count[k], m[k], count[k], one);
            }
            if (n == TOP_EDGES && ndeep && m[0])
                deep_avx512(q, m[0], square - ndeep, ndeep, below - ndeep);
        }
    }
    for (int k = 0; k < n; k++) below[k] += (uint64_t)_mm512_reduce_add_epi64(count[k]);
}

#define KERNEL(m, shifted)                                                               \
    __attribute__((target(PAIRS_AVX512))) static void rows##m##_##shifted(               \
        const pairs_picked_t *a, const pairs_picked_t *b, const double *s,               \
        const double *square, size_t ndeep, uint64_t *below)                             \
    {                                                                                    \
        rows_avx512(a, b, s, shifted, square, m, ndeep, below);                          \
    }
KERNEL(1, 0)
KERNEL(2, 0)
KERNEL(3, 0)
KERNEL(4, 0)
KERNEL(5, 0)
KERNEL(6, 0)
KERNEL(1, 1)
KERNEL(2, 1)
KERNEL(3, 1)
KERNEL(4, 1)
KERNEL(5, 1)
KERNEL(6, 1)
#undef KERNEL

typedef void rows_t(const pairs_picked_t *a, const pairs_picked_t *b, const double *s,
                    const double *square, size_t ndeep, uint64_t *below);

__attribute__((target(PAIRS_AVX512))) static void below_avx512(const pairs_tiles_t *t,
                                                               const pairs_job_t *job,
                                                               const double *square,
                                                               size_t n, uint64_t *below)
{
    static rows_t *const kernels[2][TOP_EDGES] = {
        {rows1_0, rows2_0, rows3_0, rows4_0, rows5_0, rows6_0},
        {rows1_1, rows2_1, rows3_1, rows4_1, rows5_1, rows6_1}};
    const pairs_shape_t near = pairs_shape_sphere(square[n - 1]);
    pairs_picked_t a, b;
    pairs_pick_avx512(t, job->shift, &near, true, &a);
    if (a.n == 0) return;
    pairs_pick_avx512(t, job->shift, &near, false, &b);
    const size_t deep = n > TOP_EDGES ? deep_edges(t, square, n) : 0;
    while (n > 0) {
        const size_t k = chunk(n, deep, TOP_EDGES);
        const bool last = n - k <= deep;
        n -= k;
        kernels[job->shifted][k - 1](&a, &b, job->shift, square + n, last ? n : 0,
                                     below + n);
        if (last) break;
    }
}
#endif

pairs_below_t *pairs_below_kernel(peri_simd_t simd)
{
#if defined(__x86_64__)
    if (simd == PERI_SIMD_AVX512) return below_avx512;
    if (simd == PERI_SIMD_AVX2) return below_avx2;
#endif
    (void)simd;
    return below_portable;
}
