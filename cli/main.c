/* main.c - the `perigee` command: finds the sub-command. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/elder.h"
#include "core/base/util.h"
#include "core/h5/h5.h"

/* Where a command works: on this machine; on whatever --portal names; there, but words
 * behind its options belong to another program. */
typedef enum { HERE, PORTAL, PORTAL_FIRST } where_t;

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
    where_t where;
} commands[] = {
    {"query", peri_cmd_query, "run SQL over HDF5 files and your own tables", PORTAL},
    {"run", peri_cmd_run, "run a kernel: halos, power spectra, images, your own", HERE},
    {"kernels", peri_cmd_kernels, "list the kernels, and what each of them wants", HERE},
    {"describe", peri_cmd_describe, "show what is in a file, a dataset or a table", HERE},
    {"dataset", peri_cmd_dataset, "register, list and check datasets", HERE},
    {"index", peri_cmd_index, "make the index that lets queries skip chunks", HERE},
    {"history", peri_cmd_history, "list your queries, and make jobs of them", PORTAL},
    {"saved", peri_cmd_saved, "list the queries that are kept under a name", PORTAL},
    {"table", peri_cmd_table, "keep tables of your own, which SQL finds as mydb.NAME",
     PORTAL},
    {"submit", peri_cmd_submit, "hand SQL, a script or a program to perigee as a job",
     PORTAL_FIRST},
    {"jobs", peri_cmd_jobs, "list jobs", PORTAL},
    {"job", peri_cmd_job, "show all that is known of one job", PORTAL},
    {"logs", peri_cmd_logs, "show what a job prints", PORTAL},
    {"results", peri_cmd_results, "list and print the files that a job has made", PORTAL},
    {"wait", peri_cmd_wait, "wait until jobs are over", PORTAL},
    {"cancel", peri_cmd_cancel, "end jobs", PORTAL},
    {"resubmit", peri_cmd_resubmit, "submit jobs again", PORTAL},
    {"cp", peri_cmd_cp, "copy files to and from the portal's storage", PORTAL},
    {"locate", peri_cmd_locate, "tell perigee where a dataset's files are", PORTAL},
    {"replicas", peri_cmd_replicas, "show which nodes hold a dataset", PORTAL},
    {"login", peri_cmd_login,
     "log in to a portal; jobs, storage and teams are there from then on", PORTAL},
    {"logout", peri_cmd_logout, "forget a login", PORTAL},
    {"whoami", peri_cmd_whoami, "say who you are where", PORTAL},
    {"signup", peri_cmd_signup, "make an account at a portal", PORTAL},
    {"password", peri_cmd_password, "change your password, or set a forgotten one",
     PORTAL},
    {"ls", peri_cmd_ls, "list volumes and folders of the portal's storage", PORTAL},
    {"df", peri_cmd_df, "show how much of your storage is used", PORTAL},
    {"mkdir", peri_cmd_mkdir, "make folders there", PORTAL},
    {"mv", peri_cmd_mv, "move and rename files there", PORTAL},
    {"rm", peri_cmd_rm, "delete files there, to the trash", PORTAL},
    {"trash", peri_cmd_trash, "bring deleted files back, or empty the trash", PORTAL},
    {"cat", peri_cmd_cat, "print a file from there", PORTAL},
    {"volume", peri_cmd_volume, "make, change and delete volumes there", PORTAL},
    {"team", peri_cmd_team, "make teams, invite, join and leave", PORTAL},
    {"share", peri_cmd_share, "let others use files, jobs and datasets", PORTAL},
    {"unshare", peri_cmd_unshare, "take that back", PORTAL},
    {"link", peri_cmd_link, "make a link to a file that expires", PORTAL},
    {"token", peri_cmd_token, "make and revoke tokens for programs", PORTAL},
    {"user", peri_cmd_user, "administrators: accounts and their quotas", PORTAL},
    {"admin", peri_cmd_admin, "administrators: sign-ups, audit log, banner", PORTAL},
    {"up", peri_cmd_up, "start perigee on this machine", HERE},
    {"down", peri_cmd_down, "stop it; jobs that run go on", HERE},
    {"reload", peri_cmd_reload, "let it take a changed configuration or certificate",
     HERE},
    {"status", peri_cmd_status, "say whether all is well", HERE},
    {"backup", peri_cmd_backup, "copy all that must not be lost into a folder", HERE},
    {"restore", peri_cmd_restore, "bring a backup back", HERE},
    {"doctor", peri_cmd_doctor, "look for what is missing or wrong, and say what to do",
     HERE},
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(void)
{
    puts("perigee - SQL and MPI analysis next to HDF5\n"
         "\n"
         "Usage: perigee COMMAND [OPTION...] [ARGUMENT...]\n"
         "\n"
         "Commands:");
    for (size_t i = 0; i < NCOMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\n"
         "'perigee COMMAND --help' explains one, with an example.\n"
         "\n"
         "Commands for queries, tables, jobs, storage and teams speak to the portal of "
         "'perigee\n"
         "login', else to the perigee of this machine:\n"
         "  --portal URL   to this portal; \"local\": this machine (also "
         "$PERIGEE_PORTAL)\n"
         "  --cacert FILE  trust the authority of this certificate (also "
         "$PERIGEE_CACERT)\n"
         "\n"
         "First steps:\n"
         "  perigee describe catalogue.hdf5\n"
         "  perigee query \"SELECT count(*) FROM 'catalogue.hdf5:/Group'\"");
}

static int unknown(const char *name)
{
    const char *names[NCOMMANDS];
    for (size_t i = 0; i < NCOMMANDS; i++) names[i] = commands[i].name;
    const char *near = peri_did_you_mean(name, names, NCOMMANDS);
    fprintf(stderr, "perigee: there is no command \"%s\"", name);
    if (near) fprintf(stderr, "; did you mean \"%s\"?", near);
    fprintf(stderr, "\nTry 'perigee --help'.\n");
    return 2;
}

/* ---- --portal and --cacert ---- */

static const struct {
    const char *option, *var;
} portal_options[] = {{"--portal", "PERIGEE_PORTAL"}, {"--cacert", "PERIGEE_CACERT"}};

/* How many of the words at argv are such an option: 0 if it is none, -1 if it lacks its
 * value. */
static int take_portal_option(char **argv)
{
    for (size_t i = 0; i < sizeof(portal_options) / sizeof(*portal_options); i++) {
        size_t n = strlen(portal_options[i].option);
        if (strncmp(argv[0], portal_options[i].option, n)) continue;
        const char *value = argv[0][n] == '=' ? argv[0] + n + 1 : argv[1];
        if (argv[0][n] && argv[0][n] != '=') continue;
        if (value && *value) {
            setenv(portal_options[i].var, value, 1);
            return argv[0][n] ? 1 : 2;
        }
        fprintf(stderr, "perigee: %s needs a value.\nTry 'perigee --help'.\n",
                portal_options[i].option);
        return -1;
    }
    return 0;
}

/* Takes them out of a command's words, up to "--"; with `first` up to the first word that
 * is not one. 0, or 2. */
static int take_portal_options(int *argc, char **argv, bool first)
{
    int to = 1, at = 1;
    while (at < *argc && strcmp(argv[at], "--") != 0) {
        int n = take_portal_option(argv + at);
        if (n < 0) return 2;
        if (n == 0 && first) break;
        at += n;
        if (n == 0) argv[to++] = argv[at++];
    }
    while (at < *argc) argv[to++] = argv[at++];
    argv[to] = NULL;
    *argc = to;
    return 0;
}

static int run(int argc, char **argv, bool portal)
{
    for (size_t i = 0; i < NCOMMANDS; i++) {
        if (strcmp(argv[0], commands[i].name)) continue;
        if (portal && commands[i].where == HERE) {
            fprintf(stderr,
                    "perigee: %s works on this machine alone: it has no --portal and no "
                    "--cacert.\n",
                    argv[0]);
            return 2;
        }
        if (commands[i].where != HERE &&
            take_portal_options(&argc, argv, commands[i].where == PORTAL_FIRST))
            return 2;
        peri_h5_guard_signals();
        return commands[i].run(argc, argv);
    }
    return unknown(argv[0]);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    /* A closed pipe is an error of write(), told or kept quiet by who wrote. */
    signal(SIGPIPE, SIG_IGN);
    peri_elder_begin();
    if (argc == 3 && !strcmp(argv[1], "help")) {
        char option[] = "--help";
        return run(2, (char *[]){argv[2], option, NULL}, false);
    }
    bool portal = false;
    for (int n; argc > 1 && (n = take_portal_option(argv + 1)) != 0; portal = true) {
        if (n < 0) return 2;
        argc -= n;
        argv += n;
    }
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help")) {
        help();
        return argc < 2 ? 2 : 0;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        puts("perigee " PERIGEE_VERSION);
        return 0;
    }
    return run(argc - 1, argv + 1, portal);
}
