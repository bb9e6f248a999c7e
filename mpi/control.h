/* control.h - how perigee-task talks to the command that started it, besides the rows.
 *
 * Short messages of one line. Started on the same machine: over the Unix socket
 * (seqpacket) that PERIGEE_CONTROL names; its first message brings the descriptor that
 * result rows go to, so that mpirun does not carry (and hoard) them.
 * PERIGEE_CONTROL=stderr: as lines on stderr behind PERI_CONTROL_MARK, which is all there
 * is under srun. Unset: started by hand; errors and the closing line are printed, the
 * rest is not.
 *
 *   to the command    R pid                   rank 0 is here (on stderr only)
 *                     P rows rows_all bytes   progress
 *                     K kernel done total what    progress of a kernel that computes
 *                     N text                  a sentence for the user
 *                     B rows marked           it is done: rows of the result, then
 *                     H local shared remote rows host   what each node has read
 *                     S text                  the closing line
 *                     E code text             it has failed; \x1f stands for a newline
 *   to the task       C                       cancel; so does the end of the connection
 *                     T                       the time is nearly over: save what you have
 *
 * The command's side is cli/launch_said.c.
 */
#ifndef MPI_CONTROL_H
#define MPI_CONTROL_H

#define PERI_CONTROL_ENV     "PERIGEE_CONTROL"
#define PERI_CONTROL_MARK    "\x1eperigee "
#define PERI_CONTROL_NEWLINE '\x1f'
#define PERI_CONTROL_LINE    2048 /* longest message */

#include "core/engine/session.h"
#include "core/query/query.h"
#include "perigee/err.h"

typedef struct {
    int socket; /* -1: none */
    bool on_stderr;
    double looked;   /* at the socket */
    bool time_is_up; /* the command has said so */
} peri_control_t;

/* On rank 0. -1 if the command that should be there is not. */
int peri_control_open(peri_control_t *c, peri_err_t *err);
void peri_control_close(peri_control_t *c);
void peri_control_progress(peri_control_t *c, const peri_progress_t *p);
void peri_control_kernel(peri_control_t *c, const char *kernel, const char *what,
                         double done, double total);
void peri_control_note(peri_control_t *c, const char *text);
void peri_control_report(peri_control_t *c, uint64_t rows, uint64_t marked,
                         const peri_hostread_t *hosts, size_t n);
void peri_control_summary(peri_control_t *c, const char *line);
void peri_control_error(peri_control_t *c, const peri_err_t *err);
/* The same from a rank that has no control of its own: on stderr. */
void peri_control_last_words(const peri_err_t *err);
/* The command wants the query to end, or is gone. Cheap enough to ask all the time. */
bool peri_control_cancelled(peri_control_t *c);

#endif
