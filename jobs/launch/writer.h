/* writer.h - the thread that writes into the task's folder while the program runs: its
 * output, heartbeats, progress.
 *
 * Only this thread waits for that file system: when a server there does not answer, the
 * main thread still keeps the limits and hears signals.
 */
#ifndef JOBS_LAUNCH_WRITER_H
#define JOBS_LAUNCH_WRITER_H

#include <pthread.h>

#include "jobs/launch/journal.h"
#include "jobs/launch/progress.h"
#include "jobs/launch/stream.h"
#include "jobs/launch/task.h"

typedef struct {
    const peri_task_t *t;
    peri_journal_t *j;
    peri_stream_t out, err;
    pthread_t thread;
    int wake; /* eventfd */
    bool runs;

    pthread_mutex_t lock; /* of these: from the main thread */
    peri_usage_t usage;
    bool warned, finish;

    /* its own */
    peri_progress_t progress;
    double last_progress;
    unsigned nprogress;
} peri_writer_t;

/* Files and pipes for the program; the thread comes later, after the fork. */
int peri_writer_open(peri_writer_t *w, const peri_task_t *t, peri_journal_t *j,
                     peri_err_t *err);
int peri_writer_start(peri_writer_t *w, peri_err_t *err);
void peri_writer_usage(peri_writer_t *w, const peri_usage_t *u);
void peri_writer_warned(peri_writer_t *w);
/* The program has ended: take the rest of its output and stop. false: it does not come to
 * its end (its files are out of reach), and nothing of it may be touched any more. */
bool peri_writer_finish(peri_writer_t *w);
void peri_writer_close(peri_writer_t *w);

#endif
