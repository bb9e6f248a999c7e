/* target.h - a file that appears whole or not at all.
 *
 * _new finds out at once what would make the end fail (no folder, no permission,
 * something else in the place) and chooses a temporary name beside the place. Whoever
 * writes makes that file (exclusively: O_EXCL or its library's like). _commit syncs it
 * and renames it; _free without _commit removes it.
 */
#ifndef CORE_OUT_TARGET_H
#define CORE_OUT_TARGET_H

#include <stdbool.h>

#include "perigee/err.h"

typedef struct peri_target peri_target_t;

peri_target_t *peri_target_new(const char *path, bool overwrite, peri_err_t *err);
const char *peri_target_path(const peri_target_t *t); /* as given */
const char *peri_target_temp(const peri_target_t *t);
/* sync: on the disk when it returns */
int peri_target_commit(peri_target_t *t, bool sync, peri_err_t *err);
void peri_target_free(peri_target_t *t); /* accepts NULL */

#endif
