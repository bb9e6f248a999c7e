/* spawn.h - running another program for its answer: bounded in time and output. */
#ifndef CLI_SPAWN_H
#define CLI_SPAWN_H

#include "core/base/buf.h"
#include "perigee/err.h"

/* argv[0] is looked for in PATH unless it has a slash. What it prints, on stdout and
 * stderr, goes into out (with a maximum, the rest is dropped). Its exit status, 128 + its
 * signal, or -1: it could not be started, or took longer than `seconds` and was killed.
 */
int peri_spawn(const char *const *argv, double seconds, peri_buf_t *out, peri_err_t *err);
/* The path of a program in PATH; the caller frees. NULL: none. */
char *peri_find_program(const char *name);

#endif
