/* table_portal.c - see table_portal.h: what is asked of tables, not their rows. */
#include "cli/table_portal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/table_print.h"
#include "cli/talk.h"
#include "core/base/util.h"

/* ---- names ---- */

int peri_tableword_parse(const char *word, peri_tableword_t *out, peri_err_t *err)
{
    const char *dot = strrchr(word, '.'), *name = dot ? dot + 1 : word;
    *out = (peri_tableword_t){0};
    if (!*name || dot == word || !peri_utf8_valid(word, strlen(word)))
        return peri_err_set(err, PERI_EINVAL,
                            "\"%.100s\" names no table: write NAME for one of yours, or "
                            "SCHEMA.NAME",
                            word);
    out->schema =
        dot ? peri_xasprintf("%.*s", (int)(dot - word), word) : peri_xstrdup("mydb");
    out->name = peri_xstrdup(name);
    return 0;
}

void peri_tableword_free(peri_tableword_t *t)
{
    free(t->schema);
    free(t->name);
    *t = (peri_tableword_t){0};
}

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
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 0, 1, "");
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
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 1);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "a table");
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

/* Where somebody sits in front of it, she is asked: there is no trash for tables. */
static bool is_meant(int n, char **words, bool yes)
{
    if (yes || !isatty(0)) return true;
    return n == 1 ? peri_talk_sure("Delete the table %s for good?", words[0])
                  : peri_talk_sure("Delete %d tables (%s ... %s) for good?", n, words[0],
                                   words[n - 1]);
}

int peri_table_portal_rm(int argc, char **argv)
{
    bool json = false, yes = false;
    const peri_option_t options[] = {{"json", &json, NULL, 0}, {"yes", &yes, NULL, 'y'}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a table");
    if (status >= 0) return status;
    if (!is_meant(argc - optind, argv + optind, yes)) {
        fputs("perigee: nothing was deleted (--yes does not ask)\n", stderr);
        return 1;
    }
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

/* The new name, in the table's own schema. */
static json_t *rename_body(const char *from, const char *to, peri_err_t *err)
{
    peri_tableword_t a = {0}, b = {0};
    json_t *body = NULL;
    if (peri_tableword_parse(from, &a, err) == 0 &&
        peri_tableword_parse(to, &b, err) == 0) {
        if (strchr(to, '.') && strcasecmp(a.schema, b.schema) != 0)
            peri_err_set(err, PERI_EINVAL,
                         "a table stays in its schema; CREATE TABLE %s AS SELECT * FROM "
                         "%s copies it",
                         to, from);
        else
            body = json_pack("{s:s}", "name", b.name);
    }
    peri_tableword_free(&a);
    peri_tableword_free(&b);
    return body;
}

int peri_table_portal_mv(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 1);
    if (status < 0)
        status = peri_words_check(argc, argv, 2, 2, "a table and its new name");
    if (status >= 0) return status;
    peri_client_t *c = peri_talk(&status);
    if (!c) return status;
    json_t *body = rename_body(argv[optind], argv[optind + 1], &err);
    char *url = body ? peri_table_url(argv[optind], &err) : NULL;
    json_t *j = body ? peri_client_send(c, &err, "PATCH", body, "%s", url) : NULL;
    free(url);
    return peri_talk_end(c, j, &err, json, "%s is %s now", argv[optind],
                         argv[optind + 1]);
}

/* "ra=deg" into columns: {"ra": {KEY: "deg"}}. */
static int put_columns(json_t *columns, const peri_optionlist_t *list, const char *key,
                       peri_err_t *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *eq = strchr(list->v[i], '=');
        json_t *text = eq ? json_string(eq + 1) : NULL, *c;
        if (!text || eq == list->v[i]) {
            json_decref(text);
            return peri_err_set(err, PERI_EINVAL,
                                "--%s \"%.100s\" is not possible: write COLUMN=TEXT",
                                list->name, list->v[i]);
        }
        char *name = peri_xasprintf("%.*s", (int)(eq - list->v[i]), list->v[i]);
        c = json_object_get(columns, name);
        if (!c && json_object_set_new(columns, name, json_object()) == 0)
            c = json_object_get(columns, name);
        free(name);
        if (json_object_set_new(c, key, text))
            return peri_err_set(err, PERI_EINVAL, "names and texts are to be UTF-8");
    }
    return 0;
}

int peri_table_portal_describe(int argc, char **argv)
{
    bool json = false;
    const char *text = NULL;
    peri_err_t err = {0};
    const peri_option_t options[] = {{"json", &json, NULL, 0}, {"text", NULL, &text, 0}};
    peri_optionlist_t lists[] = {{.name = "column"}, {.name = "unit"}, {.name = "ucd"}};
    int status =
        peri_options_read_lists(argc, argv, peri_table_help, options, 2, lists, 3);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "a table");
    if (status >= 0) return status;
    json_t *columns = json_object(), *j = NULL;
    int rc = put_columns(columns, &lists[0], "description", &err);
    if (rc == 0) rc = put_columns(columns, &lists[1], "unit", &err);
    if (rc == 0) rc = put_columns(columns, &lists[2], "ucd", &err);
    if (rc == 0 && !text && json_object_size(columns) == 0)
        rc = peri_err_set(&err, PERI_EINVAL,
                          "say what to note: --text of the table, --column, --unit or "
                          "--ucd of a column; 'perigee table show' shows what there is");
    char *url = rc == 0 ? peri_table_url(argv[optind], &err) : NULL;
    peri_client_t *c = url ? peri_client_new(&err) : NULL;
    if (c)
        j = peri_client_send(
            c, &err, "PATCH",
            peri_body("{s:s*, s:O}", "description", text, "columns", columns), "%s", url);
    json_decref(columns);
    free(url);
    return peri_talk_end(c, j, &err, json, "%s is described", argv[optind]);
}
