/* api_tables.c - requests about tables: each is one `perigee table` in the sandbox of who
 * asks (run.h). Which schemas there are, and who may change which, is what the sandbox
 * shows: a schema that is not shared is not there. Loading one is in api_load.c.
 */
#include <string.h>
#include <unistd.h>

#include "jobs/task/folder.h"
#include "portal/quick/api.h"
#include "portal/quick/format.h"
#include "portal/quick/run.h"
#include "portal/quick/words.h"

enum { ROOM = 16 };
#define LONG        3600.0 /* seconds that moving a table may take */
#define DESCRIPTION 10000
#define COLUMNS     1000 /* that one request describes */

typedef struct {
    peri_words_t w;
    peri_quickrun_t q;
    char id[PERI_UUID_LEN + 1];
} call_t;

static void begin(call_t *c, peri_request_t *r, const char *verb, size_t more)
{
    memset(c, 0, sizeof(*c));
    peri_words_init(&c->w, r->arena, ROOM + more);
    peri_words_put(&c->w, "table");
    peri_words_put(&c->w, verb);
    peri_uuid_new(c->id);
    c->q = (peri_quickrun_t){.input = -1, .id = c->id};
}

static int start(call_t *c, peri_request_t *r, peri_err_t *err)
{
    if (peri_words_check(&c->w, err)) return -1;
    c->q.argv = c->w.v;
    c->q.argc = c->w.n;
    return peri_quick_start(r, &c->q, err);
}

int peri_api_table_list(peri_request_t *r, peri_err_t *err)
{
    int rc;
    call_t c;
    const char *schema = peri_request_arg(r, "schema");
    if (peri_quick_again(r, &rc, err)) return rc;
    if (schema && *schema && peri_schemaname_check(schema, err)) return -1;
    begin(&c, r, "ls", 0);
    peri_words_put(&c.w, "--json");
    peri_words_put(&c.w, "--");
    if (schema && *schema) peri_words_put(&c.w, schema);
    return start(&c, r, err);
}

int peri_api_table(peri_request_t *r, peri_err_t *err)
{
    int rc;
    call_t c;
    if (peri_quick_again(r, &rc, err)) return rc;
    const char *name = peri_tableword(r, err);
    if (!name) return -1;
    begin(&c, r, "show", 0);
    peri_words_put(&c.w, "--json");
    peri_words_put(&c.w, "--");
    peri_words_put(&c.w, name);
    return start(&c, r, err);
}

int peri_api_table_data(peri_request_t *r, peri_err_t *err)
{
    int rc;
    call_t c;
    const char *format = peri_request_arg(r, "format");
    if (peri_quick_again(r, &rc, err)) return rc;
    const char *name = peri_tableword(r, err);
    const peri_rowformat_t *f =
        name ? peri_rowformat_find(format && *format ? format : "csv", err) : NULL;
    if (!f) return -1;
    begin(&c, r, "get", 0);
    peri_words_option(&c.w, "format", f->name);
    peri_words_put(&c.w, "--");
    peri_words_put(&c.w, name);
    c.q.type = f->type;
    c.q.name = peri_arena_printf(r->arena, "%s.%s", r->param[1], f->ending);
    c.q.seconds = LONG;
    /* What could be put in can be had again. */
    c.q.bytes = (uint64_t)r->portal->config->quick.upload;
    return start(&c, r, err);
}

int peri_api_table_delete(peri_request_t *r, peri_err_t *err)
{
    int rc;
    call_t c;
    if (peri_quick_again(r, &rc, err)) {
        if (rc || r->fd < 0) return rc;
        close(r->fd);
        r->fd = -1;
        r->status = 204;
        return 0;
    }
    const char *name = peri_tableword(r, err);
    if (!name) return -1;
    begin(&c, r, "rm", 0);
    c.q.writes = true;
    peri_words_put(&c.w, "--json");
    peri_words_put(&c.w, "--");
    peri_words_put(&c.w, name);
    return start(&c, r, err);
}

/* ---- PATCH ---- */

static int check_text(const json_t *o, const char *key, peri_err_t *err)
{
    const char *s;
    return peri_json_text(o, key, false, DESCRIPTION, &s, err);
}

static int check_columns(const json_t *columns, peri_err_t *err)
{
    static const char *const keys[] = {"unit", "description", "ucd"};
    const char *name, *key;
    json_t *c, *v;
    if (columns && !json_is_object(columns))
        return peri_err_set(err, PERI_EINVAL,
                            "\"columns\" is an object: {\"ra\": {\"unit\": \"deg\", "
                            "\"ucd\": \"pos.eq.ra\", \"description\": \"...\"}}");
    if (json_object_size(columns) > COLUMNS)
        return peri_err_set(err, PERI_EINVAL,
                            "one request describes %d columns at most: send several",
                            COLUMNS);
    json_object_foreach((json_t *)columns, name, c)
    {
        if (!*name || strchr(name, '='))
            return peri_err_set(err, PERI_EINVAL,
                                "a column whose name is empty, or has a \"=\" in it, as "
                                "\"%.60s\", cannot be described: give it another name",
                                name);
        if (!json_is_object(c))
            return peri_err_set(err, PERI_EINVAL,
                                "the column \"%.60s\" is to be an object of unit, ucd, "
                                "description",
                                name);
        json_object_foreach(c, key, v)
        {
            size_t i = 0;
            while (i < 3 && strcmp(keys[i], key) != 0) i++;
            if (i == 3)
                return peri_err_set(err, PERI_EINVAL,
                                    "\"%.60s\" of the column \"%.60s\" is not unit, ucd "
                                    "or description",
                                    key, name);
            if (check_text(c, key, err))
                return peri_err_prefix(err, "the column \"%.60s\"", name);
        }
    }
    return 0;
}

/* One change at a time, so that each is whole. */
static int read_change(const json_t *o, const char **to, peri_err_t *err)
{
    const json_t *columns = json_object_get(o, "columns");
    const bool describes =
        json_object_get(o, "description") || json_object_size(columns) > 0;
    if (peri_json_text(o, "name", false, 200, to, err) ||
        check_text(o, "description", err) || check_columns(columns, err))
        return -1;
    if (*to && describes)
        return peri_err_set(err, PERI_EINVAL,
                            "a new name and a description are two requests: first the "
                            "one, then the other");
    if (!*to && !describes)
        return peri_err_set(err, PERI_EINVAL,
                            "say what changes: \"name\", or \"description\" and "
                            "\"columns\"");
    return *to ? peri_tablename_check(*to, err) : 0;
}

static int rename_it(call_t *c, peri_request_t *r, const char *name, const char *to,
                     peri_err_t *err)
{
    begin(c, r, "mv", 0);
    peri_words_put(&c->w, "--json");
    peri_words_put(&c->w, "--");
    peri_words_put(&c->w, name);
    peri_words_put(&c->w, peri_arena_printf(r->arena, "%s.%s", r->param[0], to));
    c->q.writes = true;
    return start(c, r, err);
}

/* {"unit": "deg"} of the column ra: --unit=ra=deg */
static void put_columns(peri_words_t *w, const json_t *columns)
{
    static const char *const options[][2] = {
        {"description", "column"}, {"unit", "unit"}, {"ucd", "ucd"}};
    const char *name;
    json_t *c;
    json_object_foreach((json_t *)columns, name, c) for (int i = 0; i < 3; i++)
    {
        const char *text = json_string_value(json_object_get(c, options[i][0]));
        if (text)
            peri_words_option(w, options[i][1],
                              peri_arena_printf(w->arena, "%s=%s", name, text));
    }
}

static int describe(call_t *c, peri_request_t *r, const char *name, const json_t *o,
                    peri_err_t *err)
{
    const json_t *columns = json_object_get(o, "columns");
    begin(c, r, "describe", 3 * json_object_size(columns));
    peri_words_option(&c->w, "text",
                      json_string_value(json_object_get(o, "description")));
    put_columns(&c->w, columns);
    peri_words_put(&c->w, "--json");
    peri_words_put(&c->w, "--");
    peri_words_put(&c->w, name);
    c->q.writes = true;
    return start(c, r, err);
}

int peri_api_table_edit(peri_request_t *r, peri_err_t *err)
{
    int rc;
    call_t c;
    const char *to = NULL;
    if (peri_quick_again(r, &rc, err)) return rc;
    const char *name = peri_tableword(r, err);
    json_t *o = name ? peri_request_json(r, "name description columns", err) : NULL;
    if (!o || read_change(o, &to, err)) return -1;
    return to ? rename_it(&c, r, name, to, err) : describe(&c, r, name, o, err);
}
