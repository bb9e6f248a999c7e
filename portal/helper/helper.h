/* helper.h - what the files of perigee-helper share. libc only; one thread.
 *
 * The only program of Perigee that keeps root's rights. It reads no configuration, opens
 * no file for anybody, and runs one program: perigee-launch, as a user who is a person.
 */
#ifndef PORTAL_HELPER_HELPER_H
#define PORTAL_HELPER_HELPER_H

#include "portal/helper/message.h"
#include "portal/helper/user.h"
#include "scheduler/starter.h"

#define PERI_HELPER_RUNS 4096 /* processes at a time */

typedef struct {
    pid_t pid;
    int end_fd;
} peri_helperrun_t;

typedef struct {
    /* settings, constant */
    const char *socket, *spool, *volumes, *launch;
    struct passwd service;
    peri_userrules_t rules;
    /* what runs */
    peri_helperrun_t *runs;
    size_t nruns;
} peri_helper_t;

/* One line of the audit: to stderr, and to syslog (authpriv), which perigeed's user
 * cannot change. */
void peri_helper_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* serve.c: the socket. Comes back with the exit status. */
int peri_helper_serve(peri_helper_t *h, int listener);

/* start.c: 0 with *pid, *start, *pidfd; -1 with the sentence in `why`. Takes end_fd. */
int peri_helper_start(peri_helper_t *h, const peri_helperrequest_t *r,
                      const peri_unixuser_t *who, int end_fd, peri_helperanswer_t *answer,
                      int *pidfd);

/* mount.c: in the new process, as root: a mount namespace of its own in which the folders
 * of the task and of its volumes are the user's. -1 with errno. */
int peri_helper_mount(const peri_helper_t *h, const peri_helperrequest_t *r,
                      const struct passwd *who);
/* In a process for this alone: could a folder be shown so? -1 with errno. */
int peri_helper_probe(const char *folder, const struct passwd *service);
/* The task's folder etc. below the spool: "UUID/STEP/ATTEMPT/INDEX". */
void peri_helper_task(const peri_helperask_t *a, bool index, char *out, size_t space);

/* kill.c: how many there are of the task, and the lowest. */
int peri_helper_kill(const peri_helper_t *h, const peri_helperask_t *a, uid_t uid,
                     pid_t *first);
/* When a process began; 0: it is not there. */
uint64_t peri_helper_begin(pid_t pid);

#endif
