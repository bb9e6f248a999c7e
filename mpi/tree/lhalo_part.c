/* lhalo_part.c - a rank's part of a file of trees: which trees, their counts checked,
 * room for their halos. For both kinds of files.
 */
#include <inttypes.h>
#include <math.h>

#include "core/base/util.h"
#include "mpi/tree/lhalo_private.h"

void peri_lhalo_share(const lhalofile_t *f, const int32_t *nhalos, size_t ntrees,
                      uint64_t total, size_t *first, size_t *end, uint64_t *before)
{
    const uint64_t from = total * (uint64_t)f->part / (uint64_t)f->nparts;
    const uint64_t to = total * (uint64_t)(f->part + 1) / (uint64_t)f->nparts;
    uint64_t sum = 0;
    size_t t = 0;
    for (; t < ntrees && sum < from; t++) sum += (uint64_t)nhalos[t];
    *first = t;
    *before = sum;
    for (; t < ntrees && sum < to; t++) sum += (uint64_t)nhalos[t];
    *end = t;
}

int peri_lhalo_check_counts(const lhalofile_t *f, const int32_t *nhalos, size_t ntrees,
                            uint64_t *total, peri_err_t *err)
{
    *total = 0;
    if (ntrees > PERI_LHALO_TREES)
        return peri_err_set(err, PERI_ELIMIT,
                            "%s has %zu trees: there are numbers for %d in a file.",
                            f->path, ntrees, PERI_LHALO_TREES);
    for (size_t t = 0; t < ntrees; t++) {
        if (nhalos[t] < 0)
            return peri_err_set(err, PERI_EFORMAT, "%s: tree %zu has %" PRId32 " halos.",
                                f->path, t, nhalos[t]);
        *total += (uint64_t)nhalos[t];
    }
    return 0;
}

peri_treehalo_t *peri_lhalo_extend(peri_lhalo_t *l, size_t n)
{
    l->halos = peri_xrealloc(l->halos, l->n + n + 1, sizeof(*l->halos));
    peri_treehalo_t *h = l->halos + l->n;
    for (size_t i = 0; i < n; i++)
        h[i] = (peri_treehalo_t){.main_progenitor = -1,
                                 .subhalo = -1,
                                 .group = -1,
                                 .most_bound = -1,
                                 .mass = NAN,
                                 .m_crit200 = NAN,
                                 .vel_disp = NAN,
                                 .v_max = NAN,
                                 .half_mass_radius = NAN};
    l->n += n;
    return h;
}
