/* finder.h - shapes around centres, and which of them a point may be in.
 *
 * A grid of cells over the space knows for each cell the shapes that touch it. In a
 * periodic box a shape reaches through the border; its extent is at most half the box in
 * each direction, so that only the nearest image of a point can be in it.
 *
 * Local to a rank; read-only once it is made.
 */
#ifndef MPI_AROUND_FINDER_H
#define MPI_AROUND_FINDER_H

#include <stdbool.h>

#include "mpi/around/centres.h"

typedef enum { PERI_SPHERE, PERI_BOX, PERI_CONE, PERI_CYLINDER } peri_shapekind_t;

/* The same for all centres but for the radius, which is the centre's where it has one. */
typedef struct {
    peri_shapekind_t kind;
    double radius;  /* of a sphere, cylinder; of a cone: up to this distance */
    double size[3]; /* sides of a box; a centre with a radius r has a cube of side 2 r */
    double axis[3]; /* of a cone, from its tip at the centre, and of a cylinder, of length
                       1 */
    double cosine;  /* of the angle between a cone's axis and side */
    double length;  /* of a cylinder, half of it on each side of the centre */
} peri_shape_t;

/* The shape is possible for this centre; box: NULL in open space. */
int peri_shape_check(const peri_shape_t *s, const peri_centre_t *c, const double *box,
                     peri_err_t *err);
/* How far it reaches from its centre. */
void peri_shape_extent(const peri_shape_t *s, const peri_centre_t *c, double lo[3],
                       double hi[3]);
/* d is relative to the centre, r its length. Borders of spheres, cones and cylinders
 * belong to them; of boxes only the lower ones. */
bool peri_shape_has(const peri_shape_t *s, const peri_centre_t *c, const double d[3],
                    double r);

/* SQL for positions ({pos}) that may be in any of them; "" if there is nothing to gain.
 */
void peri_shape_sql(const peri_shape_t *s, const peri_centre_t *centres, size_t n,
                    const double *box, char *sql, size_t size);

typedef struct peri_finder peri_finder_t;

/* The centres are kept by reference. Checked before. */
peri_finder_t *peri_finder_new(const peri_shape_t *s, const peri_centre_t *centres,
                               size_t n, const double *box, peri_err_t *err);
void peri_finder_free(peri_finder_t *f);
/* The centres whose shapes may hold this position (in the box, if there is one): indices
 * [list, list + n). */
size_t peri_finder_at(const peri_finder_t *f, const double x[3], const uint32_t **list);

/* From a centre to a position, the short way: in [-box / 2, box / 2). */
static inline double peri_short_way(double d, double box)
{
    if (d >= box / 2) return d - box;
    return d < -box / 2 ? d + box : d;
}

/* Says how far it is: -1 ends the work. May be NULL. */
typedef struct {
    int (*tick)(void *arg, double done, double total, peri_err_t *err);
    void *arg;
} peri_progressing_t;

#endif
