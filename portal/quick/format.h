/* format.h - the formats of rows, as answers have them. */
#ifndef PORTAL_QUICK_FORMAT_H
#define PORTAL_QUICK_FORMAT_H

#include "perigee/err.h"

typedef struct {
    const char *name; /* as `perigee query --format` has it */
    const char *type; /* content type */
    const char *ending;
} peri_rowformat_t;

/* NULL with *err: there is no such. */
const peri_rowformat_t *peri_rowformat_find(const char *name, peri_err_t *err);

#endif
