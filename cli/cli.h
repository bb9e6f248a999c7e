/* cli.h - the sub-commands of `perigee`. Each gets its own name as argv[0] and returns
 * the exit status. Results go to stdout, everything else to stderr, errors as "perigee:
 * text".
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "perigee/err.h"

int peri_cmd_query(int argc, char **argv);
int peri_cmd_describe(int argc, char **argv);
int peri_cmd_dataset(int argc, char **argv);
int peri_cmd_index(int argc, char **argv);

/* Print the error as a command does; returns its exit status. */
int peri_cli_fail(const peri_err_t *err);
/* After getopt_long said '?': points to --help; returns 2. */
int peri_cli_usage(const char *command);

/* SIGINT and SIGTERM set this flag once; a second one ends the process as usual. */
void peri_cli_catch_interrupts(void);
bool peri_cli_interrupted(void);

#endif
