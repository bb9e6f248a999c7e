/* place.h - where something lies in the portal's storage, as it is written on the command
 * line:
 *
 *   VOLUME:PATH             in a volume of one's own, as persistent:halos/x.h5
 *   OWNER/VOLUME:PATH       of somebody else
 *   team:NAME/VOLUME:PATH   of a team
 *   data:/NAME:PATH         files of a dataset
 *   job:NUMBER:PATH         results of a job
 *
 * Pure. A name of a file on this machine that has a ":" is written with "./" before it.
 */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include <stdbool.h>

#include "perigee/err.h"

typedef struct {
    char *owner;  /* "ana", "team:NAME", "data:"; NULL: who asks */
    char *volume; /* its name */
    char *path;   /* in it, without "/" before and behind; "": the volume itself */
    bool folder;  /* it was written with a "/" behind: must be one */
} peri_place_t;

/* Does s look like one (and not like a file of this machine)? */
bool peri_place_is(const char *s);
/* `.` and empty parts of the path are left out, `..` is refused. With bare_ok a volume's
 * name needs no ":". */
int peri_place_parse(const char *s, bool bare_ok, peri_place_t *out, peri_err_t *err);
void peri_place_free(peri_place_t *p); /* accepts a zeroed struct */

/* The first part of its path is the job's number. */
bool peri_place_is_job(const peri_place_t *p);
/* "/files/OWNER/VOLUME/PATH" ("/jobs/NUMBER/files/PATH"), with what must be escaped;
 * `account` is who asks. The caller frees. */
char *peri_place_url(const peri_place_t *p, const char *account, const char *prefix);
/* As it is written on the command line. The caller frees. */
char *peri_place_text(const peri_place_t *p);
/* The last part of its path, or the volume's name; points into p. */
const char *peri_place_name(const peri_place_t *p);
/* The place `name` in folder p. */
void peri_place_below(const peri_place_t *p, const char *name, peri_place_t *out);

#endif
