/* cmd_whoami.c - `perigee whoami`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/portals.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char whoami_help[] =
    "Usage: perigee whoami [OPTION...]\n"
    "\n"
    "Says which account you are at which portal, and how much of your storage is used.\n"
    "\n"
    "      --json  print JSON\n"
    "  -h, --help  show this\n"
    "\n"
    "Example\n"
    "  perigee whoami\n";

static void say_token(const peri_login_t *login)
{
    double left = (login->expires - peri_epoch()) / 86400;
    if (login->expires > 0)
        peri_grid_label(stdout, "token", "%.0f days left%s", fmax(round(left), 0),
                        left < 7 ? ": 'perigee login' makes a new one" : "");
}

static void say_storage(const json_t *volumes)
{
    const json_t *v;
    size_t i;
    json_array_foreach(volumes, i, v)
    {
        char used[16], quota[16];
        int64_t q = peri_json_int(v, "quota", 0);
        peri_human_bytes((uint64_t)peri_json_int(v, "used", 0), used);
        peri_grid_label(stdout, i ? "" : "storage", "%s: %s%s%s",
                        peri_json_str(v, "name"), used, q > 0 ? " of " : "",
                        q > 0 ? peri_human_bytes((uint64_t)q, quota) : "");
    }
}

/* Those that she owns. */
static json_t *own_volumes(peri_client_t *c, const char *name, peri_err_t *err)
{
    json_t *all = peri_talk_list(c, err, "volumes", "/volumes"),
           *own = all ? json_array() : NULL, *v;
    size_t i;
    json_array_foreach(all, i, v)
    {
        if (!strcmp(peri_json_str(v, "owner"), name)) json_array_append(own, v);
    }
    json_decref(all);
    return own;
}

static int show(peri_client_t *c, json_t *who, const peri_login_t *login, bool json)
{
    peri_err_t err = {0};
    const char *name = peri_json_str(who, "name"),
               *full = peri_json_str(who, "full_name"), *portal = peri_client_portal(c);
    json_t *volumes = own_volumes(c, name, &err);
    if (json) {
        json_object_set_new(who, "portal", portal ? json_string(portal) : json_null());
        json_object_set_new(who, "token_expires",
                            login->expires > 0 ? json_real(login->expires) : json_null());
        json_object_set(who, "volumes", volumes);
        peri_talk_print(who);
    } else {
        peri_grid_label(stdout, "account", "%s%s%s%s%s", name, *full ? " (" : "", full,
                        *full ? ")" : "",
                        peri_json_true(who, "admin") ? ", administrator" : "");
        peri_grid_label(stdout, "portal", "%s", portal ? portal : "this machine");
        if (portal) say_token(login);
        say_storage(volumes);
    }
    json_decref(volumes);
    return volumes ? peri_cli_done(0) : peri_cli_fail(&err);
}

int peri_cmd_whoami(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    peri_login_t login = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, whoami_help, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 0, 0, "no argument");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *who = peri_client_get(c, 0, NULL, &err, "/account");
    if (peri_client_portal(c) && !getenv("PERIGEE_TOKEN"))
        (void)peri_portals_find(peri_client_portal(c), &login, NULL);
    status = who ? show(c, who, &login, json) : peri_cli_fail(&err);
    json_decref(who);
    peri_login_free(&login);
    peri_client_free(c);
    return status;
}
