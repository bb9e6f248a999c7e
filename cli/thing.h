/* thing.h - what can be shared, and with whom, between the words of the command line and
 * the JSON of grants and links:
 *
 *   VOLUME:PATH      {"kind": "volume", "thing": "OWNER/VOLUME:PATH"}
 *   job:NUMBER       {"kind": "job", "thing": "NUMBER"}
 *   job:NUMBER:PATH  the same with "path": a file of its results
 *   dataset:NAME     {"kind": "dataset", "thing": "NAME"}
 *   ben, team:cosmo, everyone
 */
#ifndef CLI_THING_H
#define CLI_THING_H

#include "cli/client.h"

/* A new reference; NULL: an error. */
json_t *peri_thing_json(peri_client_t *c, const char *word, peri_err_t *err);
json_t *peri_thing_whom(const char *word, peri_err_t *err);

/* Back to words, of a grant or link; the caller frees. me: whose volumes have no owner
 * before them. */
char *peri_thing_text(const json_t *grant, const char *me);
char *peri_thing_whom_text(const json_t *grant);
/* "read,write" of ["read", "write"]. */
char *peri_thing_rights(const json_t *rights);
/* Are both about the same thing? */
bool peri_thing_same(const json_t *grant, const json_t *thing);

#endif
