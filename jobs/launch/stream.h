/* stream.h - stdout or stderr of the program: from its pipe into a file, up to a bound.
 *
 * The program is never held up: what does not fit or cannot be written is read and
 * counted.
 */
#ifndef JOBS_LAUNCH_STREAM_H
#define JOBS_LAUNCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#define PERI_STREAM_TAIL 4096

typedef struct {
    int pipe;    /* our end, not blocking; -1 once it has ended */
    int program; /* the program's end, until it has it */
    int file;
    uint64_t max, kept;
    uint64_t dropped; /* over the bound */
    uint64_t lost;    /* could not be written */
    int error;        /* the first errno of that */
    bool in_gap;
    char tail[PERI_STREAM_TAIL]; /* the newest bytes */
    size_t ntail;
} peri_stream_t;

int peri_stream_open(peri_stream_t *s, int dirfd, const char *name, uint64_t max,
                     peri_err_t *err);
/* Take what is there: false if there is nothing more for now. */
bool peri_stream_pump(peri_stream_t *s);
/* Say in the file what is missing, and close all. */
void peri_stream_close(peri_stream_t *s);
/* The last line that is not blank, clean; out has max + 1 bytes. */
void peri_stream_last_line(const peri_stream_t *s, char *out, size_t max);

#endif
