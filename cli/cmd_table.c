/* cmd_table.c - `perigee table`: finds the verb, and whether it is done here or asked of
 * a portal. The verbs are in files of their own.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/table_here.h"
#include "cli/table_portal.h"

static int only_there(int argc, char **argv)
{
    peri_err_t err = {0};
    (void)argc;
    peri_err_set(&err, PERI_EUNSUPP,
                 "a portal does \"%s\", and this is your machine alone: 'perigee login "
                 "URL', or name one with --portal URL",
                 argv[0]);
    return peri_cli_fail(&err);
}

static const struct {
    const char *name;
    int (*here)(int argc, char **argv), (*portal)(int argc, char **argv);
} verbs[] = {
    {"ls", peri_table_here_ls, peri_table_portal_ls},
    {"show", peri_table_here_show, peri_table_portal_show},
    {"load", peri_table_here_load, peri_table_portal_load},
    {"get", peri_table_here_get, peri_table_portal_get},
    {"rm", peri_table_here_rm, peri_table_portal_rm},
    {"mv", peri_table_here_mv, peri_table_portal_mv},
    {"describe", peri_table_here_describe, peri_table_portal_describe},
    {"share", only_there, peri_table_portal_share},
    {"unshare", only_there, peri_table_portal_unshare},
};
#define NVERBS (sizeof(verbs) / sizeof(*verbs))

/* Takes the switch out of the words, up to "--". */
static bool take_here(int *argc, char **argv)
{
    bool here = false, options = true;
    int to = 1;
    for (int i = 1; i < *argc; i++) {
        options = options && strcmp(argv[i], "--") != 0;
        if (options && strcmp(argv[i], "--here") == 0)
            here = true;
        else
            argv[to++] = argv[i];
    }
    argv[to] = NULL;
    *argc = to;
    return here;
}

int peri_cmd_table(int argc, char **argv)
{
    peri_verb_t v[NVERBS];
    peri_err_t err = {0};
    const int away = take_here(&argc, argv) ? 0 : peri_client_is_away(&err);
    if (away < 0) return peri_cli_fail(&err);
    for (size_t i = 0; i < NVERBS; i++)
        v[i] = (peri_verb_t){verbs[i].name, away ? verbs[i].portal : verbs[i].here};
    return peri_verbs_run(argc, argv, peri_table_help, v, NVERBS, NULL);
}
