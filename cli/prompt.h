/* prompt.h - questions to the person at the terminal, or to lines of standard input.
 *
 * The answers may be passwords: they are never shown, and the terminal is set back
 * whatever happens, also at Ctrl-C. Used from one thread.
 */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include <stdbool.h>

#include "perigee/err.h"

#define PERI_PROMPT_MAX 1024 /* bytes of an answer, with its NUL */

/* A line. fallback: for an empty answer, shown; or NULL. hidden: not echoed. from_stdin:
 * a line of standard input, without asking. PERI_ECANCEL at Ctrl-C. */
int peri_prompt(const char *question, const char *fallback, bool hidden, bool from_stdin,
                char out[PERI_PROMPT_MAX], peri_err_t *err);
/* A new password, asked twice (once from standard input). */
int peri_prompt_new_password(const char *question, bool from_stdin,
                             char out[PERI_PROMPT_MAX], peri_err_t *err);

#endif
