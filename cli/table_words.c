/* table_words.c - see table_words.h. */
#include "cli/table_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/table.h"
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

char *peri_tableword_renamed(const char *from, const char *to, peri_err_t *err)
{
    peri_tableword_t a = {0}, b = {0};
    char *name = NULL;
    if (peri_tableword_parse(from, &a, err) == 0 &&
        peri_tableword_parse(to, &b, err) == 0) {
        if (strchr(to, '.') && strcasecmp(a.schema, b.schema) != 0)
            peri_err_set(err, PERI_EINVAL,
                         "a table stays in its schema; CREATE TABLE %s AS SELECT * FROM "
                         "%s copies it",
                         to, from);
        else
            name = peri_xstrdup(b.name);
    }
    peri_tableword_free(&a);
    peri_tableword_free(&b);
    return name;
}

static bool tables_meant(int n, char **words, bool yes)
{
    if (yes || !isatty(0)) return true;
    bool sure = n == 1 ? peri_talk_sure("Delete the table %s for good?", words[0])
                       : peri_talk_sure("Delete %d tables (%s ... %s) for good?", n,
                                        words[0], words[n - 1]);
    if (!sure) fputs("perigee: nothing was deleted (--yes does not ask)\n", stderr);
    return sure;
}

int peri_tableverb_read(int argc, char **argv, int min, int max, const char *needs,
                        bool *json)
{
    const peri_option_t options[] = {{"json", json, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 1);
    return status < 0 ? peri_words_check(argc, argv, min, max, needs) : status;
}

int peri_tableverb_read_rm(int argc, char **argv, bool *json)
{
    bool yes = false;
    const peri_option_t options[] = {{"json", json, NULL, 0}, {"yes", &yes, NULL, 'y'}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 2);
    if (status < 0) status = peri_words_check(argc, argv, 1, argc, "a table");
    if (status >= 0) return status;
    return tables_meant(argc - optind, argv + optind, yes) ? -1 : 1;
}

/* ---- describe ---- */

int peri_tablesaid_read(int argc, char **argv, peri_tablesaid_t *out)
{
    *out = (peri_tablesaid_t){
        .lists = {{.name = "column"}, {.name = "unit"}, {.name = "ucd"}}};
    const peri_option_t options[] = {{"json", &out->json, NULL, 0},
                                     {"text", NULL, &out->text, 0}};
    int status =
        peri_options_read_lists(argc, argv, peri_table_help, options, 2, out->lists, 3);
    return status < 0 ? peri_words_check(argc, argv, 1, 1, "a table") : status;
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

json_t *peri_tablesaid_body(const peri_tablesaid_t *s, peri_err_t *err)
{
    static const char *const keys[] = {"description", "unit", "ucd"};
    json_t *columns = json_object(), *body = NULL;
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = put_columns(columns, &s->lists[i], keys[i], err);
    if (rc == 0 && !s->text && json_object_size(columns) == 0)
        rc = peri_err_set(err, PERI_EINVAL,
                          "say what to note: --text of the table, --column, --unit or "
                          "--ucd of a column; 'perigee table show' shows what there is");
    if (rc == 0) {
        body = json_pack("{s:s*, s:O}", "description", s->text, "columns", columns);
        if (!body) peri_err_set(err, PERI_EINVAL, "names and texts are to be UTF-8");
    }
    json_decref(columns);
    return body;
}
