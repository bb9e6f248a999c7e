/* fof_groups.c - from pieces to groups, their numbers and their members.
 *
 * The rank that owns the particle that a group's label counts owns the group. Pieces that
 * nobody else has a part of (nearly all) are groups already; the others tell the owner
 * how many particles they have, learn whether the group is large enough and which
 * particle is its first, and add up what they have of it. Only sums go to the owner,
 * never particles, so a group may be larger than a rank. Then groups are sorted over all
 * ranks and so get their numbers, which go back the same way.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/fof_private.h"
#include "mpi/halo/fof_sums.h"
#include "mpi/particles/sort.h"

int peri_collect_no_memory(peri_err_t *err)
{
    return peri_err_set(err, PERI_ELIMIT,
                        "there is no memory to collect the groups: use more ranks, or a "
                        "larger min_particles");
}

void peri_collect_clear(peri_collect_t *c)
{
    free(c->found);
    free(c->found_slot);
    free(c->groups);
    free(c->part_of);
    free(c->parts);
    free(c->part_rank);
}

static int owner_of(const peri_collect_t *c, uint64_t label)
{
    int low = 0, high = c->nranks - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (label < c->pieces->first[middle + 1])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The smallest id decides; where ids are not unique, the position. */
static bool comes_first(int64_t id, const double x[3], const peri_part_t *than)
{
    if (id != than->first_id) return id < than->first_id;
    for (int k = 0; k < 3; k++)
        if (x[k] != than->origin.x[k]) return x[k] < than->origin.x[k];
    return false;
}

static void count_particle(peri_part_t *t, const peri_particles_t *p, size_t i)
{
    const double x[3] = {p->x[i], p->y[i], p->z[i]};
    if (t->np++ && !comes_first(p->id[i], x, t)) return;
    t->first_id = p->id[i];
    memcpy(t->origin.x, x, sizeof(x));
    if (p->vx)
        memcpy(t->origin.v, (double[]){p->vx[i], p->vy[i], p->vz[i]},
               sizeof(t->origin.v));
}

/* Which pieces are or may be of a large enough group: in *parts, closed ones first;
 * part_of tells for each piece. */
static int choose_parts(peri_collect_t *c, peri_part_t **parts, size_t *nparts,
                        peri_err_t *err)
{
    const peri_pieces_t *pieces = c->pieces;
    const peri_particles_t *p = c->p;
    uint32_t *count = calloc(pieces->npieces + 1, sizeof(*count));
    c->part_of = count;
    if (!count) return peri_collect_no_memory(err);
    for (size_t i = 0; i < p->n; i++) count[pieces->piece_of[i]]++;
    size_t n[2] = {0, 0};
    for (size_t k = 0; k < pieces->npieces; k++)
        if (pieces->open[k] ? count[k] > 0 : count[k] >= c->options->min_particles)
            n[(int)pieces->open[k]]++;
    c->nclosed = n[0];
    *nparts = n[0] + n[1];
    *parts = calloc(*nparts + 1, sizeof(**parts));
    if (!*parts) return peri_collect_no_memory(err);
    size_t at[2] = {0, n[0]};
    for (size_t k = 0; k < pieces->npieces; k++) {
        int open = pieces->open[k];
        bool chosen = open ? count[k] > 0 : count[k] >= c->options->min_particles;
        c->part_of[k] = chosen ? (uint32_t)at[open] : PERI_NO_PART;
        if (!chosen) continue;
        (*parts)[at[open]++] = (peri_part_t){
            .label = pieces->label[k], .rank = c->rank, .piece = (uint32_t)k};
    }
    for (size_t i = 0; i < p->n; i++) {
        uint32_t part = c->part_of[pieces->piece_of[i]];
        if (part != PERI_NO_PART) count_particle(&(*parts)[part], p, i);
    }
    return 0;
}

static int compare_labels(const void *a, const void *b)
{
    const peri_part_t *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static void own_group(peri_collect_t *c, const peri_part_t *whole)
{
    c->groups[c->ngroups] =
        (peri_owned_t){.group = {.np = whole->np, .first_id = whole->first_id},
                       .origin = whole->origin,
                       .rank = c->rank,
                       .slot = (uint32_t)c->ngroups};
    c->ngroups++;
}

/* The owner looks which of its open groups are large enough, gives them slots after those
 * of the closed ones, and makes the answers. */
static int answer_parts(peri_collect_t *c, peri_kept_t **answers, int **dest,
                        size_t *nanswers, peri_err_t *err)
{
    size_t n = c->nfound;
    qsort(c->found, n, sizeof(*c->found), compare_labels);
    c->found_slot = malloc((n + 1) * sizeof(*c->found_slot));
    *answers = malloc((n + 1) * sizeof(**answers));
    *dest = malloc((n + 1) * sizeof(**dest));
    peri_owned_t *more = realloc(c->groups, (c->ngroups + n + 1) * sizeof(*more));
    if (more) c->groups = more;
    if (!c->found_slot || !*answers || !*dest || !more)
        return peri_collect_no_memory(err);
    for (size_t i = 0, end; i < n; i = end) {
        peri_part_t whole = c->found[i];
        for (end = i + 1; end < n && c->found[end].label == whole.label; end++) {
            const peri_part_t *t = &c->found[end];
            whole.np += t->np;
            if (comes_first(t->first_id, t->origin.x, &whole)) {
                whole.first_id = t->first_id;
                whole.origin = t->origin;
            }
        }
        bool large = (uint64_t)whole.np >= c->options->min_particles;
        for (size_t k = i; k < end; k++) {
            c->found_slot[k] = large ? (uint32_t)c->ngroups : PERI_NO_PART;
            if (!large) continue;
            (*dest)[*nanswers] = c->found[k].rank;
            (*answers)[(*nanswers)++] =
                (peri_kept_t){c->found[k].piece, (uint32_t)c->ngroups, whole.origin};
        }
        if (large) own_group(c, &whole);
    }
    return 0;
}

/* Closed parts are groups: they get the first slots. */
static int own_closed(peri_collect_t *c, const peri_part_t *parts, peri_err_t *err)
{
    c->groups = malloc((c->nclosed + 1) * sizeof(*c->groups));
    if (!c->groups) return peri_collect_no_memory(err);
    for (size_t i = 0; i < c->nclosed; i++) own_group(c, &parts[i]);
    return 0;
}

/* Now c->parts is what this rank has of groups that are large enough. */
static int keep_parts(peri_collect_t *c, const peri_part_t *parts, size_t nall,
                      const peri_kept_t *answers, size_t nanswers, peri_err_t *err)
{
    c->nparts = c->nclosed + nanswers;
    c->parts = malloc((c->nparts + 1) * sizeof(*c->parts));
    c->part_rank = malloc((c->nparts + 1) * sizeof(*c->part_rank));
    if (!c->parts || !c->part_rank) return peri_collect_no_memory(err);
    for (size_t i = c->nclosed; i < nall; i++) c->part_of[parts[i].piece] = PERI_NO_PART;
    for (size_t i = 0; i < c->nparts; i++) {
        bool closed = i < c->nclosed;
        c->parts[i] = closed ? (peri_kept_t){parts[i].piece, (uint32_t)i, parts[i].origin}
                             : answers[i - c->nclosed];
        uint32_t piece = c->parts[i].piece;
        c->part_rank[i] = closed ? c->rank : owner_of(c, c->pieces->label[piece]);
        c->part_of[piece] = (uint32_t)i;
    }
    return 0;
}

int peri_fof_find_groups(peri_collect_t *c, peri_err_t *err)
{
    peri_part_t *parts = NULL, *open = NULL;
    peri_kept_t *answers = NULL, *got = NULL;
    int *dest = NULL, *back = NULL, status = -1;
    size_t nparts = 0, nopen = 0, nanswers = 0, ngot = 0;
    int rc = choose_parts(c, &parts, &nparts, err);
    if (!rc) rc = own_closed(c, parts, err);
    if (!rc && !(dest = malloc((nparts + 1) * sizeof(*dest))))
        rc = peri_collect_no_memory(err);
    if (peri_ranks_agree(rc, c->comm, err)) goto out;
    open = parts + c->nclosed;
    nopen = nparts - c->nclosed;
    for (size_t i = 0; i < nopen; i++) dest[i] = owner_of(c, open[i].label);
    if (peri_items_exchange(open, sizeof(*open), nopen, dest, c->comm, (void **)&c->found,
                            &c->nfound, err))
        goto out;
    rc = answer_parts(c, &answers, &back, &nanswers, err);
    if (peri_ranks_agree(rc, c->comm, err)) goto out;
    if (peri_items_exchange(answers, sizeof(*answers), nanswers, back, c->comm,
                            (void **)&got, &ngot, err))
        goto out;
    rc = keep_parts(c, parts, nparts, got, ngot, err);
    status = peri_ranks_agree(rc, c->comm, err);
out:
    free(parts);
    free(answers);
    free(got);
    free(dest);
    free(back);
    return status;
}

/* ---- sums ---- */

typedef struct {
    peri_fof_sums_t sums;
    uint32_t slot;
} partial_t;

static void sum_parts(const peri_collect_t *c, partial_t *sums)
{
    for (size_t i = 0; i < c->p->n; i++) {
        uint32_t part = c->part_of[c->pieces->piece_of[i]];
        if (part != PERI_NO_PART)
            peri_fof_sums_add_particle(&sums[part].sums, c->p, i, &c->parts[part].origin,
                                       &c->scales);
    }
    for (size_t i = 0; i < c->nparts; i++) sums[i].slot = c->parts[i].slot;
}

int peri_fof_sum_groups(peri_collect_t *c, peri_err_t *err)
{
    if (peri_fof_scales(c->p, &c->scales, c->comm, err)) return -1;
    partial_t *sums = calloc(c->nparts + 1, sizeof(*sums)), *got = NULL;
    peri_fof_sums_t *whole = calloc(c->ngroups + 1, sizeof(*whole));
    size_t ngot = 0;
    int rc = sums && whole ? 0 : peri_collect_no_memory(err);
    if ((rc = peri_ranks_agree(rc, c->comm, err))) goto out;
    sum_parts(c, sums);
    rc = peri_items_exchange(sums + c->nclosed, sizeof(*sums), c->nparts - c->nclosed,
                             c->part_rank + c->nclosed, c->comm, (void **)&got, &ngot,
                             err);
    if (rc) goto out;
    for (size_t i = 0; i < c->nclosed; i++) whole[sums[i].slot] = sums[i].sums;
    for (size_t i = 0; i < ngot; i++)
        peri_fof_sums_add(&whole[got[i].slot], &got[i].sums);
    for (size_t s = 0; s < c->ngroups; s++)
        peri_fof_sums_group(&whole[s], c->p, &c->groups[s].origin, &c->scales,
                            &c->groups[s].group, c->groups[s].offset);
out:
    free(sums);
    free(got);
    free(whole);
    return rc;
}
