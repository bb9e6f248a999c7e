/* ask.h - what a descriptor says, asked of a process of its own: `perigee dataset
 * describe --json`. A descriptor or a file that breaks its reader breaks only that.
 */
#ifndef PORTAL_CATALOGUE_ASK_H
#define PORTAL_CATALOGUE_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "portal/config/config.h"

#define PERI_ASK_INSIDE "/volumes/dataset" /* where the process sees `folder` */

typedef struct {
    const char *bin;  /* folder of perigee */
    const char *file; /* the descriptor; with `folder` its name in there */
    int folder;       /* -1; or: an open folder, the only one that the process sees */
    double seconds;   /* at most */
    bool (*stop)(void *arg); /* true: give up; from time to time */
    void *arg;
} peri_ask_t;

/* The JSON of docs/dataset.md (cli/dataset_json.h). NULL: a sentence of the process, or
 * about how it ended. Blocks. Any thread. */
json_t *peri_catalogue_ask(const peri_ask_t *ask, peri_err_t *err);

#endif
