/* cli.h - the sub-commands of `perigee`. Each gets its own name as argv[0] and returns
 * the exit status. Results go to stdout, everything else to stderr, errors as "perigee:
 * text".
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "perigee/err.h"

int peri_cmd_query(int argc, char **argv);
int peri_cmd_run(int argc, char **argv);
int peri_cmd_kernels(int argc, char **argv);
int peri_cmd_describe(int argc, char **argv);
int peri_cmd_dataset(int argc, char **argv);
int peri_cmd_index(int argc, char **argv);
int peri_cmd_history(int argc, char **argv);
int peri_cmd_saved(int argc, char **argv);
int peri_cmd_table(int argc, char **argv);
int peri_cmd_submit(int argc, char **argv);
int peri_cmd_jobs(int argc, char **argv);
int peri_cmd_job(int argc, char **argv);
int peri_cmd_logs(int argc, char **argv);
int peri_cmd_wait(int argc, char **argv);
int peri_cmd_results(int argc, char **argv);
int peri_cmd_cancel(int argc, char **argv);
int peri_cmd_resubmit(int argc, char **argv);
int peri_cmd_locate(int argc, char **argv);
int peri_cmd_replicas(int argc, char **argv);
int peri_cmd_login(int argc, char **argv);
int peri_cmd_logout(int argc, char **argv);
int peri_cmd_whoami(int argc, char **argv);
int peri_cmd_signup(int argc, char **argv);
int peri_cmd_password(int argc, char **argv);
int peri_cmd_ls(int argc, char **argv);
int peri_cmd_df(int argc, char **argv);
int peri_cmd_mkdir(int argc, char **argv);
int peri_cmd_rm(int argc, char **argv);
int peri_cmd_mv(int argc, char **argv);
int peri_cmd_cp(int argc, char **argv);
int peri_cmd_cat(int argc, char **argv);
int peri_cmd_volume(int argc, char **argv);
int peri_cmd_trash(int argc, char **argv);
int peri_cmd_team(int argc, char **argv);
int peri_cmd_share(int argc, char **argv);
int peri_cmd_unshare(int argc, char **argv);
int peri_cmd_link(int argc, char **argv);
int peri_cmd_token(int argc, char **argv);
int peri_cmd_user(int argc, char **argv);
int peri_cmd_admin(int argc, char **argv);
int peri_cmd_up(int argc, char **argv);
int peri_cmd_down(int argc, char **argv);
int peri_cmd_reload(int argc, char **argv);
int peri_cmd_status(int argc, char **argv);
int peri_cmd_doctor(int argc, char **argv);
int peri_cmd_backup(int argc, char **argv);
int peri_cmd_restore(int argc, char **argv);

/* Print the error as a command does; returns its exit status. */
int peri_cli_fail(const peri_err_t *err);
/* For a program that has started this one: where it asked for that with PERIGEE_WORD=1,
 * the last line on stderr is the byte 0x1e and one JSON object. After a failure that is
 * {"code", "text"}, which peri_cli_fail writes instead of its sentence; after a success
 * what `take` has: "code" 0, "text", and if they are known "rows", "seconds", "bytes"
 * (read from files), "cut" (why rows are missing) and "changed", an array of what has
 * become of tables: {"schema", "name", "rows", "what"}. Takes the reference. */
void peri_cli_word(json_t *take);
bool peri_cli_word_is_wanted(void);
/* After getopt_long said '?': points to --help; returns 2. */
int peri_cli_usage(const char *command);
/* An option's whole number from min to max: 0, or says what is wrong and returns 2. */
int peri_cli_count(const char *command, const char *option, const char *s, int64_t min,
                   int64_t max, int64_t *out);
/* Flush stdout: status, or 1 with a message if it could not be written. */
int peri_cli_done(int status);

/* SIGINT and SIGTERM set this flag once; a second one ends the process as usual.
 * SIGUSR1, by which jobs are warned of their time limit, sets another flag. */
void peri_cli_catch_interrupts(void);
bool peri_cli_interrupted(void);
/* For what an interrupted command still has to say to a server. */
void peri_cli_forget_interrupt(void);
bool peri_cli_time_is_up(void);

#endif
