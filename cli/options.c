/* options.c - see options.h. */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base/util.h"

#define MAX_OPTIONS 16
#define MAX_VERBS   16
#define FIRST       256 /* behind all letters */

/* "--list" once more: 0, or 2. */
static int add_to_list(const char *command, peri_optionlist_t *l, const char *value)
{
    if (l->n == PERI_OPTION_LIST_MAX) {
        fprintf(stderr, "perigee: --%s may be given at most %d times.\n", l->name,
                PERI_OPTION_LIST_MAX);
        return peri_cli_usage(command);
    }
    l->v[l->n++] = value;
    return 0;
}

int peri_options_read(int argc, char **argv, const char *help, const peri_option_t *o,
                      size_t n)
{
    return peri_options_read_lists(argc, argv, help, o, n, NULL, 0);
}

int peri_options_read_lists(int argc, char **argv, const char *help,
                            const peri_option_t *o, size_t n, peri_optionlist_t *lists,
                            size_t nlists)
{
    struct option table[MAX_OPTIONS + 2] = {{"help", no_argument, NULL, 'h'}};
    char letters[2 * MAX_OPTIONS + 2] = "h", *end = letters + 1;
    for (size_t i = 0; i < n && i < MAX_OPTIONS; i++) {
        table[i + 1] = (struct option){
            o[i].name, o[i].text ? required_argument : no_argument, NULL, FIRST + (int)i};
        if (o[i].letter) *end++ = o[i].letter;
        if (o[i].letter && o[i].text) *end++ = ':';
    }
    *end = '\0';
    for (size_t i = 0; i < nlists && n + i < MAX_OPTIONS; i++)
        table[n + i + 1] =
            (struct option){lists[i].name, required_argument, NULL, FIRST + (int)(n + i)};
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, letters, table, NULL)) != -1;) {
        if (c == 'h') {
            fputs(help, stdout);
            return 0;
        }
        for (size_t i = 0; c < FIRST && i < n; i++)
            if (o[i].letter == c) c = FIRST + (int)i;
        if (c < FIRST) return peri_cli_usage(argv[0]);
        const size_t i = (size_t)(c - FIRST);
        if (i >= n && add_to_list(argv[0], &lists[i - n], optarg)) return 2;
        if (i < n && o[i].text)
            *o[i].text = optarg;
        else if (i < n)
            *o[i].flag = true;
    }
    return -1;
}

int peri_verbs_run(int argc, char **argv, const char *help, const peri_verb_t *v,
                   size_t n, int (*otherwise)(int argc, char **argv))
{
    const char *names[MAX_VERBS];
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(help, stdout);
        return 0;
    }
    for (size_t i = 0; i < n && i < MAX_VERBS; i++) {
        names[i] = v[i].name;
        if (argc < 2 || strcmp(argv[1], v[i].name) != 0) continue;
        char name[64];
        snprintf(name, sizeof(name), "%s %s", argv[0], argv[1]);
        argv[1] = name;
        return v[i].run(argc - 1, argv + 1);
    }
    if (otherwise && (argc < 2 || argv[1][0] == '-')) return otherwise(argc, argv);
    if (argc < 2) {
        fprintf(stderr, "perigee: %s needs to be told what to do.\n", argv[0]);
        return peri_cli_usage(argv[0]);
    }
    const char *near = peri_did_you_mean(argv[1], names, n);
    fprintf(stderr, "perigee: %s does not know \"%s\"%s%s%s.\n", argv[0], argv[1],
            near ? "; did you mean \"" : "", near ? near : "", near ? "\"" : "");
    return peri_cli_usage(argv[0]);
}

int peri_words_check(int argc, char **argv, int min, int max, const char *needs)
{
    int n = argc - optind;
    if (n >= min && n <= max) return -1;
    if (n > max)
        fprintf(stderr, "perigee: %s: \"%s\" is too much.\n", argv[0],
                argv[optind + max]);
    else
        fprintf(stderr, "perigee: %s needs %s.\n", argv[0], needs);
    return peri_cli_usage(argv[0]);
}
