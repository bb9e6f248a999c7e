/* test_mpi_post.c - every rank sends to every other: order, content, the window, the end.
 * Run with mpirun -n 3 (any number works). Exit status 1 and a line on stderr if it
 * fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/post.h"

#define MESSAGES   60
#define WINDOW     (8u << 20)
#define OUTBOX_MAX (16u << 20)

#define CHECK(cond)                                                                      \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            fprintf(stderr, "rank %d: line %d: %s\n", rank, __LINE__, #cond);            \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                \
        }                                                                                \
    } while (0)

static int rank, nranks;
static peri_outbox_t outbox;
static peri_bell_t bell;

/* From 0 bytes to more than a window, different for every message. */
static size_t size_of(int src, uint64_t i)
{
    static const size_t sizes[] = {0, 1, 1000, 70000, 1u << 20, 3u << 20};
    if (i == 30) return WINDOW + 12345;
    return sizes[(i * 7 + (uint64_t)src) % 6] + (i ? i % 13 : 0);
}

static unsigned char byte_of(int src, uint64_t i)
{
    return (unsigned char)(i * 31 + (uint64_t)src * 7);
}

static void *produce(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        peri_buf_t b;
        peri_buf_init(&b, 64u << 20);
        peri_outbox_begin(&b);
        size_t n = size_of(rank, i);
        memset(peri_buf_reserve(&b, n), byte_of(rank, i), n);
        peri_buf_commit(&b, n);
        const peri_msg_t head = {.kind = PERI_MSG_DATA, .a = i};
        CHECK(peri_outbox_put(&outbox, PERI_TO_OTHERS, &head, &b) == 0);
        CHECK(b.len == 0);
        pthread_mutex_lock(&outbox.lock);
        CHECK(outbox.bytes <= OUTBOX_MAX);
        pthread_mutex_unlock(&outbox.lock);
        peri_buf_free(&b);
    }
    return NULL;
}

static void check_message(const peri_inmsg_t *m, uint64_t expected)
{
    CHECK(m->head.kind == PERI_MSG_DATA);
    CHECK(m->head.a == expected);
    CHECK(m->len == size_of(m->src, expected));
    for (size_t k = 0; k < m->len; k++)
        CHECK((unsigned char)m->payload[k] == byte_of(m->src, expected));
}

static void ack(peri_post_t *post, int src, size_t bytes)
{
    const peri_msg_t head = {.kind = PERI_MSG_ACK, .a = bytes};
    peri_post_send(post, src, &head, NULL, 0);
}

/* Every rank gets all of every other, in order. Acknowledgements are held back until the
 * window must be full: no more than it may have come in by then. */
static void test_all_to_all(void)
{
    peri_outbox_init(&outbox, OUTBOX_MAX, &bell);
    peri_post_t *post = peri_post_new(MPI_COMM_WORLD, &outbox);
    uint64_t *next = peri_xcalloc((size_t)nranks, sizeof(*next));
    size_t *unacked = peri_xcalloc((size_t)nranks, sizeof(*unacked));
    pthread_t producer;
    CHECK(pthread_create(&producer, NULL, produce, NULL) == 0);

    const int expected = (nranks - 1) * MESSAGES;
    int got = 0, quiet = 0;
    while (got < expected || !peri_post_idle(post) || outbox.bytes) {
        bool moved = false;
        for (peri_inmsg_t *m; (m = peri_post_receive(post));) {
            check_message(m, next[m->src]++);
            size_t bytes = m->len + sizeof(m->head);
            CHECK(unacked[m->src] == 0 || unacked[m->src] + bytes <= WINDOW);
            unacked[m->src] += bytes;
            free(m);
            got++;
            moved = true;
        }
        moved |= peri_post_pump(post);
        quiet = moved ? 0 : quiet + 1;
        for (int i = 0; quiet > 20 && i < nranks; i++) {
            if (unacked[i]) ack(post, i, unacked[i]);
            unacked[i] = 0;
        }
        if (!moved) peri_bell_wait(&bell, 100);
    }
    pthread_join(producer, NULL);
    MPI_Request all;
    int done = 0;
    MPI_Ibarrier(MPI_COMM_WORLD, &all);
    while (!done) {
        free(peri_post_receive(post));
        peri_post_pump(post);
        MPI_Test(&all, &done, MPI_STATUS_IGNORE);
    }
    CHECK(outbox.bytes == 0);
    peri_post_free(post);
    peri_outbox_destroy(&outbox);
    free(next);
    free(unacked);
}

/* A box that was closed wakes who waits for room, and takes nothing more. */
static void *fill(void *arg)
{
    int *refused = arg;
    for (int i = 0; i < 100 && !*refused; i++) {
        peri_buf_t b;
        peri_buf_init(&b, 64u << 20);
        peri_outbox_begin(&b);
        size_t n = 1u << 20;
        memset(peri_buf_reserve(&b, n), 0, n);
        peri_buf_commit(&b, n);
        const peri_msg_t head = {.kind = PERI_MSG_DATA};
        if (peri_outbox_put(&outbox, 0, &head, &b)) *refused = i + 1;
        peri_buf_free(&b);
    }
    return NULL;
}

static void test_close(void)
{
    peri_outbox_init(&outbox, OUTBOX_MAX, &bell);
    int refused = 0;
    pthread_t t;
    CHECK(pthread_create(&t, NULL, fill, &refused) == 0);
    for (;;) {
        pthread_mutex_lock(&outbox.lock);
        bool full = outbox.bytes + (1u << 20) > OUTBOX_MAX;
        pthread_mutex_unlock(&outbox.lock);
        if (full) break;
        peri_bell_wait(&bell, 1000);
    }
    peri_outbox_close(&outbox);
    pthread_join(t, NULL);
    CHECK(refused == 16);
    CHECK(outbox.bytes == 0);
    CHECK(peri_outbox_take(&outbox) == NULL);
    peri_outbox_destroy(&outbox);
}

int main(int argc, char **argv)
{
    int provided;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &nranks);
    peri_bell_init(&bell);
    test_all_to_all();
    test_close();
    peri_bell_destroy(&bell);
    MPI_Finalize();
    return 0;
}
