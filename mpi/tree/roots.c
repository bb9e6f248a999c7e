/* roots.c - the end of linking: which tree is each halo in? See link.h.
 *
 * Every halo points to its descendant; pointing to where that one points, again and
 * again, leads all to their roots in as many rounds as the logarithm of the number of
 * snapshots. Each round is a question to the owners, and an answer.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "mpi/tree/link_private.h"
#include "mpi/tree/spread.h"
#include "perigee/particles.h"

/* What is known of where each halo of this rank leads to. */
typedef struct {
    haloref_t root; /* so far */
    int64_t tree;   /* of a root, from the second part on */
} lead_t;

typedef struct {
    haloref_t about; /* of which halo? */
    int rank, pad;   /* who asks */
    size_t place;    /* for which of its halos */
} question_t;

typedef struct {
    size_t place;
    lead_t lead;
} answer_t;

static int answer(const peri_linker_t *l, const lead_t *leads, const question_t *q,
                  size_t n, answer_t *out, int *dest, peri_err_t *err)
{
    for (size_t i = 0; i < n; i++) {
        const linked_t *h = NULL;
        for (size_t s = 0; s < l->nsnapshots && !h; s++)
            if (l->snapshots[s].snapnum == q[i].about.snapnum)
                h = peri_link_find(l, &l->snapshots[s], q[i].about.halo);
        if (!h)
            return peri_err_set(err, PERI_EINVAL,
                                "A particle is in halo %" PRId64
                                " of snapshot %d, but there is no such halo.",
                                q[i].about.halo, (int)q[i].about.snapnum);
        out[i] = (answer_t){q[i].place, leads[h - l->halos]};
        dest[i] = q[i].rank;
    }
    return 0;
}

/* Each halo learns what is known of the one it leads to. */
static int ask(const peri_linker_t *l, lead_t *leads, peri_err_t *err)
{
    int rank;
    MPI_Comm_rank(l->comm, &rank);
    const size_t n = l->nhalos;
    question_t *questions = peri_xmalloc((n + 1) * sizeof(*questions));
    int *dest = peri_xmalloc((n + 1) * sizeof(*dest));
    for (size_t i = 0; i < n; i++) {
        questions[i] = (question_t){leads[i].root, rank, 0, i};
        dest[i] = peri_link_owner(l, leads[i].root.halo);
    }
    void *asked = NULL, *told = NULL;
    size_t nasked = 0, ntold = 0;
    int rc = peri_items_exchange(questions, sizeof(*questions), n, dest, l->comm, &asked,
                                 &nasked, err);
    free(questions);
    free(dest);
    if (rc != 0) return -1;
    answer_t *answers = peri_xmalloc((nasked + 1) * sizeof(*answers));
    dest = peri_xmalloc((nasked + 1) * sizeof(*dest));
    rc = peri_ranks_agree(answer(l, leads, asked, nasked, answers, dest, err), l->comm,
                          err);
    free(asked);
    if (rc == 0)
        rc = peri_items_exchange(answers, sizeof(*answers), nasked, dest, l->comm, &told,
                                 &ntold, err);
    for (size_t i = 0; rc == 0 && i < ntold; i++) {
        const answer_t *a = (const answer_t *)told + i;
        leads[a->place] = a->lead;
    }
    free(answers);
    free(dest);
    free(told);
    return rc;
}

static int find_roots(const peri_linker_t *l, lead_t *leads, peri_err_t *err)
{
    for (size_t i = 0; i < l->nhalos; i++) {
        const linked_t *h = &l->halos[i];
        leads[i].root = h->descendant.snapnum >= 0
                            ? h->descendant
                            : (haloref_t){.halo = h->h.subhalo, .snapnum = h->h.snapnum};
        leads[i].tree = -1;
    }
    /* A line of descendants has at most as many steps as there are snapshots. */
    for (size_t reach = 1; reach < l->nsnapshots; reach *= 2)
        if (ask(l, leads, err) != 0) return -1;
    return 0;
}

static int64_t key_of(const peri_linker_t *l, haloref_t ref)
{
    const int64_t last = l->nsnapshots ? l->snapshots[l->nsnapshots - 1].snapnum : 0;
    return ((last - ref.snapnum) << HALO_BITS) | ref.halo;
}

typedef struct {
    int64_t key;
    int rank, pad;
    size_t place;
} rootkey_t;

typedef struct {
    size_t place;
    int64_t tree;
} rootnumber_t;

static int by_key(const void *a, const void *b)
{
    const rootkey_t *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static bool is_root(const linked_t *h)
{
    return h->descendant.snapnum < 0;
}

/* Sort the roots of all ranks by their keys: their places are the trees' numbers. */
static int number_roots(const peri_linker_t *l, lead_t *leads, peri_err_t *err)
{
    int rank;
    MPI_Comm_rank(l->comm, &rank);
    size_t n = 0, nsorted = 0, ntold = 0;
    rootkey_t *roots = peri_xmalloc((l->nhalos + 1) * sizeof(*roots));
    int64_t *keys = peri_xmalloc((l->nhalos + 1) * sizeof(*keys));
    for (size_t i = 0; i < l->nhalos; i++) {
        if (!is_root(&l->halos[i])) continue;
        keys[n] = key_of(l, leads[i].root);
        roots[n] = (rootkey_t){keys[n], rank, 0, i};
        n++;
    }
    int *dest = peri_xmalloc((n + 1) * sizeof(*dest));
    peri_keys_spread(keys, n, l->comm, dest);
    void *sorted = NULL, *told = NULL;
    int rc = peri_items_exchange(roots, sizeof(*roots), n, dest, l->comm, &sorted,
                                 &nsorted, err);
    free(roots);
    free(keys);
    free(dest);
    if (rc != 0) return -1;
    if (nsorted) qsort(sorted, nsorted, sizeof(rootkey_t), by_key);
    int64_t first = 0, mine = (int64_t)nsorted;
    MPI_Exscan(&mine, &first, 1, MPI_INT64_T, MPI_SUM, l->comm);
    if (rank == 0) first = 0;
    rootnumber_t *numbers = peri_xmalloc((nsorted + 1) * sizeof(*numbers));
    dest = peri_xmalloc((nsorted + 1) * sizeof(*dest));
    for (size_t i = 0; i < nsorted; i++) {
        const rootkey_t *r = (const rootkey_t *)sorted + i;
        numbers[i] = (rootnumber_t){r->place, first + (int64_t)i};
        dest[i] = r->rank;
    }
    free(sorted);
    rc = peri_items_exchange(numbers, sizeof(*numbers), nsorted, dest, l->comm, &told,
                             &ntold, err);
    for (size_t i = 0; rc == 0 && i < ntold; i++) {
        const rootnumber_t *r = (const rootnumber_t *)told + i;
        leads[r->place].tree = r->tree;
    }
    free(numbers);
    free(dest);
    free(told);
    return rc;
}

int peri_linker_finish(peri_linker_t *l, peri_treehalo_t **halos, size_t *n,
                       peri_err_t *err)
{
    lead_t *leads = peri_xmalloc((l->nhalos + 1) * sizeof(*leads));
    int rc = find_roots(l, leads, err);
    if (rc == 0) rc = number_roots(l, leads, err);
    if (rc == 0) rc = ask(l, leads, err);
    if (rc == 0) {
        *n = l->nhalos;
        *halos = peri_xmalloc((l->nhalos + 1) * sizeof(**halos));
        for (size_t i = 0; i < l->nhalos; i++) {
            const linked_t *from = &l->halos[i];
            peri_treehalo_t *h = &(*halos)[i];
            *h = from->h;
            h->tree = leads[i].tree;
            h->key = key_of(l, (haloref_t){.halo = h->subhalo, .snapnum = h->snapnum});
            h->descendant = is_root(from) ? -1 : key_of(l, from->descendant);
            h->main_progenitor = h->first_progenitor = h->next_progenitor = -1;
            h->next_in_group = -1;
            h->first_in_group = h->key;
        }
    }
    free(leads);
    return rc;
}
