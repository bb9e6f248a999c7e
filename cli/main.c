/* main.c - the `perigee` command: finds the sub-command. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base/util.h"
#include "core/h5/h5.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"query", peri_cmd_query, "run SQL over HDF5 files, in parallel"},
    {"run", peri_cmd_run, "run a kernel: halos, power spectra, images, your own"},
    {"kernels", peri_cmd_kernels, "list the kernels, and what each of them wants"},
    {"describe", peri_cmd_describe, "show what is in a file, a dataset or a table"},
    {"dataset", peri_cmd_dataset, "register, list and check datasets"},
    {"index", peri_cmd_index, "make the index that lets queries skip chunks"},
    {"submit", peri_cmd_submit, "hand SQL, a script or a program to perigee as a job"},
    {"jobs", peri_cmd_jobs, "list jobs"},
    {"job", peri_cmd_job, "show all that is known of one job"},
    {"logs", peri_cmd_logs, "show what a job prints"},
    {"wait", peri_cmd_wait, "wait until jobs are over"},
    {"cancel", peri_cmd_cancel, "end jobs"},
    {"resubmit", peri_cmd_resubmit, "submit jobs again"},
    {"locate", peri_cmd_locate, "tell perigee where a dataset's files are"},
    {"replicas", peri_cmd_replicas, "show which nodes hold a dataset"},
    {"up", peri_cmd_up, "start perigee on this machine"},
    {"down", peri_cmd_down, "stop it; jobs that run go on"},
    {"status", peri_cmd_status, "say whether all is well"},
    {"doctor", peri_cmd_doctor, "look for what is missing or wrong, and say what to do"},
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

static int run(int argc, char **argv)
{
    for (size_t i = 0; i < NCOMMANDS; i++) {
        if (strcmp(argv[0], commands[i].name)) continue;
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
    if (argc == 3 && !strcmp(argv[1], "help")) {
        char option[] = "--help";
        return run(2, (char *[]){argv[2], option, NULL});
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
    return run(argc - 1, argv + 1);
}
