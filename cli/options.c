/* options.c - see options.h. */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"

#define MAX_OPTIONS 16
#define FIRST       256 /* behind all letters */

int peri_options_read(int argc, char **argv, const char *help, const peri_option_t *o,
                      size_t n)
{
    struct option table[MAX_OPTIONS + 2] = {{"help", no_argument, NULL, 'h'}};
    for (size_t i = 0; i < n && i < MAX_OPTIONS; i++)
        table[i + 1] = (struct option){
            o[i].name, o[i].text ? required_argument : no_argument, NULL, FIRST + (int)i};
    for (int c; (c = getopt_long(argc, argv, "h", table, NULL)) != -1;) {
        if (c == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (c < FIRST) return peri_cli_usage(argv[0]);
        const peri_option_t *found = &o[c - FIRST];
        if (found->text)
            *found->text = optarg;
        else
            *found->flag = true;
    }
    return -1;
}
