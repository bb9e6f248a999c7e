/* journal.h - what is told in the task's folder: records, and the newest heartbeat.
 *
 * Room for one more record is always reserved, so that the last one comes through when
 * the disk is full. Threads: one at a time.
 */
#ifndef JOBS_LAUNCH_JOURNAL_H
#define JOBS_LAUNCH_JOURNAL_H

#include <stdbool.h>

#include "jobs/task/record.h"

typedef struct {
    int dirfd; /* borrowed */
    int fd;    /* records */
    bool has_reserve;
} peri_journal_t;

int peri_journal_open(peri_journal_t *j, int dirfd, peri_err_t *err);
void peri_journal_close(peri_journal_t *j);
/* Append it; with `durable` it is on the disk when 0 is returned. If it could not be
 * written nothing of it is there; if it could not be made durable it may be there. */
int peri_journal_put(peri_journal_t *j, const peri_record_t *r, bool durable,
                     peri_err_t *err);
/* The last record: tries again for so many seconds. */
int peri_journal_put_last(peri_journal_t *j, const peri_record_t *r, double patience,
                          peri_err_t *err);
int peri_journal_beat(const peri_journal_t *j, const peri_record_t *r);

#endif
