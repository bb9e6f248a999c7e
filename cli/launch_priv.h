/* launch_priv.h - what the files of launch.c share. Private.
 *
 * launch_start.c starts the ranks, launch_said.c takes what they say, launch.c attends
 * them until they end and concludes how it went.
 */
#ifndef CLI_LAUNCH_PRIV_H
#define CLI_LAUNCH_PRIV_H

#include <sys/types.h>

#include "cli/launch.h"
#include "cli/launch_place.h"
#include "cli/progress.h"
#include "core/base/buf.h"

#define PERI_LAUNCH_HELD (64u << 10) /* bytes of what is kept to be said later */

typedef struct {
    const peri_launchopts_t *o;
    bool slurm;
    peri_launchplace_t place;
    pid_t child;                   /* mpirun or srun */
    pid_t rank0;                   /* 0: not known */
    int listener, control, errors; /* -1: none */
    peri_bar_t *bar;
    char *summary;
    uint64_t rows, marked; /* of the result, as rank 0 has said */
    peri_hostread_t *hosts;
    size_t nhosts;
    peri_err_t told;    /* by rank 0 */
    peri_err_t crashed; /* the last words of some rank */
    peri_err_t refused; /* why our caller ended it */
    double cancelled;   /* when we asked the task to end; 0: not */
    int insisted;       /* 1: SIGTERM sent, 2: SIGKILL */
    bool warned;        /* the task knows that its time is nearly over */
    bool watch_reader;  /* of the rows on our stdout: srun tells rank 0 nothing of it */
    bool reader_gone;
    peri_buf_t line;  /* of stderr, not complete yet */
    peri_buf_t held;  /* what mpirun says, for when nobody else says anything */
    peri_buf_t early; /* lines from before rank 0 has said a word */
    bool in_block;
} peri_launch_t;

/* ---- launch_start.c ---- */

/* The socket for rank 0, below mpirun. */
int peri_launch_listen(peri_launch_t *l, peri_err_t *err);
/* `here`: all ranks are on this machine. */
int peri_launch_start(peri_launch_t *l, const char *starter, const char *task, int nranks,
                      bool here, peri_err_t *err);

/* ---- launch_said.c; none of them waits ---- */

void peri_launch_accept(peri_launch_t *l); /* rank 0 comes to the socket */
void peri_launch_hear(peri_launch_t *l);   /* what it says */
/* What comes on stderr. False at the end of it. */
bool peri_launch_read_errors(peri_launch_t *l);
/* Rank 0 is there: what was said before is for the user. */
void peri_launch_show_early(peri_launch_t *l);

#endif
