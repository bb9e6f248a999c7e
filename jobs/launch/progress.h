/* progress.h - what the program says of itself: its progress, and its report at the end.
 */
#ifndef JOBS_LAUNCH_PROGRESS_H
#define JOBS_LAUNCH_PROGRESS_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "jobs/task/record.h"

#define PERI_PROGRESS_MAX 400

typedef struct {
    double fraction; /* < 0: not said */
    char message[PERI_PROGRESS_MAX + 1];
    struct timespec mtime; /* of the file, as it was last read */
    off_t size;
} peri_progress_t;

/* Look at the file again: true if it says something else now. */
bool peri_progress_read(peri_progress_t *p, int dirfd);
/* One line: "0.4 halos", "12 % of the files", "reading". */
void peri_progress_parse(const char *line, size_t len, peri_progress_t *p);
/* Put what the file `report` says into u; nothing if there is none. */
void peri_report_read(int dirfd, peri_usage_t *u);

#endif
