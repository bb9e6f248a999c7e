/* drive.h - what the tests of the Slurm plugin share: the plugin, loaded as perigeed
 * loads it, submissions with real folders and small shell scripts, and what _poll has
 * told.
 *
 * A check that fails says where and lets the test go on; drive_end gives the exit status.
 */
#ifndef TESTS_CLUSTER_DRIVE_H
#define TESTS_CLUSTER_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "perigee/err.h"
#include "scheduler/scheduler.h"

#define CHECK(cond, ...) drive_check((cond), __LINE__, #cond, __VA_ARGS__)
bool drive_check(bool ok, int line, const char *cond, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

void drive_begin(const char *conf_json);
int drive_end(void);
peri_sched_t *drive_sched(void);

/* A submission that runs `script` (for sh) as one task on one core, in a new folder with
 * task folders 0 to 19; the caller changes what it likes and submits. */
typedef struct {
    peri_schedreq_t req;
    char name[128], folder[512], file[600], id[PERI_SCHED_ID_MAX];
    const char *argv[3];
} sub_t;

void drive_make(sub_t *s, const char *what, const char *script);
bool drive_submit(sub_t *s); /* checks that it works */
/* Content of FOLDER/file, "" if there is none; valid until the next call. */
const char *drive_file(const sub_t *s, const char *file);
bool drive_wait_file(const sub_t *s, const char *file, double seconds);

/* What was told last of a task. */
typedef struct {
    char name[128], id[PERI_SCHED_ID_MAX], why[1024], raw[128], nodes[256];
    int32_t index;
    bool rest;
    peri_schedstate_t state;
    peri_schedend_t end;
    int code, signal;
    uint32_t restarts;
    int64_t expected, started, ended;
    unsigned round;
} told_t;

bool drive_poll(bool all, peri_err_t *err); /* false: it could not tell */
/* NULL if the last poll did not tell of it. */
const told_t *drive_told(const sub_t *s, int32_t index);
/* Poll until it is in this state; checks that it gets there. */
const told_t *drive_wait(const sub_t *s, int32_t index, peri_schedstate_t state,
                         double seconds);
/* Poll until its `why` has this text. */
const told_t *drive_wait_why(const sub_t *s, const char *text, double seconds);

/* Run a command line with sh; its status. "cluster ..." is cluster.sh for this cluster:
 * "cluster kill slurmctld" etc. through drive_cluster. */
int drive_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int drive_cluster(const char *command, const char *args);

#endif
