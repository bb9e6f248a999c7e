/* table_here.c - see table_here.h: all but the rows. */
#include "cli/table_here.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table_print.h"
#include "cli/table_words.h"
#include "cli/talk.h"
#include "core/base/util.h"
#include "core/mydb/about.h"

/* ---- what they have in common ---- */

int peri_heretable_find(const char *word, peri_heretable_t *out, peri_err_t *err)
{
    peri_tableword_t w;
    *out = (peri_heretable_t){0};
    if (peri_tableword_parse(word, &w, err)) return -1;
    int rc = -1;
    if (peri_mydb_name(w.name, out->name, err)) goto out;
    out->schemas = peri_schemas_new(err);
    if (!out->schemas) goto out;
    out->schema = peri_schemas_find(out->schemas, w.schema);
    if (out->schema)
        rc = 0;
    else
        peri_err_set(
            err, PERI_ENOTFOUND,
            "there is no schema \"%s\" whose tables you can read; \"perigee table "
            "ls\" shows all",
            w.schema);
out:
    peri_tableword_free(&w);
    if (rc) peri_heretable_free(out);
    return rc;
}

void peri_heretable_free(peri_heretable_t *t)
{
    peri_schemas_free(t->schemas);
    *t = (peri_heretable_t){0};
}

json_t *peri_table_changed(const peri_heretable_t *t, const char *what, int64_t rows)
{
    json_t *o = json_pack("{s:s, s:s, s:s}", "schema", t->schema->name, "name", t->name,
                          "what", what);
    if (rows >= 0) json_object_set_new(o, "rows", json_integer(rows));
    return o;
}

void peri_table_word(json_t *changes, const char *text)
{
    peri_cli_word(json_pack("{s:i, s:n, s:s, s:o}", "code", 0, "cut", "text", text,
                            "changed", changes));
}

/* A change of one table is over: the table as it is now, as JSON, or the sentence. */
static int end_change(const peri_heretable_t *t, const char *what, bool json,
                      const char *text)
{
    peri_err_t err = {0};
    json_t *now = json ? peri_mydb_show(t->schema, t->name, &err) : NULL;
    if (json && !now) return peri_cli_fail(&err);
    if (json)
        peri_talk_print(now);
    else
        puts(text);
    json_decref(now);
    int status = peri_cli_done(0);
    if (status == 0)
        peri_table_word(json_pack("[o]", peri_table_changed(t, what, -1)), text);
    return status;
}

/* ---- ls, show ---- */

static int print(json_t *take, bool json, void (*print_text)(const json_t *),
                 const peri_err_t *err)
{
    if (!take) return peri_cli_fail(err);
    if (json)
        peri_talk_print(take);
    else
        print_text(take);
    json_decref(take);
    int status = peri_cli_done(0);
    if (status == 0) peri_table_word(json_array(), "");
    return status;
}

int peri_table_here_ls(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    int status = peri_tableverb_read(argc, argv, 0, 1, "", &json);
    if (status >= 0) return status;
    peri_schemas_t *s = peri_schemas_new(&err);
    json_t *list =
        s ? peri_mydb_list(s, optind < argc ? argv[optind] : NULL, &err) : NULL;
    peri_schemas_free(s);
    return print(list, json, peri_table_print_list, &err);
}

/* One that cannot be planned now has its text, at least. */
static void put_view_columns(json_t *view, const peri_heretable_t *t)
{
    peri_err_t err = {0};
    json_t *columns = peri_view_columns(t, &err);
    if (columns)
        json_object_set_new(view, "columns", columns);
    else
        fprintf(stderr, "perigee: its columns cannot be told: %s\n", err.text);
}

int peri_table_here_show(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    peri_heretable_t t;
    int status = peri_tableverb_read(argc, argv, 1, 1, "a table", &json);
    if (status >= 0) return status;
    if (peri_heretable_find(argv[optind], &t, &err)) return peri_cli_fail(&err);
    json_t *o = peri_mydb_show(t.schema, t.name, &err);
    if (o && json_object_get(o, "sql")) put_view_columns(o, &t);
    peri_heretable_free(&t);
    return print(o, json, peri_table_print, &err);
}

/* ---- rm, mv, describe ---- */

/* What was dropped is noted in changes. */
static int drop(const char *word, bool json, json_t *changes, peri_err_t *err)
{
    peri_heretable_t t;
    if (peri_heretable_find(word, &t, err)) return -1;
    int rc = peri_mydb_drop(t.schema, t.name, PERI_MYDB_NONE, false, err);
    if (rc == 0) {
        json_t *change = peri_table_changed(&t, "dropped", -1);
        if (json)
            peri_talk_print(change);
        else
            printf("%s.%s is deleted\n", t.schema->name, t.name);
        json_array_append_new(changes, change);
    }
    peri_heretable_free(&t);
    return rc;
}

int peri_table_here_rm(int argc, char **argv)
{
    bool json = false;
    int status = peri_tableverb_read_rm(argc, argv, &json);
    if (status >= 0) return status;
    json_t *changes = json_array();
    status = 0;
    for (int i = optind; i < argc; i++) {
        peri_err_t err = {0};
        if (drop(argv[i], json, changes, &err)) status = peri_cli_fail(&err);
    }
    status = peri_cli_done(status);
    if (status == 0)
        peri_table_word(changes, "deleted");
    else
        json_decref(changes);
    return status;
}

int peri_table_here_mv(int argc, char **argv)
{
    bool json = false;
    peri_err_t err = {0};
    peri_heretable_t t = {0};
    char *to = NULL, *text = NULL, name[PERI_MYDB_NAME];
    int status = peri_tableverb_read(argc, argv, 2, 2, "a table and its new name", &json);
    if (status >= 0) return status;
    if (peri_heretable_find(argv[optind], &t, &err) == 0 &&
        (to = peri_tableword_renamed(argv[optind], argv[optind + 1], &err)) &&
        peri_mydb_name(to, name, &err) == 0 &&
        peri_mydb_rename(t.schema, t.name, name, &err) == 0) {
        text = peri_xasprintf("%s.%s is %s.%s now", t.schema->name, t.name,
                              t.schema->name, name);
        memcpy(t.name, name, sizeof(name));
        status = end_change(&t, "renamed", json, text);
    } else {
        status = peri_cli_fail(&err);
    }
    free(text);
    free(to);
    peri_heretable_free(&t);
    return status;
}

int peri_table_here_describe(int argc, char **argv)
{
    peri_tablesaid_t said;
    peri_err_t err = {0};
    peri_heretable_t t = {0};
    int status = peri_tablesaid_read(argc, argv, &said);
    if (status >= 0) return status;
    json_t *body = peri_tablesaid_body(&said, &err);
    if (body && peri_heretable_find(argv[optind], &t, &err) == 0 &&
        peri_mydb_describe(t.schema, t.name, body, &err) == 0) {
        char *text = peri_xasprintf("%s.%s is described", t.schema->name, t.name);
        status = end_change(&t, "described", said.json, text);
        free(text);
    } else {
        status = peri_cli_fail(&err);
    }
    json_decref(body);
    peri_heretable_free(&t);
    return status;
}
