/* usage.h - how much of its quota a volume has used: counted in its row of the database,
 * reserved before anything is written, set right after it, counted anew on the disk now
 * and then.
 *
 * Volumes share a quota: those of an account (persistent and its own further ones), those
 * of a team; scratch and each student's volume have one of their own. A quota that an
 * administrator gave to one volume holds besides.
 *
 * A reservation is in the row (so that it holds for all) and in memory. A crash leaves it
 * in the row alone, which is marked (`counted` is negative while anything is reserved):
 * such volumes are counted anew at the next start, and after a crash all: what was
 * changed on the disk may not have got into the row. Uploads reserve their whole size by
 * their row in the table `upload`.
 *
 * db: with the daemon's own rights, no transaction open. Threads: all.
 */
#ifndef PORTAL_STORAGE_USAGE_H
#define PORTAL_STORAGE_USAGE_H

#include "jobs/store/db.h"
#include "portal/config/config.h"
#include "portal/storage/walk.h"

/* Once, before anything is reserved. crashed: the process before this one was killed. */
int peri_usage_start(peri_db_t *db, bool crashed, peri_err_t *err);
/* The row may be wrong (the database did not answer, a job has written there): to be
 * counted anew. In memory, until _note_doubts writes it into the row (true: some was). */
void peri_usage_doubt(int64_t volume);
bool peri_usage_doubts(void);
bool peri_usage_note_doubts(peri_db_t *db);

/* PERI_EFULL, with the numbers in the sentence, if it is more than there is room for.
 * Must be followed by _settle with the same amount. label: "ana/persistent". */
int peri_usage_reserve(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                       const char *label, peri_amount_t need, peri_err_t *err);
/* How much may still be written there, and the quota that this is left of: the nearest of
 * those that hold for it. Nothing is reserved. */
int peri_usage_left(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                    int64_t *left, int64_t *quota, peri_err_t *err);
/* What became of it: made was written, freed went. If the database does not answer the
 * volume stays marked and is counted anew. */
void peri_usage_settle(peri_db_t *db, int64_t volume, peri_amount_t reserved,
                       peri_amount_t made, peri_amount_t freed);
/* Without a reservation: what went, or small things of our own. db NULL: could not be
 * had. */
void peri_usage_change(peri_db_t *db, int64_t volume, peri_amount_t made,
                       peri_amount_t freed);

/* Count what is on the disk (root: the volume's) and what is reserved. A volume that is
 * changed meanwhile is counted a few times. One with folders that are too deep to be
 * counted is full. PERI_ECANCEL. */
int peri_usage_recount(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                       int root, const peri_stop_t *stop, peri_err_t *err);
/* The same now, if it is in doubt; until (peri_now()) at the latest, then it stays so. */
int peri_usage_count(peri_db_t *db, const peri_confstorage_t *conf, int64_t volume,
                     double until, peri_err_t *err);
/* The next volume that has to be counted: marked, never counted, or not since `before`
 * (epoch); 0: none. after: ids up to it were tried. */
int peri_usage_due(peri_db_t *db, double before, int64_t after, int64_t *volume,
                   peri_err_t *err);

#endif
