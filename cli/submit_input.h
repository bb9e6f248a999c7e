/* submit_input.h - what `perigee submit` is to submit: SQL, a kernel, a script, a
 * command or a spec, made into the text of a spec.
 */
#ifndef CLI_SUBMIT_INPUT_H
#define CLI_SUBMIT_INPUT_H

#include <stdbool.h>

#include "cli/submit_kernel.h"
#include "core/base/buf.h"
#include "jobs/spec/spec.h"
#include "perigee/err.h"

typedef struct {
    const char *sql_file; /* -f; "-": standard input */
    const char *what;     /* the argument, or NULL */
    char **args;          /* behind it, or behind "--" */
    int nargs;
    bool command; /* args came behind "--" */
    peri_submitkernel_t kernel;
} peri_input_t;

/* True if `what` takes the words behind it for itself: it is a file that is neither SQL
 * nor a spec. */
bool peri_input_takes_words(const char *what);
/* The spec as JSON into out. given: the first option that only SQL, scripts and commands
 * take, or NULL. May set o->name. */
int peri_input_spec(peri_input_t *in, peri_specopts_t *o, const char *given,
                    peri_buf_t *out, peri_err_t *err);

/* Adds to a spec where the results go (NULL: nowhere) and the volumes that the job sees
 * (n 0: all), as written on the command line. */
int peri_input_storage(const char *output, const char *const *volumes, size_t n,
                       peri_buf_t *spec, peri_err_t *err);

#endif
