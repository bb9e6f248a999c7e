/* cmd_volume.c - `perigee volume`: volumes beyond those that everybody has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "core/base/util.h"

static const char help_text[] =
    "Usage: perigee volume create [OWNER/]NAME [--about TEXT]\n"
    "       perigee volume edit [OWNER/]NAME [--name NAME] [--about TEXT] [--days N]\n"
    "       perigee volume delete [OWNER/]NAME [--forever] [--yes]\n"
    "\n"
    "Makes further volumes, of yours or of a team (team:NAME/VOLUME), and changes them.\n"
    "Yours share one quota with persistent. 'perigee ls' lists all that you can see. "
    "What "
    "is\n"
    "deleted is gone for everybody; its files go a week later.\n"
    "\n"
    "      --about TEXT  what it is for\n"
    "      --name NAME   its new name\n"
    "      --days N      of scratch: delete files that have not changed for so long\n"
    "      --forever     its files go at once\n"
    "      --yes         do not ask\n"
    "      --json        print the answers as JSON\n"
    "  -h, --help        show this\n"
    "\n"
    "Examples\n"
    "  perigee volume create run7 --about \"Halos of run 7\"\n"
    "  perigee volume create team:cosmo/images\n";

typedef struct {
    const char *about, *name, *days;
    bool forever, yes, json;
} options_t;

/* The volume that the one word names; -1: go on. */
static int read_words(int argc, char **argv, options_t *o, peri_place_t *p)
{
    *o = (options_t){0};
    *p = (peri_place_t){0};
    const peri_option_t options[] = {
        {"about", NULL, &o->about, 0}, {"name", NULL, &o->name, 0},
        {"days", NULL, &o->days, 0},   {"forever", &o->forever, NULL, 0},
        {"yes", &o->yes, NULL, 0},     {"json", &o->json, NULL, 0}};
    peri_err_t err = {0};
    int status = peri_options_read(argc, argv, help_text, options, 6);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "a volume's name");
    if (status >= 0) return status;
    if (peri_place_parse(argv[optind], true, p, &err)) return peri_cli_fail(&err);
    if (!*p->path) return -1;
    fprintf(stderr, "perigee: %s: a volume is named without a path.\n", argv[0]);
    peri_place_free(p);
    return 2;
}

static int verb_create(int argc, char **argv)
{
    options_t o;
    peri_place_t p;
    peri_err_t err = {0};
    int status = read_words(argc, argv, &o, &p);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    json_t *j = c ? peri_client_send(c, &err, "POST",
                                     peri_body("{s:s*, s:s, s:s*}", "owner", p.owner,
                                               "name", p.volume, "description", o.about),
                                     "/volumes")
                  : NULL;
    peri_place_free(&p);
    if (!c) return status;
    return peri_talk_end(c, j, &err, o.json, "the volume %s is made", argv[optind]);
}

/* "/volumes/OWNER/NAME" */
static char *url_of(peri_client_t *c, const peri_place_t *p, peri_err_t *err)
{
    const char *owner = p->owner ? p->owner : peri_client_account(c, err);
    return owner ? peri_place_url(p, owner, "/volumes") : NULL;
}

static int verb_edit(int argc, char **argv)
{
    options_t o;
    peri_place_t p;
    peri_err_t err = {0};
    int64_t days = 0;
    int status = read_words(argc, argv, &o, &p);
    if (status >= 0) return status;
    if (o.days) status = peri_cli_count("volume", "days", o.days, 1, 36500, &days);
    peri_client_t *c = o.days && status ? NULL : peri_talk(&status);
    char *url = c ? url_of(c, &p, &err) : NULL;
    json_t *body = peri_body("{s:s*, s:s*}", "name", o.name, "description", o.about),
           *j = NULL;
    if (o.days) json_object_set_new(body, "days", json_integer(days));
    if (url)
        j = peri_client_send(c, &err, "PATCH", body, "%s", url);
    else
        json_decref(body);
    free(url);
    peri_place_free(&p);
    if (!c) return status;
    return peri_talk_end(c, j, &err, o.json, "the volume %s is changed", argv[optind]);
}

static int verb_delete(int argc, char **argv)
{
    options_t o;
    peri_place_t p;
    peri_err_t err = {0};
    int status = read_words(argc, argv, &o, &p);
    if (status >= 0) return status;
    if (!o.yes &&
        !peri_talk_sure("Delete the volume %s with all its files?", argv[optind])) {
        fputs("perigee: nothing was deleted (--yes does not ask)\n", stderr);
        peri_place_free(&p);
        return 1;
    }
    peri_client_t *c = peri_talk(&status);
    char *url = c ? url_of(c, &p, &err) : NULL;
    json_t *j = url ? peri_client_send(c, &err, "DELETE", NULL, "%s%s", url,
                                       o.forever ? "?forever=1" : "")
                    : NULL;
    free(url);
    peri_place_free(&p);
    if (!c) return status;
    return peri_talk_end(c, j, &err, o.json, "the volume %s is deleted", argv[optind]);
}

int peri_cmd_volume(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {
        {"create", verb_create}, {"edit", verb_edit}, {"delete", verb_delete}};
    return peri_verbs_run(argc, argv, help_text, verbs, 3, NULL);
}
