/* kernel_common.h - what the kernels of this folder share. */
#ifndef MPI_AROUND_KERNEL_COMMON_H
#define MPI_AROUND_KERNEL_COMMON_H

#include "mpi/around/finder.h"
#include "perigee/kernel.h"

/* A list of three numbers; `param` is given or has a preset. */
int peri_vector_read(const peri_run_t *run, const char *param, double out[3],
                     peri_err_t *err);

/* The centres of a call: those of input 1, or the one that the parameter `centre` says;
 * inside the periodic box of input 0, on all ranks. *all is malloc'd. Collective. */
int peri_centres_read(peri_run_t *run, peri_centre_t **all, size_t *n, peri_err_t *err);
/* Before data is read: is exactly one of both there? */
int peri_centres_given(const peri_run_t *run, peri_err_t *err);
extern const peri_coldef_t peri_centre_extra[1]; /* `extra` of input 1 */

/* Velocities and masses of the inputs are wanted where there are any. */
void peri_all_wanted(const peri_run_t *run, peri_need_t *need);

/* The periodic box of input 0, or NULL. */
const double *peri_box_of(const peri_run_t *run);

/* A peri_progressing_t that tells the framework. */
typedef struct {
    peri_run_t *run;
    const char *what;
} peri_teller_t;
int peri_tell(void *teller, double done, double total, peri_err_t *err);

/* Values of a row of the result. */
static inline void peri_put_f64(peri_rowset_t *r, size_t column, size_t row, double v)
{
    ((double *)peri_rowset_data(r, column))[row] = v;
}
static inline void peri_put_i64(peri_rowset_t *r, size_t column, size_t row, int64_t v)
{
    ((int64_t *)peri_rowset_data(r, column))[row] = v;
}
static inline void peri_put_i32(peri_rowset_t *r, size_t column, size_t row, int32_t v)
{
    ((int32_t *)peri_rowset_data(r, column))[row] = v;
}
static inline void peri_put_f32(peri_rowset_t *r, size_t column, size_t row, double v)
{
    ((float *)peri_rowset_data(r, column))[row] = (float)v;
}
static inline void peri_put_position(peri_rowset_t *r, size_t column, size_t row,
                                     const double v[3])
{
    for (size_t k = 0; k < 3; k++)
        ((double *)peri_rowset_data(r, column))[3 * row + k] = v[k];
}
static inline void peri_put_velocity(peri_rowset_t *r, size_t column, size_t row,
                                     const double v[3])
{
    for (size_t k = 0; k < 3; k++)
        ((float *)peri_rowset_data(r, column))[3 * row + k] = (float)v[k];
}

#endif
