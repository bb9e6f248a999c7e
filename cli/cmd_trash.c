/* cmd_trash.c - `perigee trash`: what was deleted and can come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "cli/when.h"
#include "core/base/util.h"

static const char help_text[] =
    "Usage: perigee trash ls [OPTION...] [[OWNER/]VOLUME]\n"
    "       perigee trash restore [OPTION...] [OWNER/]VOLUME ID|PATH ...\n"
    "       perigee trash empty [OPTION...] [OWNER/]VOLUME [ID ...]\n"
    "\n"
    "What 'perigee rm' deleted waits in the volume's trash, and counts against its "
    "quota,\n"
    "until it is emptied or its time is over. restore brings it back to where it was: "
    "the\n"
    "piece with that ID, or the newest that was at PATH. empty deletes for good. Without "
    "a\n"
    "volume, ls shows that of persistent.\n"
    "\n"
    "      --yes   do not ask before the whole trash is emptied\n"
    "      --json  print the answers as JSON\n"
    "  -h, --help  show this\n"
    "\n"
    "Examples\n"
    "  perigee trash ls persistent\n"
    "  perigee trash restore persistent halos/run7\n";

/* "/trash/OWNER/VOLUME"; NULL: an error. */
static char *trash_url(peri_client_t *c, const char *word, peri_err_t *err)
{
    peri_place_t p = {0};
    char *url = NULL;
    const char *me;
    if (peri_place_parse(word, true, &p, err) == 0 && *p.path)
        peri_err_set(err, PERI_EINVAL,
                     "a volume has one trash: write \"%s\" without a path", p.volume);
    else if (p.volume && (me = p.owner ? p.owner : peri_client_account(c, err)))
        url = peri_place_url(&p, me, "/trash");
    peri_place_free(&p);
    return url;
}

static void print_trash(const json_t *items)
{
    static const char *const titles[] = {"ID", "DELETED", "BY", ">SIZE", "GOES", "PATH"};
    peri_grid_t *g = peri_grid_new(titles, 6);
    const json_t *t;
    size_t i;
    json_array_foreach(items, i, t)
    {
        char when[PERI_WHEN], bytes[16];
        const json_t *size = json_object_get(json_object_get(t, "amount"), "bytes");
        peri_grid_add(g, peri_json_str(t, "id"));
        peri_grid_add(g, peri_when_time(peri_json_num(t, "deleted", 0), when));
        peri_grid_add(g, peri_json_str(t, "by"));
        peri_grid_add(g, json_is_integer(size)
                             ? peri_human_bytes((uint64_t)json_integer_value(size), bytes)
                             : "");
        peri_grid_add(g, peri_when_time(peri_json_num(t, "expires", 0), when));
        peri_grid_addf(g, "%s%s", peri_json_str(t, "path"),
                       strcmp(peri_json_str(t, "kind"), "folder") ? "" : "/");
    }
    peri_grid_print(g, stdout);
    peri_grid_free(g);
}

static int verb_ls(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 0, 1, "");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *url = trash_url(c, optind < argc ? argv[optind] : "persistent", &err);
    json_t *all = url ? peri_talk_list(c, &err, "trash", "%s", url) : NULL;
    if (all && !json) print_trash(all);
    free(url);
    return peri_talk_end(c, all, &err, json, NULL);
}

/* The id of what a word means: itself, or the newest piece that was at this path. */
static char *id_of(const json_t *items, const char *word, peri_err_t *err)
{
    const json_t *t;
    size_t i, len = strlen(word);
    while (len && word[len - 1] == '/') len--;
    json_array_foreach(items, i, t)
    {
        const char *path = peri_json_str(t, "path");
        if (!strcmp(peri_json_str(t, "id"), word) ||
            (strlen(path) == len && !memcmp(path, word, len)))
            return peri_url_escape(peri_json_str(t, "id"));
    }
    peri_err_set(err, PERI_ENOTFOUND, "the trash has no \"%.200s\"", word);
    return NULL;
}

static json_t *restore(peri_client_t *c, const char *url, const json_t *items,
                       const char *word, peri_err_t *err)
{
    char *id = id_of(items, word, err);
    json_t *j =
        id ? peri_client_send(c, err, "POST", NULL, "%s/%s/restore", url, id) : NULL;
    free(id);
    return j;
}

static json_t *drop(peri_client_t *c, const char *url, const json_t *items,
                    const char *word, peri_err_t *err)
{
    char *id = id_of(items, word, err);
    json_t *j = id ? peri_client_send(c, err, "DELETE", NULL, "%s/%s", url, id) : NULL;
    free(id);
    return j;
}

typedef json_t *(*piece_f)(peri_client_t *c, const char *url, const json_t *items,
                           const char *word, peri_err_t *err);

static int each(peri_client_t *c, const char *url, int n, char **words, bool json,
                piece_f f)
{
    peri_err_t err = {0};
    int status = 0;
    json_t *items = peri_talk_list(c, &err, "trash", "%s", url);
    if (!items) return peri_cli_fail(&err);
    for (int i = 0; i < n; i++) {
        json_t *j = f(c, url, items, words[i], &err);
        if (j && json) peri_talk_print(j);
        if (!j) status = peri_cli_fail(&err);
        json_decref(j);
    }
    json_decref(items);
    return peri_cli_done(status);
}

static int verb_restore(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 1);
    if (status < 0)
        status = peri_words_check(argc, argv, 2, argc, "a volume and what to bring back");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *url = trash_url(c, argv[optind], &err);
    status = url ? each(c, url, argc - optind - 1, argv + optind + 1, json, restore)
                 : peri_cli_fail(&err);
    free(url);
    peri_client_free(c);
    return status;
}

static int verb_empty(int argc, char **argv)
{
    bool json = false, yes = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"yes", &yes, NULL, 0}, {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, help_text, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a volume");
    if (status >= 0) return status;
    const char *volume = argv[optind];
    bool all = argc - optind == 1;
    if (all && !yes &&
        !peri_talk_sure("Delete all that is in the trash of %s for good?", volume)) {
        fputs("perigee: nothing was deleted (--yes does not ask)\n", stderr);
        return 1;
    }
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *url = trash_url(c, volume, &err);
    if (url && !all) {
        status = each(c, url, argc - optind - 1, argv + optind + 1, json, drop);
        peri_client_free(c);
    } else {
        json_t *j = url ? peri_client_send(c, &err, "DELETE", NULL, "%s", url) : NULL;
        status = peri_talk_end(c, j, &err, json, "the trash of %s is empty", volume);
    }
    free(url);
    return status;
}

int peri_cmd_trash(int argc, char **argv)
{
    static const peri_verb_t verbs[] = {
        {"ls", verb_ls}, {"restore", verb_restore}, {"empty", verb_empty}};
    return peri_verbs_run(argc, argv, help_text, verbs, 3, verb_ls);
}
