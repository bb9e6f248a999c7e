/* fof_number.c - groups get their order and numbers over all ranks, and members the
 * numbers of their groups.
 */
#include <stdlib.h>

#include "mpi/halo/fof_private.h"
#include "mpi/particles/sort.h"

static int compare_groups(const void *a, const void *b)
{
    const peri_owned_t *x = a, *y = b;
    if (x->group.np != y->group.np) return x->group.np > y->group.np ? -1 : 1;
    if (x->group.first_id != y->group.first_id)
        return x->group.first_id < y->group.first_id ? -1 : 1;
    /* Only where ids are not unique. */
    for (int k = 0; k < 3; k++)
        if (x->origin.x[k] != y->origin.x[k])
            return x->origin.x[k] < y->origin.x[k] ? -1 : 1;
    return 0;
}

static int compare_members(const void *a, const void *b)
{
    const peri_fof_member_t *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* A group's number on its way back: at is a slot of its owner, then a piece. */
typedef struct {
    int64_t number;
    uint32_t at;
} number_t;

/* numbers[slot] of this rank's groups, from the ranks that sorted them. */
static int send_to_owners(const peri_collect_t *c, const peri_owned_t *sorted, size_t n,
                          int64_t **numbers, peri_err_t *err)
{
    number_t *out = malloc((n + 1) * sizeof(*out)), *in = NULL;
    int *dest = malloc((n + 1) * sizeof(*dest)), status = -1;
    *numbers = malloc((c->ngroups + 1) * sizeof(**numbers));
    size_t nin = 0;
    int rc = out && dest && *numbers ? 0 : peri_collect_no_memory(err);
    if (peri_ranks_agree(rc, c->comm, err)) goto out;
    for (size_t i = 0; i < n; i++) {
        out[i] = (number_t){sorted[i].group.number, sorted[i].slot};
        dest[i] = sorted[i].rank;
    }
    if (peri_items_exchange(out, sizeof(*out), n, dest, c->comm, (void **)&in, &nin, err))
        goto out;
    for (size_t i = 0; i < nin; i++) (*numbers)[in[i].at] = in[i].number;
    status = 0;
out:
    free(out);
    free(in);
    free(dest);
    return status;
}

/* of_part[part]: the number of its group. */
static int send_to_parts(const peri_collect_t *c, const int64_t *numbers,
                         int64_t **of_part, peri_err_t *err)
{
    number_t *out = malloc((c->nfound + 1) * sizeof(*out)), *in = NULL;
    int *dest = malloc((c->nfound + 1) * sizeof(*dest)), status = -1;
    *of_part = malloc((c->nparts + 1) * sizeof(**of_part));
    size_t n = 0, nin = 0;
    int rc = out && dest && *of_part ? 0 : peri_collect_no_memory(err);
    if (peri_ranks_agree(rc, c->comm, err)) goto out;
    for (size_t i = 0; i < c->nfound; i++) {
        if (c->found_slot[i] == PERI_NO_PART) continue;
        dest[n] = c->found[i].rank;
        out[n++] = (number_t){numbers[c->found_slot[i]], c->found[i].piece};
    }
    if (peri_items_exchange(out, sizeof(*out), n, dest, c->comm, (void **)&in, &nin, err))
        goto out;
    for (size_t i = 0; i < c->nclosed; i++) (*of_part)[i] = numbers[c->parts[i].slot];
    for (size_t i = 0; i < nin; i++) (*of_part)[c->part_of[in[i].at]] = in[i].number;
    status = 0;
out:
    free(out);
    free(in);
    free(dest);
    return status;
}

static int list_members(const peri_collect_t *c, const int64_t *of_part,
                        peri_fof_t *result, peri_err_t *err)
{
    const peri_particles_t *p = c->p;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += c->part_of[c->pieces->piece_of[i]] != PERI_NO_PART;
    result->members = malloc((n + 1) * sizeof(*result->members));
    int rc = result->members ? 0 : peri_collect_no_memory(err);
    if (peri_ranks_agree(rc, c->comm, err)) return -1;
    for (size_t i = 0; i < p->n; i++) {
        uint32_t part = c->part_of[c->pieces->piece_of[i]];
        if (part != PERI_NO_PART)
            result->members[result->nmembers++] =
                (peri_fof_member_t){of_part[part], p->id[i]};
    }
    return peri_items_sort((void **)&result->members, &result->nmembers,
                           sizeof(*result->members), compare_members, c->comm, err);
}

int peri_fof_number_groups(peri_collect_t *c, peri_fof_t *result, peri_err_t *err)
{
    int64_t *numbers = NULL, *of_part = NULL;
    size_t n = c->ngroups;
    int rc = peri_items_sort((void **)&c->groups, &n, sizeof(*c->groups), compare_groups,
                             c->comm, err);
    if (rc) return -1;
    int64_t mine = (int64_t)n, before = 0;
    MPI_Exscan(&mine, &before, 1, MPI_INT64_T, MPI_SUM, c->comm);
    if (c->rank == 0) before = 0;
    result->groups = malloc((n + 1) * sizeof(*result->groups));
    rc = result->groups ? 0 : peri_collect_no_memory(err);
    if ((rc = peri_ranks_agree(rc, c->comm, err))) return -1;
    result->ngroups = n;
    for (size_t i = 0; i < n; i++) {
        c->groups[i].group.number = before + (int64_t)i;
        result->groups[i] = c->groups[i].group;
    }
    if (c->options->members) {
        rc = send_to_owners(c, c->groups, n, &numbers, err);
        if (!rc) rc = send_to_parts(c, numbers, &of_part, err);
        if (!rc) rc = list_members(c, of_part, result, err);
        free(numbers);
        free(of_part);
    }
    return rc;
}
