/* sandbox.h - the walls around a program that runs with a user's rights, not with those
 * of the Unix user that it runs as: bubblewrap's namespaces, and a filter of system
 * calls.
 *
 * What the program sees: the system's programs and libraries, ours, a small /etc, its own
 * processes, a /tmp of its own, the folders of its binds, the task's folder and the
 * results. Nothing else: no socket, no state folder, no other task, no other network than
 * its own unless it is given. The README tells who starts whom.
 *
 * Threads: no state.
 */
#ifndef JOBS_SANDBOX_SANDBOX_H
#define JOBS_SANDBOX_SANDBOX_H

#include "core/base/arena.h"
#include "jobs/task/record.h"

/* ---- folders, opened ---- */

typedef struct {
    int fd;            /* O_PATH; not closed at exec, bubblewrap takes it */
    const char *to;    /* inside, absolute */
    const char *from;  /* a file that is no part of anything: its name; else NULL */
    uint64_t dev, ino; /* what must be there in the end */
    const char *hide;  /* a name in it that is covered, or NULL */
    bool write;
} peri_place_in_t;

typedef struct {
    peri_place_in_t *v; /* in the order of mounting: a folder before what lies in it */
    size_t n;
} peri_places_in_t;

/* Open what a task sees. A part of a bind's `path` that is a link, or is not there, is an
 * error (PERI_ENOTFOUND, PERI_EDENIED) unless the bind is optional; folders of `read`
 * that are not there are left out. task, results: absolute folders, to be seen at the
 * same place. Also with -1 the caller closes it. */
int peri_sandbox_open(const peri_sandbox_t *s, const char *task, const char *results,
                      peri_arena_t *arena, peri_places_in_t *out, peri_err_t *err);
void peri_sandbox_close(peri_places_in_t *p);
/* One of them has lost its name since: bubblewrap may not have found it. */
bool peri_sandbox_replaced(const peri_places_in_t *p);

/* ---- the command ---- */

typedef struct {
    const char *bwrap; /* path of bubblewrap */
    const char *const
        *inside; /* the first program inside and its words, NULL at the end */
    const peri_places_in_t *places;
    const char *const *own; /* folders of our programs, NULL at the end */
    const char *const
        *servers; /* folders that MPI's server outside names, NULL at the end */
    const char *const *hide; /* NULL at the end */
    const char *shm;         /* folder that is /dev/shm; NULL: a new one */
    const char *user;        /* /volumes/USER is there, even if it is empty */
    const char *srun;        /* folder with a link `srun` to `self`; NULL: none */
    const char *self;
    uint64_t tmp_max; /* bytes of /tmp, and of a new /dev/shm */
    bool network;
    int passwd, group; /* descriptors of their texts */
    int info;          /* descriptor for bubblewrap's answer */
} peri_sandbox_words_t;

/* The words of bubblewrap, NULL at the end. */
const char *const *peri_sandbox_words(const peri_sandbox_words_t *in,
                                      peri_arena_t *arena);

/* ---- the filter ---- */

/* For this process and all that come from it: refuses what reaches out of a sandbox or
 * into the kernel (filter.c has the list). -1 with errno. */
int peri_sandbox_filter(void);

/* ---- does it work? ---- */

/* Path of bubblewrap; NULL with *err that says how to get it. The caller frees. */
char *peri_sandbox_bwrap(peri_err_t *err);
/* Make one here, run nothing in it: 0, or -1 and a sentence that says what is missing and
 * what to do. Takes some milliseconds. */
int peri_sandbox_probe(peri_err_t *err);

#endif
