/* cmd_files.c - `perigee mkdir`, `rm`, `mv` and `cat`: files of the portal's storage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "core/base/util.h"

static const char mkdir_help[] =
    "Usage: perigee mkdir [OPTION...] [OWNER/]VOLUME:PATH ...\n"
    "\n"
    "Makes folders in the portal's storage.\n"
    "\n"
    "  -p, --parents  also those on the way; one that is there is no error\n"
    "      --json     print the answers as JSON\n"
    "  -h, --help     show this\n"
    "\n"
    "Example\n"
    "  perigee mkdir -p persistent:halos/run7\n";

static const char rm_help[] =
    "Usage: perigee rm [OPTION...] [OWNER/]VOLUME:PATH ...\n"
    "\n"
    "Deletes files, and folders with all that is in them: to the volume's trash, from "
    "where\n"
    "'perigee trash restore' brings them back.\n"
    "\n"
    "      --forever  for good, at once\n"
    "      --json     print the answers as JSON\n"
    "  -h, --help     show this\n"
    "\n"
    "Example\n"
    "  perigee rm persistent:halos/run7\n";

static const char mv_help[] =
    "Usage: perigee mv [OPTION...] SOURCE ... TARGET\n"
    "\n"
    "Moves or renames files and folders of the portal's storage. Into a folder when the "
    "target\n"
    "is one, or ends in \"/\"; with several sources it must be.\n"
    "\n"
    "      --overwrite  a file may take the place of a file\n"
    "      --json       print the answers as JSON\n"
    "  -h, --help       show this\n"
    "\n"
    "Example\n"
    "  perigee mv scratch:out.h5 persistent:halos/\n";

static const char cat_help[] = "Usage: perigee cat [OWNER/]VOLUME:PATH ...\n"
                               "\n"
                               "Writes files of the portal's storage to standard output. "
                               "For large ones 'perigee cp' "
                               "is\n"
                               "better: it goes on where it was cut.\n"
                               "\n"
                               "  -h, --help  show this\n"
                               "\n"
                               "Example\n"
                               "  perigee cat persistent:run7/parameters.txt\n";

typedef struct {
    bool parents, forever, overwrite, json;
} options_t;

typedef json_t *(*each_f)(peri_client_t *c, const char *url, const peri_place_t *p,
                          const options_t *o, peri_err_t *err);

/* Does it to every word; goes on after an error. */
static int each(int argc, char **argv, const options_t *o, each_f f)
{
    int status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    for (int i = optind; i < argc; i++) {
        peri_err_t err = {0};
        peri_place_t p = {0};
        char *url = peri_talk_place(c, argv[i], false, &p, &err);
        json_t *j = url ? f(c, url, &p, o, &err) : NULL;
        if (j && o->json) peri_talk_print(j);
        if (!j) status = peri_cli_fail(&err);
        json_decref(j);
        free(url);
        peri_place_free(&p);
    }
    peri_client_free(c);
    return peri_cli_done(status);
}

static json_t *make(peri_client_t *c, const char *url, const peri_place_t *p,
                    const options_t *o, peri_err_t *err)
{
    (void)p;
    return peri_client_send(
        c, err, "POST",
        peri_body("{s:s, s:b}", "action", "mkdir", "parents", (int)o->parents), "%s",
        url);
}

static json_t *drop(peri_client_t *c, const char *url, const peri_place_t *p,
                    const options_t *o, peri_err_t *err)
{
    if (!*p->path) {
        peri_err_set(err, PERI_EINVAL,
                     "rm deletes files and folders, not the volume \"%s\" itself",
                     p->volume);
        return NULL;
    }
    return peri_client_send(c, err, "DELETE", NULL, "%s%s", url,
                            o->forever ? "?forever=1" : "");
}

/* ---- mv ---- */

static bool is_folder(peri_client_t *c, const char *url)
{
    peri_err_t err = {0};
    json_t *j = peri_client_get(c, 0, NULL, &err, "%s?stat=1", url);
    bool yes = !strcmp(peri_json_str(j, "kind"), "folder");
    json_decref(j);
    return yes;
}

static json_t *move(peri_client_t *c, const char *word, const peri_place_t *target,
                    bool into, const options_t *o, peri_err_t *err)
{
    peri_place_t from = {0}, below = {0};
    char *url = peri_talk_place(c, word, false, &from, err);
    json_t *j = NULL;
    if (!url) goto out;
    if (into) peri_place_below(target, peri_place_name(&from), &below);
    const char *me = peri_client_account(c, err);
    if (!me) goto out;
    const peri_place_t *to = into ? &below : target;
    char *volume = peri_xasprintf("%s/%s", to->owner ? to->owner : me, to->volume);
    j = peri_client_send(c, err, "POST",
                         peri_body("{s:s, s:s, s:s, s:b}", "action", "move", "volume",
                                   volume, "to", to->path, "overwrite",
                                   (int)o->overwrite),
                         "%s", url);
    free(volume);
out:
    free(url);
    peri_place_free(&from);
    peri_place_free(&below);
    return j;
}

static int move_all(int argc, char **argv, const options_t *o)
{
    int status;
    peri_err_t err = {0};
    peri_place_t target = {0};
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *url = peri_talk_place(c, argv[argc - 1], false, &target, &err);
    bool many = argc - optind > 2,
         into = url && (!*target.path || target.folder || is_folder(c, url));
    if (!url) {
        status = peri_cli_fail(&err);
    } else if (many && !into) {
        fprintf(stderr, "perigee: %s is no folder: several things go into one only.\n",
                argv[argc - 1]);
        status = 2;
    }
    for (int i = optind; url && !(many && !into) && i < argc - 1; i++) {
        json_t *j = move(c, argv[i], &target, into, o, &err);
        if (j && o->json) peri_talk_print(j);
        if (!j) status = peri_cli_fail(&err);
        json_decref(j);
    }
    free(url);
    peri_place_free(&target);
    peri_client_free(c);
    return peri_cli_done(status);
}

/* ---- cat ---- */

static int print_file(peri_client_t *c, const char *word, peri_err_t *err)
{
    peri_place_t p = {0};
    char *url = peri_talk_place(c, word, false, &p, err);
    char *path = url ? peri_xasprintf("%s?download=1", url) : NULL;
    int rc = path ? peri_fetch(c, path, NULL, err) : -1;
    peri_place_free(&p);
    free(path);
    free(url);
    return rc;
}

static int print_all(int argc, char **argv)
{
    int status;
    peri_client_t *c = peri_talk(&status);
    for (int i = optind; c && i < argc && status != 141; i++) {
        peri_err_t err = {0};
        if (print_file(c, argv[i], &err)) status = peri_cli_fail(&err);
    }
    peri_client_free(c);
    return peri_cli_done(status);
}

/* ---- the commands ---- */

int peri_cmd_mkdir(int argc, char **argv)
{
    options_t o = {0};
    const peri_option_t options[] = {{"parents", &o.parents, NULL, 'p'},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, mkdir_help, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a folder's path");
    return status >= 0 ? status : each(argc, argv, &o, make);
}

int peri_cmd_rm(int argc, char **argv)
{
    options_t o = {0};
    const peri_option_t options[] = {{"forever", &o.forever, NULL, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, rm_help, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a path");
    return status >= 0 ? status : each(argc, argv, &o, drop);
}

int peri_cmd_mv(int argc, char **argv)
{
    options_t o = {0};
    const peri_option_t options[] = {{"overwrite", &o.overwrite, NULL, 0},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, mv_help, options, 2);
    if (status < 0)
        status = peri_words_check(argc, argv, 2, argc, "a source and a target");
    return status >= 0 ? status : move_all(argc, argv, &o);
}

int peri_cmd_cat(int argc, char **argv)
{
    int status = peri_options_read(argc, argv, cat_help, NULL, 0);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a file");
    return status >= 0 ? status : print_all(argc, argv);
}
