/* table_portal_share.c - tables of the portal for others: grants on the files that they
 * are. See table_portal.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/table_portal.h"
#include "cli/table_words.h"
#include "cli/talk.h"
#include "cli/thing.h"
#include "core/base/util.h"

/* The schema of this name in GET /tables, or NULL. */
static const json_t *schema_named(const json_t *list, const char *name)
{
    const json_t *s;
    size_t i;
    json_array_foreach(json_object_get(list, "schemas"), i, s)
    {
        if (!strcasecmp(peri_json_str(s, "name"), name)) return s;
    }
    return NULL;
}

/* "ana/persistent:mydb/x.h5" of a table, "ana/persistent:mydb" of a schema's name; NULL:
 * an error. The caller frees. */
static char *place_of(peri_client_t *c, const char *word, peri_err_t *err)
{
    peri_tableword_t t = {0};
    json_t *list = peri_client_get(c, 0, NULL, err, "/tables"), *table = NULL;
    const json_t *s = NULL;
    char *place = NULL, *url = NULL;
    if (!list) return NULL;
    if (!strchr(word, '.') && (s = schema_named(list, word))) {
        place = peri_xasprintf("%s:mydb", peri_json_str(s, "owner"));
    } else if (peri_tableword_parse(word, &t, err) == 0 &&
               (url = peri_table_url(word, err)) &&
               (table = peri_client_get(c, 0, NULL, err, "%s", url))) {
        const bool view = !strcmp(peri_json_str(table, "kind"), "view");
        s = schema_named(list, t.schema);
        if (s)
            place =
                peri_xasprintf("%s:mydb/%s.%s", peri_json_str(s, "owner"),
                               peri_json_str(table, "name"), view ? "view.sql" : "h5");
        else
            peri_err_set(err, PERI_ENOTFOUND, "there is no schema %s of yours", t.schema);
    }
    free(url);
    json_decref(table);
    json_decref(list);
    peri_tableword_free(&t);
    return place;
}

static json_t *grant(peri_client_t *c, const char *place, const char *whom, bool write,
                     peri_err_t *err)
{
    json_t *to = peri_thing_whom(whom, err), *rights = json_array();
    json_array_append_new(rights, json_string("read"));
    if (write) json_array_append_new(rights, json_string("write"));
    if (!to) {
        json_decref(rights);
        return NULL;
    }
    return peri_client_send(c, err, "POST",
                            peri_body("{s:s, s:s, s:o, s:o}", "kind", "volume", "thing",
                                      place, "to", to, "rights", rights),
                            "/grants");
}

/* A table is replaced when it is changed, which takes the folder that it is in. */
static int check_write(const char *place, const char *word, peri_err_t *err)
{
    const char *end = strrchr(place, ':');
    if (end && !strcmp(end, ":mydb")) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "%.200s alone can only be shared for reading; 'perigee table "
                        "share mydb WHOM --write' lets others change all tables of "
                        "yours, and a team's are its members' to change",
                        word);
}

int peri_table_portal_share(int argc, char **argv)
{
    bool json = false, write = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0},
                                     {"write", &write, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 2);
    if (status < 0)
        status =
            peri_words_check(argc, argv, 2, argc, "a table, and whom to share it with");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *place = place_of(c, argv[optind], &err);
    const bool well = place && !(write && check_write(place, argv[optind], &err));
    if (!well) status = peri_cli_fail(&err);
    for (int i = optind + 1; well && i < argc; i++) {
        json_t *j = grant(c, place, argv[i], write, &err);
        if (!j)
            status = peri_cli_fail(&err);
        else if (json)
            peri_talk_print(j);
        else
            printf("%s is shared with %s\n", argv[optind], argv[i]);
        json_decref(j);
    }
    free(place);
    peri_client_free(c);
    return peri_cli_done(status);
}

/* Takes back what was given on the place, to `whom` or (NULL) to all: how many grants, or
 * -1. */
static int take_back(peri_client_t *c, const char *place, const char *whom, bool json,
                     peri_err_t *err)
{
    json_t *all = peri_talk_list(c, err, "grants", "/grants"),
           *want = json_pack("{s:s, s:s}", "kind", "volume", "thing", place), *g, *j;
    int n = all ? 0 : -1;
    size_t i;
    json_array_foreach(all, i, g)
    {
        char *to = peri_thing_whom_text(g);
        const bool is = peri_thing_same(g, want) && (!whom || !strcmp(to, whom));
        free(to);
        if (!is || n < 0) continue;
        j = peri_client_send(c, err, "DELETE", NULL, "/grants/%lld",
                             (long long)peri_json_int(g, "id", 0));
        if (j && json) peri_talk_print(j);
        n = j ? n + 1 : -1;
        json_decref(j);
    }
    json_decref(all);
    json_decref(want);
    return n;
}

int peri_table_portal_unshare(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a table");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    const char *word = argv[optind];
    char *place = place_of(c, word, &err);
    if (!place) status = peri_cli_fail(&err);
    const int some = argc - optind - 1;
    for (int i = 0; place && i < (some ? some : 1); i++) {
        const char *whom = some ? argv[optind + 1 + i] : NULL;
        const int n = take_back(c, place, whom, json, &err);
        if (n == 0)
            peri_err_set(&err, PERI_ENOTFOUND, "%.200s is not shared with %.100s", word,
                         whom ? whom : "anyone");
        if (n <= 0)
            status = peri_cli_fail(&err);
        else if (!json)
            printf("%s is not shared with %s any more\n", word, whom ? whom : "anyone");
    }
    free(place);
    peri_client_free(c);
    return peri_cli_done(status);
}
