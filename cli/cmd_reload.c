/* cmd_reload.c - `perigee reload`: what runs takes the configuration of now. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/door.h"
#include "cli/options.h"

#define LOCK_TIME   120.0
#define NOT_STARTED 3

static const char help_text[] =
    "Usage: perigee reload [OPTION...]\n"
    "\n"
    "Lets perigee take what has changed: the configuration, the certificate, its own "
    "programs\n"
    "after an upgrade. A mistake in the configuration is told and changes nothing. No "
    "request\n"
    "is lost, and jobs go on; uploads and streams that take longer are cut and resume. "
    "The web\n"
    "door's logs are opened anew, so logrotate may call this, too. Another 'state' or "
    "'user'\n"
    "needs 'perigee down' and 'perigee up'.\n"
    "\n"
    "      --config FILE  the configuration, as for 'perigee up'\n"
    "      --all          renew perigeed also if nothing seems to have changed\n"
    "  -h, --help         show this\n"
    "\n"
    "Example\n"
    "  perigee reload\n";

static void say(const peri_doors_t *d, bool renewed)
{
    static const char *const ways[] = {[PERI_WAY_SHUT] = "shut",
                                       [PERI_WAY_RAN] = "unchanged",
                                       [PERI_WAY_STARTED] = "started",
                                       [PERI_WAY_RELOADED] = "has the new configuration",
                                       [PERI_WAY_UNCHANGED] = "unchanged"};
    printf("perigeed: %s.\n", renewed ? "renewed" : "unchanged");
    if (d->way == PERI_WAY_SHUT)
        printf("web door: shut%s%s.\n", d->note ? ": " : "", d->note ? d->note : "");
    else
        printf("web door: %s, %s.\n", d->front.url, ways[d->way]);
}

static int run(const char *config, bool all)
{
    peri_err_t err = {0};
    peri_rights_t rights = {0};
    peri_doors_t door = {0};
    peri_daemon_t daemon = {0};
    bool renewed = false;
    int lock = -1, status = 0;
    peri_config_t *conf = peri_config_load(config, &err);
    if (!conf) return peri_cli_fail(&err);
    if (access(conf->state, F_OK)) {
        puts("perigee does not run here: 'perigee up' starts it.");
        status = NOT_STARTED;
        goto out;
    }
    if (peri_rights_become(conf, false, &rights, &err) ||
        (lock = peri_daemon_lock(conf, LOCK_TIME, &err)) < 0 ||
        peri_daemon_look(conf, &daemon, &err)) {
        status = peri_cli_fail(&err);
        goto out;
    }
    if (!daemon.running) {
        puts("perigeed does not run here: 'perigee up' starts it.");
        status = NOT_STARTED;
        goto out;
    }
    /* The door before perigeed: what nginx does not like changes nothing there either. */
    if (peri_daemon_check(conf, &err) || peri_door_reload(conf, &rights, &door, &err) ||
        peri_daemon_renew(conf, all, &renewed, &err))
        status = peri_cli_fail(&err);
    else
        say(&door, renewed);
out:
    if (lock >= 0) close(lock);
    peri_door_free(&door);
    peri_rights_free(&rights);
    peri_config_free(conf);
    return peri_cli_done(status);
}

int peri_cmd_reload(int argc, char **argv)
{
    const char *config = NULL;
    bool all = false;
    const peri_option_t options[] = {{"config", NULL, &config, 0},
                                     {"all", &all, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options,
                                   sizeof(options) / sizeof(*options));
    if (status >= 0) return status;
    if (optind == argc) return run(config, all);
    fprintf(stderr, "perigee: reload takes no \"%s\".\n", argv[optind]);
    return peri_cli_usage("reload");
}
