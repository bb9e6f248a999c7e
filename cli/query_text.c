/* query_text.c - see query_text.h. */
#include "cli/query_text.h"

#include <stdlib.h>
#include <string.h>

#include "cli/saved.h"
#include "core/base/util.h"
#include "core/mydb/statement.h"

void peri_querytext_clear(peri_querytext_t *t)
{
    json_decref(t->saved);
    json_decref(t->params);
    free(t->made);
    *t = (peri_querytext_t){0};
}

static void add_defaults(peri_querytext_t *t)
{
    const json_t *p;
    size_t i;
    json_array_foreach(json_object_get(t->saved, "parameters"), i, p)
    {
        const char *name = peri_json_str(p, "name");
        json_t *value = json_object_get(p, "default");
        if (!value || json_object_get(t->params, name)) continue;
        if (!t->params) t->params = json_object();
        json_object_set(t->params, name, value);
    }
}

/* The one SELECT becomes CREATE TABLE ... AS. */
static int make_table(const peri_portalquery_t *q, peri_querytext_t *t, peri_err_t *err)
{
    peri_script_t script;
    peri_arena_t *a = peri_arena_new();
    int rc = peri_script_parse(t->sql, strlen(t->sql), a, &script, err);
    if (rc == 0 && (script.n != 1 || script.v[0].kind != PERI_ST_SELECT))
        rc = peri_err_set(err, PERI_EINVAL,
                          "--into %.100s makes a table of the rows of one SELECT, and "
                          "this is %s",
                          q->table, script.n == 1 ? "none" : "more than that");
    if (rc == 0) {
        t->made =
            peri_xasprintf("CREATE%s TABLE %s AS %s", q->overwrite ? " OR REPLACE" : "",
                           q->table, script.v[0].sql);
        t->sql = t->made;
    }
    peri_arena_free(a);
    return rc;
}

int peri_querytext_find(peri_client_t *c, const peri_portalquery_t *q,
                        peri_querytext_t *t, peri_err_t *err)
{
    *t = (peri_querytext_t){.sql = q->sql,
                            .context = q->context,
                            .params = q->params ? json_copy(q->params) : NULL};
    if (q->saved) {
        t->saved = peri_saved_get(c, q->saved, err);
        if (!t->saved) return -1;
        t->sql = peri_json_str(t->saved, "sql");
        if (!t->context && *peri_json_str(t->saved, "context"))
            t->context = peri_json_str(t->saved, "context");
        add_defaults(t);
    }
    return q->table ? make_table(q, t, err) : 0;
}
