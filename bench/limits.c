/* limits.c - how fast this machine can read memory and inflate: what no scan can beat.
 *
 *   bench_limits [THREADS]
 *
 * Prints one JSON object: GB/s of reading a buffer much larger than the caches, and of
 * inflating shuffled float32 values of the kind bench/scan writes (GB/s of inflated
 * bytes), with one thread and with all.
 */
#include <libdeflate.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES   (512u << 20) /* of each thread */
#define CHUNK_VALUES 65536u
#define CHUNK_BYTES  (CHUNK_VALUES * sizeof(float))
#define MAX_THREADS  256
#define TIMES        5

typedef struct {
    const uint64_t *words;
    size_t nwords;
    uint64_t sum;
    const void *packed;
    size_t npacked;
    int rounds;
    pthread_barrier_t *start;
} job_t;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *reader(void *arg)
{
    job_t *j = arg;
    pthread_barrier_wait(j->start);
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 4 <= j->nwords; i += 4) {
        a += j->words[i];
        b += j->words[i + 1];
        c += j->words[i + 2];
        d += j->words[i + 3];
    }
    j->sum = a + b + c + d;
    return NULL;
}

static void *inflater(void *arg)
{
    job_t *j = arg;
    struct libdeflate_decompressor *z = libdeflate_alloc_decompressor();
    uint8_t *out = malloc(CHUNK_BYTES);
    if (!z || !out) abort();
    pthread_barrier_wait(j->start);
    for (int i = 0; i < j->rounds; i++)
        if (libdeflate_zlib_decompress(z, j->packed, j->npacked, out, CHUNK_BYTES, NULL))
            abort();
    j->sum = out[0];
    free(out);
    libdeflate_free_decompressor(z);
    return NULL;
}

/* Best of TIMES: bytes per second of nthreads threads that do `bytes` each. */
static double rate(void *(*work)(void *), job_t *jobs, int nthreads, double bytes)
{
    double best = 1e30;
    for (int t = 0; t < TIMES; t++) {
        pthread_barrier_t start;
        pthread_t id[MAX_THREADS];
        pthread_barrier_init(&start, NULL, (unsigned)nthreads + 1);
        for (int i = 0; i < nthreads; i++) {
            jobs[i].start = &start;
            if (pthread_create(&id[i], NULL, work, &jobs[i])) abort();
        }
        pthread_barrier_wait(&start);
        double t0 = now();
        for (int i = 0; i < nthreads; i++) pthread_join(id[i], NULL);
        double seconds = now() - t0;
        if (seconds < best) best = seconds;
        pthread_barrier_destroy(&start);
    }
    return bytes * nthreads / best;
}

/* Uniform random floats, bytes shuffled, deflated as h5py's "gzip" level 4 does. */
static void *make_packed(size_t *n)
{
    static float values[CHUNK_VALUES];
    static uint8_t shuffled[CHUNK_BYTES];
    const uint8_t *bytes = (const uint8_t *)values;
    srand(1);
    for (size_t i = 0; i < CHUNK_VALUES; i++) values[i] = (float)rand() / (float)RAND_MAX;
    for (size_t i = 0; i < CHUNK_VALUES; i++)
        for (size_t b = 0; b < 4; b++) shuffled[b * CHUNK_VALUES + i] = bytes[4 * i + b];
    struct libdeflate_compressor *z = libdeflate_alloc_compressor(4);
    size_t cap = libdeflate_zlib_compress_bound(z, CHUNK_BYTES);
    void *out = malloc(cap);
    if (!z || !out) abort();
    *n = libdeflate_zlib_compress(z, shuffled, CHUNK_BYTES, out, cap);
    libdeflate_free_compressor(z);
    return out;
}

int main(int argc, char **argv)
{
    int nthreads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (nthreads < 1 || nthreads > MAX_THREADS) {
        fprintf(stderr, "usage: bench_limits [THREADS], at most %d\n", MAX_THREADS);
        return 2;
    }
    static job_t jobs[MAX_THREADS];
    size_t npacked;
    void *packed = make_packed(&npacked);
    for (int i = 0; i < nthreads; i++) {
        uint64_t *words = malloc(READ_BYTES);
        if (!words) abort();
        memset(words, i + 1, READ_BYTES);
        jobs[i] = (job_t){.words = words,
                          .nwords = READ_BYTES / 8,
                          .packed = packed,
                          .npacked = npacked,
                          .rounds = 400};
    }
    double inflated = 400.0 * CHUNK_BYTES;
    printf("{\"threads\": %d, \"read_1\": %.2f, \"read_n\": %.2f, ", nthreads,
           rate(reader, jobs, 1, READ_BYTES) / 1e9,
           rate(reader, jobs, nthreads, READ_BYTES) / 1e9);
    printf("\"inflate_1\": %.3f, \"inflate_n\": %.3f, \"packed\": %.3f}\n",
           rate(inflater, jobs, 1, inflated) / 1e9,
           rate(inflater, jobs, nthreads, inflated) / 1e9,
           (double)npacked / (double)CHUNK_BYTES);
    for (int i = 0; i < nthreads; i++) free((void *)(uintptr_t)jobs[i].words);
    free(packed);
    return 0;
}
