/* table_portal.c - see table_portal.h: what is asked of tables, not their rows. */
#include "cli/table_portal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/table_print.h"
#include "cli/table_words.h"
#include "cli/talk.h"
#include "core/base/util.h"

/* ---- names ---- */

char *peri_table_url(const char *word, peri_err_t *err)
{
    peri_tableword_t t;
    if (peri_tableword_parse(word, &t, err)) return NULL;
    char *schema = peri_url_escape(t.schema), *name = peri_url_escape(t.name),
         *url = peri_xasprintf("/tables/%s/%s", schema, name);
    free(schema);
    free(name);
    peri_tableword_free(&t);
    return url;
}

/* ---- ls, show ---- */

int peri_table_portal_ls(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = peri_tableverb_read(argc, argv, 0, 1, "", &json);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *schema = peri_url_escape(optind < argc ? argv[optind] : "");
    json_t *list = peri_client_get(c, 0, NULL, &err, "/tables%s%s",
                                   *schema ? "?schema=" : "", schema);
    free(schema);
    if (list && !json) peri_table_print_list(list);
    return peri_talk_end(c, list, &err, json, NULL);
}

int peri_table_portal_show(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = peri_tableverb_read(argc, argv, 1, 1, "a table", &json);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *url = peri_table_url(argv[optind], &err);
    json_t *t = url ? peri_client_get(c, 0, NULL, &err, "%s", url) : NULL;
    free(url);
    if (t && !json) peri_table_print(t);
    return peri_talk_end(c, t, &err, json, NULL);
}

/* ---- rm, mv, describe ---- */

int peri_table_portal_rm(int argc, char **argv)
{
    bool json = false;
    int status = peri_tableverb_read_rm(argc, argv, &json);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    for (int i = optind; i < argc; i++) {
        peri_err_t err = {0};
        char *url = peri_table_url(argv[i], &err);
        json_t *j = url ? peri_client_send(c, &err, "DELETE", NULL, "%s", url) : NULL;
        if (!j)
            status = peri_cli_fail(&err);
        else if (json)
            peri_talk_print(j);
        else
            printf("%s is deleted\n", argv[i]);
        json_decref(j);
        free(url);
    }
    peri_client_free(c);
    return peri_cli_done(status);
}

int peri_table_portal_mv(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = peri_tableverb_read(argc, argv, 2, 2, "a table and its new name", &json);
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    char *to = peri_tableword_renamed(argv[optind], argv[optind + 1], &err);
    json_t *body = to ? peri_body("{s:s}", "name", to) : NULL;
    free(to);
    char *url = body ? peri_table_url(argv[optind], &err) : NULL;
    json_t *j = body ? peri_client_send(c, &err, "PATCH", body, "%s", url) : NULL;
    free(url);
    return peri_talk_end(c, j, &err, json, "%s is %s now", argv[optind],
                         argv[optind + 1]);
}

int peri_table_portal_describe(int argc, char **argv)
{
    peri_tablesaid_t said;
    peri_err_t err = {0};
    json_t *j = NULL;
    int status = peri_tablesaid_read(argc, argv, &said);
    if (status >= 0) return status;
    json_t *body = peri_tablesaid_body(&said, &err);
    char *url = body ? peri_table_url(argv[optind], &err) : NULL;
    peri_client_t *c = url ? peri_client_new(&err) : NULL;
    if (c)
        j = peri_client_send(c, &err, "PATCH", body, "%s", url);
    else
        json_decref(body);
    free(url);
    return peri_talk_end(c, j, &err, said.json, "%s is described", argv[optind]);
}
