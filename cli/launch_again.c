/* launch_again.c - a query on many ranks, started again if a table was replaced just
 * then.
 *
 * Rank 0 takes hold of the version of a table that it meets; other ranks open the file by
 * its name a moment later and may find a newer one (core/mydb/README.md). Another start
 * may do, if that repeats no long work, and no rows that somebody has read already.
 */
#include <string.h>

#include "cli/launch.h"
#include "core/base/util.h"

#define AGAIN_LIMIT 60 /* seconds of work that may be done twice */

static bool may_start_again(const peri_queryspec_t *spec, double took,
                            const peri_err_t *err)
{
    bool unseen = spec->into || spec->format == PERI_FMT_TABLE;
    return err->code == PERI_ECONFLICT && unseen && took < AGAIN_LIMIT;
}

int peri_launch_query(const peri_queryspec_t *spec, int nranks,
                      const peri_launchopts_t *o, peri_err_t *err)
{
    const double started = peri_now();
    int rc = peri_launch_once(spec, nranks, o, err);
    if (rc == 0 || !may_start_again(spec, peri_now() - started, err)) return rc;
    memset(err, 0, sizeof(*err));
    return peri_launch_once(spec, nranks, o, err);
}
