/* transfer.h - files between this machine and the portal's storage: several at once, over
 * as many broken connections and restarts of the portal as it takes.
 *
 * Uploads go by tus (docs/uploads.md). What is known of one that is not complete is kept
 * in $XDG_CACHE_HOME/perigee/uploads (~/.cache/perigee/uploads), so that the same command
 * goes on where it stopped, also after it was killed. Downloads grow in a hidden file
 * beside their goal and get its name when they are whole. SHA-256 of both sides is
 * compared before a file gets its name. One thread.
 */
#ifndef CLI_TRANSFER_H
#define CLI_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/client.h"
#include "cli/place.h"

typedef struct {
    bool up;
    char *local;
    peri_place_t remote;
    int64_t size; /* as far as it is known before; -1: not */
    char tag[96]; /* down: which version of the file it is; "": not known */
    /* what became of it */
    bool done, resumed;
    int64_t bytes; /* sent or received by this command */
    double seconds;
    char sum[80];  /* "sha256:HEX", or "" */
    char why[512]; /* not done: a sentence */
} peri_transfer_t;

typedef struct {
    unsigned at_once; /* 1 to PERI_TRANSFER_MAX */
    bool overwrite;   /* a file at the goal may be replaced */
    bool check;       /* compare checksums */
    bool quiet;       /* no progress */
    double patience;  /* seconds without any progress after which a file is given up */
} peri_transferopts_t;
#define PERI_TRANSFER_MAX 8

/* Goes on with the others when one fails. Returns how many are not done; PERI_ECANCEL in
 * *err if the user ended it, a sentence is in each that had begun. Failures are told on
 * stderr as they happen. */
size_t peri_transfer_run(peri_client_t *c, peri_transfer_t *t, size_t n,
                         const peri_transferopts_t *o, peri_err_t *err);
void peri_transfer_free(peri_transfer_t *t); /* what is in it */

#endif
