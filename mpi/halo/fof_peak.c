/* fof_peak.c - where a group is densest: a sphere that shrinks (Power et al. 2003).
 *
 * It starts around the centre of mass with twice the rms radius. Its centre goes to the
 * centre of mass of the members in it, its radius becomes 0.9 times as large, and so on
 * as long as 10 members are in it; members that have been outside once stay out. Of a
 * group of two clumps that is the heavier one's core, where the centre of mass may be
 * between both. All is in integers, offsets from the group's first particle of 40 bits,
 * so that the place is the same bits for any number of ranks.
 *
 * Groups of one rank need no messages. For the others the owner tells the sphere, the
 * ranks that have a part of it answer with their sums: as many rounds as the sphere
 * shrinks in any group.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mpi/halo/fof_private.h"

#define SHRINK 0.9

enum { FEWEST = 10, MAX_ROUNDS = 200 };

/* What an owner looks for, and what a part of it finds. */
typedef struct {
    int64_t centre[3];
    double radius;
    uint32_t piece;
} sphere_t;

typedef struct {
    __int128 mass, mx[3];
    int64_t np;
    uint32_t slot;
} inside_t;

typedef struct {
    int64_t x[3], mass;
} body_t;

/* Own particles that are members, by part: n of them from start on are still inside. */
typedef struct {
    body_t *bodies;
    uint32_t *start, *n;
    double unit; /* of x, in one of length */
} members_t;

static void free_members(members_t *m)
{
    free(m->bodies);
    free(m->start);
    free(m->n);
}

static int list_members(const peri_collect_t *c, members_t *m, peri_err_t *err)
{
    const peri_particles_t *p = c->p;
    m->start = calloc(c->nparts + 2, sizeof(*m->start));
    m->n = calloc(c->nparts + 1, sizeof(*m->n));
    if (!m->start || !m->n) return peri_collect_no_memory(err);
    for (size_t i = 0; i < p->n; i++) {
        uint32_t part = c->part_of[c->pieces->piece_of[i]];
        if (part != PERI_NO_PART) m->start[part + 1]++;
    }
    for (size_t k = 0; k < c->nparts; k++) m->start[k + 1] += m->start[k];
    m->bodies = malloc((m->start[c->nparts] + (size_t)1) * sizeof(*m->bodies));
    if (!m->bodies) return peri_collect_no_memory(err);
    m->unit = ldexp(c->scales.length, -40);
    const double mass_unit = ldexp(c->scales.mass, -40);
    for (size_t i = 0; i < p->n; i++) {
        uint32_t part = c->part_of[c->pieces->piece_of[i]];
        if (part == PERI_NO_PART) continue;
        double at[3];
        peri_fof_offset(p, i, &c->parts[part].origin, at);
        body_t *b = &m->bodies[m->start[part] + m->n[part]++];
        for (int a = 0; a < 3; a++) b->x[a] = (int64_t)(at[a] * m->unit);
        b->mass = (int64_t)((p->mass ? p->mass[i] : 1) * mass_unit);
    }
    return 0;
}

/* Members of a part that are in the sphere; the others are members no more. */
static inside_t look_inside(const peri_collect_t *c, members_t *m, size_t part,
                            const sphere_t *sphere)
{
    body_t *bodies = m->bodies + m->start[part];
    const double most = sphere->radius * sphere->radius;
    inside_t found = {.slot = c->parts[part].slot};
    uint32_t n = 0;
    for (uint32_t k = 0; k < m->n[part]; k++) {
        const body_t b = bodies[k];
        double dx = (double)(b.x[0] - sphere->centre[0]);
        double dy = (double)(b.x[1] - sphere->centre[1]);
        double dz = (double)(b.x[2] - sphere->centre[2]);
        if (dx * dx + dy * dy + dz * dz > most) continue;
        bodies[n++] = b;
        found.mass += b.mass;
        for (int a = 0; a < 3; a++) found.mx[a] += (__int128)b.mass * b.x[a];
    }
    m->n[part] = n;
    found.np = n;
    return found;
}

/* The next sphere; false if this one has too few members. */
static bool shrink(const inside_t *found, sphere_t *sphere)
{
    if (found->np < FEWEST || found->mass <= 0) return false;
    for (int a = 0; a < 3; a++) sphere->centre[a] = (int64_t)(found->mx[a] / found->mass);
    sphere->radius *= SHRINK;
    return true;
}

static sphere_t first_sphere(const members_t *m, const peri_owned_t *g)
{
    sphere_t s = {.radius = 2 * g->group.radius * m->unit};
    for (int a = 0; a < 3; a++) s.centre[a] = (int64_t)(g->offset[a] * m->unit);
    return s;
}

/* Where it ended; but the centre of mass stays as it is if nothing has shrunk. */
static void take_place(const peri_collect_t *c, const members_t *m, const sphere_t *s,
                       peri_owned_t *g)
{
    sphere_t first = first_sphere(m, g);
    if (s->radius == first.radius) return;
    double offset[3];
    for (int a = 0; a < 3; a++) offset[a] = (double)s->centre[a] / m->unit;
    peri_fof_place(c->p, &g->origin, offset, g->group.position);
}

static void search_closed(peri_collect_t *c, members_t *m)
{
    for (size_t part = 0; part < c->nclosed; part++) {
        peri_owned_t *g = &c->groups[c->parts[part].slot];
        sphere_t sphere = first_sphere(m, g);
        inside_t found;
        int rounds = 0;
        do found = look_inside(c, m, part, &sphere);
        while (++rounds < MAX_ROUNDS && shrink(&found, &sphere));
        take_place(c, m, &sphere, g);
    }
}

/* ---- groups of several ranks ---- */

/* One round: spheres of the owners' open groups out to their parts, sums back. */
static int ask_parts(peri_collect_t *c, members_t *m, const sphere_t *spheres,
                     const bool *active, inside_t *sums, peri_err_t *err)
{
    sphere_t *out = malloc((c->nfound + 1) * sizeof(*out)), *in = NULL;
    int *dest = malloc((c->nfound + c->nparts + 1) * sizeof(*dest)), status = -1;
    inside_t *found = malloc((c->nparts + 1) * sizeof(*found)), *got = NULL;
    size_t n = 0, nin = 0, ngot = 0;
    int rc = out && dest && found ? 0 : peri_collect_no_memory(err);
    if (peri_ranks_agree(rc, c->comm, err)) goto out;
    for (size_t i = 0; i < c->nfound; i++) {
        uint32_t slot = c->found_slot[i];
        if (slot == PERI_NO_PART || !active[slot - c->nclosed]) continue;
        out[n] = spheres[slot - c->nclosed];
        out[n].piece = c->found[i].piece;
        dest[n++] = c->found[i].rank;
    }
    if (peri_items_exchange(out, sizeof(*out), n, dest, c->comm, (void **)&in, &nin, err))
        goto out;
    for (size_t i = 0; i < nin; i++) {
        uint32_t part = c->part_of[in[i].piece];
        found[i] = look_inside(c, m, part, &in[i]);
        dest[i] = c->part_rank[part];
    }
    if (peri_items_exchange(found, sizeof(*found), nin, dest, c->comm, (void **)&got,
                            &ngot, err))
        goto out;
    for (size_t i = 0; i < ngot; i++) {
        inside_t *sum = &sums[got[i].slot - c->nclosed];
        sum->np += got[i].np;
        sum->mass += got[i].mass;
        for (int a = 0; a < 3; a++) sum->mx[a] += got[i].mx[a];
    }
    status = 0;
out:
    free(out);
    free(in);
    free(dest);
    free(found);
    free(got);
    return status;
}

static int search_open(peri_collect_t *c, members_t *m, peri_err_t *err)
{
    const size_t nopen = c->ngroups - c->nclosed;
    peri_owned_t *groups = c->groups + c->nclosed;
    sphere_t *spheres = malloc((nopen + 1) * sizeof(*spheres));
    bool *active = malloc((nopen + 1) * sizeof(*active));
    inside_t *sums = malloc((nopen + 1) * sizeof(*sums));
    int rc = spheres && active && sums ? 0 : peri_collect_no_memory(err);
    if ((rc = peri_ranks_agree(rc, c->comm, err))) goto out;
    for (size_t g = 0; g < nopen; g++) {
        spheres[g] = first_sphere(m, &groups[g]);
        active[g] = true;
    }
    for (int rounds = 0, any = 1; rounds < MAX_ROUNDS; rounds++) {
        any = 0;
        for (size_t g = 0; g < nopen; g++) any |= active[g];
        MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, c->comm);
        if (!any) break;
        memset(sums, 0, nopen * sizeof(*sums));
        if ((rc = ask_parts(c, m, spheres, active, sums, err))) goto out;
        for (size_t g = 0; g < nopen; g++)
            /* The last round is one without a next sphere, as for closed groups. */
            active[g] =
                active[g] && rounds + 1 < MAX_ROUNDS && shrink(&sums[g], &spheres[g]);
    }
    for (size_t g = 0; g < nopen; g++) take_place(c, m, &spheres[g], &groups[g]);
out:
    free(spheres);
    free(active);
    free(sums);
    return rc;
}

int peri_fof_find_peaks(peri_collect_t *c, peri_err_t *err)
{
    members_t m = {0};
    int rc = peri_ranks_agree(list_members(c, &m, err), c->comm, err);
    if (!rc) {
        search_closed(c, &m);
        rc = search_open(c, &m, err);
    }
    free_members(&m);
    return rc;
}
