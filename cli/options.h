/* options.h - the options of a command that has only switches and texts. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <getopt.h> /* optind */
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name;  /* "--name" */
    bool *flag;        /* becomes true, or: */
    const char **text; /* gets its argument */
    char letter;       /* "-l", or 0 */
} peri_option_t;

/* An option with an argument that may be given again and again. */
#define PERI_OPTION_LIST_MAX 256
typedef struct {
    const char *name;
    const char *v[PERI_OPTION_LIST_MAX];
    size_t n;
} peri_optionlist_t;

/* --help and -h are always there and print `help`. argv[0] is the command. -1: go on, the
 * words behind begin at optind; else the exit status. */
int peri_options_read(int argc, char **argv, const char *help, const peri_option_t *o,
                      size_t n);
int peri_options_read_lists(int argc, char **argv, const char *help,
                            const peri_option_t *o, size_t n, peri_optionlist_t *lists,
                            size_t nlists);

/* Commands with verbs, as `perigee team create`. */
typedef struct {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0]: "team create" */
} peri_verb_t;
/* Finds argv[1] among them; without one, `otherwise` (NULL: says that one is needed). */
int peri_verbs_run(int argc, char **argv, const char *help, const peri_verb_t *v,
                   size_t n, int (*otherwise)(int argc, char **argv));

/* -1 if min to max words are left behind optind, else says that `needs` is needed and
 * returns 2. */
int peri_words_check(int argc, char **argv, int min, int max, const char *needs);

#endif
