/* progress.h - how far a long task is: one line that is redrawn on a terminal, a plain
 * line every few seconds elsewhere. In a job it goes into the file that $PERIGEE_PROGRESS
 * names instead: "0.43 1,234,567 of 2,900,000 rows", written anew at most twice a second.
 * Used from one thread.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct peri_bar peri_bar_t;

/* Is there anybody to tell? */
bool peri_bar_wanted(bool quiet);
/* label says what is going on ("index tng.groups"), unit what is counted ("rows").
 * Nothing is shown of a task that is over at once. */
peri_bar_t *peri_bar_new(FILE *out, const char *label, const char *unit);
/* Something else goes on from here. unit "": only the part that is done can be told. */
void peri_bar_relabel(peri_bar_t *bar, const char *label, const char *unit);
/* May be called as often as one likes. all = 0: not known. bytes: read so far. */
void peri_bar_update(peri_bar_t *bar, uint64_t done, uint64_t all, uint64_t bytes);
/* Wipes the line; frees. Accepts NULL. */
void peri_bar_finish(peri_bar_t *bar);

#endif
