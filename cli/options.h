/* options.h - the options of a command that has only switches and texts. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name;  /* "--name" */
    bool *flag;        /* becomes true, or: */
    const char **text; /* gets its argument */
} peri_option_t;

/* Long options only; --help and -h are always there and print `help`. argv[0] is the
 * command. -1: go on, the words behind begin at optind; else the exit status. */
int peri_options_read(int argc, char **argv, const char *help, const peri_option_t *o,
                      size_t n);

#endif
