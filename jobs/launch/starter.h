/* starter.h - what mpirun and srun write to stderr around the words of the program. */
#ifndef JOBS_LAUNCH_STARTER_H
#define JOBS_LAUNCH_STARTER_H

#include <stddef.h>

/* Of this end of stderr: the last line that is the program's own, clean, "" if there is
 * none; and the signal that ended the first rank that failed, 0 if srun names none (the
 * exit status of srun is that of the ranks that it has ended itself). out: max + 1 bytes.
 */
void peri_starter_read(const char *text, size_t len, char *out, size_t max, int *sig);

#endif
