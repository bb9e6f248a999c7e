/* param.h - values for the parameters ($name) of a query: NAME=VALUE words as JSON. */
#ifndef CLI_PARAM_H
#define CLI_PARAM_H

#include <jansson.h>

#include "perigee/err.h"

/* Adds one to *params, an object that is made when it is NULL. VALUE is a number, true,
 * false, null or "text" in quotes if it looks so (as JSON writes them), else text as it
 * is. */
int peri_param_add(json_t **params, const char *word, peri_err_t *err);

#endif
