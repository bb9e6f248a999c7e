/* talk.h - what the portal's commands have in common: one request, its answer as a
 * sentence or as JSON.
 */
#ifndef CLI_TALK_H
#define CLI_TALK_H

#include "cli/client.h"
#include "cli/place.h"
#include "cli/post.h"

/* As peri_client_new; NULL: the error is printed, *status is the exit status. */
peri_client_t *peri_talk(int *status);

/* All of a list over its pages: the array `key` of "PATH[?...]". NULL: an error. */
json_t *peri_talk_list(peri_client_t *c, peri_err_t *err, const char *key,
                       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The portal's own address, by which others know it, also where c is a local socket; ""
 * if it has none. The caller frees. */
char *peri_talk_portal(peri_client_t *c);

/* JSON to stdout. */
void peri_talk_print(const json_t *j);
/* Ends a command: takes c and the answer. NULL: prints the error. Else the answer as
 * JSON, or, without, the sentence (NULL: none). Returns the exit status. */
int peri_talk_end(peri_client_t *c, json_t *answer, const peri_err_t *err, bool json,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* DELETE PATH/WORD for each word, and says "BEFORE WORD AFTER" or the answer as JSON.
 * Takes c; returns the exit status. */
int peri_talk_delete_each(peri_client_t *c, int n, char **words, const char *path,
                          bool json, const char *before, const char *after);

/* Asks on the terminal; false if it says anything but yes, or if there is none. */
bool peri_talk_sure(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* "/files/OWNER/VOLUME/PATH" of words as "persistent:x"; NULL: an error. */
char *peri_talk_place(peri_client_t *c, const char *word, bool bare_ok, peri_place_t *p,
                      peri_err_t *err);

#endif
