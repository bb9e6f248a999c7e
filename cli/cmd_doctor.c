/* cmd_doctor.c - `perigee doctor`: runs the checks of doctor.h and prints what they say.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/options.h"

static const char help_text[] =
    "Usage: perigee doctor [OPTION...]\n"
    "\n"
    "Looks at this installation: programs, MPI, PostgreSQL, schedulers, folders, disk "
    "space,\n"
    "clock. Each line says ok, warning or problem, and what to do. Changes nothing. "
    "Exit\n"
    "status 1 if there is a problem.\n"
    "\n"
    "      --config FILE  the configuration, as for 'perigee up'\n"
    "      --json         print JSON\n"
    "  -h, --help         show this\n"
    "\n"
    "Example\n"
    "  perigee doctor\n";

static peri_check_f *const checks[] = {
    peri_check_programs, peri_check_machine, peri_check_parallel, peri_check_filters,
    peri_check_build,    peri_check_state,   peri_check_spool,    peri_check_storage,
    peri_check_quick,    peri_check_clock,   peri_check_postgres, peri_check_schedulers,
    peri_check_sandbox,  peri_check_daemon,  peri_check_user,     peri_check_helper,
    peri_check_web};

static const char *const names[] = {"ok", "warning", "problem"};

typedef struct {
    bool json;
    json_t *list;
    int counts[3];
} report_t;

static void on_say(peri_doctor_t *d, peri_health_t health, const char *what,
                   const char *text, const char *remedy)
{
    report_t *r = d->arg;
    r->counts[health]++;
    if (r->json) {
        json_array_append_new(r->list,
                              json_pack("{s:s, s:s, s:s, s:s?}", "check", what, "health",
                                        names[health], "text", text, "remedy", remedy));
        return;
    }
    printf("%-8s %-11s %s\n", names[health], what, text);
    if (remedy) printf("%-8s %-11s -> %s\n", "", "", remedy);
    fflush(stdout);
}

static int run(const char *config, bool json)
{
    report_t r = {.json = json, .list = json_array()};
    peri_doctor_t d = {.say = on_say, .arg = &r};
    peri_err_t err = {0};
    peri_rights_t rights = {0};
    peri_config_t *conf = peri_config_load(config, &err);
    /* As who runs it: what that user may not do is what matters. */
    if (conf && peri_rights_become(conf, false, &rights, &err)) {
        peri_config_free(conf);
        conf = NULL;
    }
    if (conf) {
        d.conf = conf;
        d.rights = &rights;
        peri_doctor_say(&d, PERI_DOCTOR_OK, "config", NULL, "%s",
                        conf->source ? conf->source : "none: defaults");
        for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) checks[i](&d);
    } else {
        peri_doctor_say(&d, PERI_DOCTOR_PROBLEM, "config",
                        "docs/admin/configuration.md explains every key", "%s", err.text);
    }
    int problems = r.counts[PERI_DOCTOR_PROBLEM],
        warnings = r.counts[PERI_DOCTOR_WARNING];
    if (json) {
        json_t *out = json_pack("{s:b, s:O}", "ok", problems == 0, "checks", r.list);
        json_dumpf(out, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(out);
    } else if (problems || warnings) {
        printf("\n%d problem%s, %d warning%s.\n", problems, problems == 1 ? "" : "s",
               warnings, warnings == 1 ? "" : "s");
    } else {
        puts("\nAll is well.");
    }
    json_decref(r.list);
    peri_rights_free(&rights);
    peri_config_free(conf);
    return peri_cli_done(problems ? 1 : 0);
}

int peri_cmd_doctor(int argc, char **argv)
{
    const char *config = NULL;
    bool json = false;
    const peri_option_t options[] = {{"config", NULL, &config, 0},
                                     {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options,
                                   sizeof(options) / sizeof(*options));
    if (status >= 0) return status;
    if (optind == argc) return run(config, json);
    fprintf(stderr, "perigee: doctor takes no \"%s\".\n", argv[optind]);
    return peri_cli_usage("doctor");
}
