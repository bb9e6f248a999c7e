/* table_get.c - `perigee table get` on this machine: a table as a file or on standard
 * output, which is a query for all of it.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/query_portal.h"
#include "cli/query_script.h"
#include "cli/table.h"
#include "cli/table_here.h"
#include "core/base/util.h"
#include "core/mydb/about.h"

typedef struct {
    const char *into, *format;
    bool overwrite, json, quiet;
} get_t;

static int choose_format(const get_t *o, peri_format_t *f, peri_err_t *err)
{
    *f = o->json ? PERI_FMT_JSON : PERI_FMT_CSV;
    if (o->json) return 0;
    if (o->format) return peri_format_parse(o->format, f, err);
    return o->into ? peri_format_from_path(o->into, f, err) : 0;
}

/* What the file says of the table: the table's description, the caller's. A view, or a
 * table that cannot be shown, has none; the query says why. */
static char *description_of(const peri_heretable_t *t)
{
    json_t *shown = peri_mydb_show(t->schema, t->name, NULL);
    const char *text = json_string_value(json_object_get(shown, "description"));
    char *copy = text ? peri_xstrdup(text) : NULL;
    json_decref(shown);
    return copy;
}

static int get(const get_t *o, const peri_heretable_t *t, peri_err_t *err)
{
    peri_queryspec_t spec;
    peri_scriptend_t end = {0};
    peri_buf_t sql;
    peri_queryspec_init(&spec);
    peri_buf_init(&sql, 4096);
    peri_buf_puts(&sql, "SELECT * FROM ");
    peri_buf_put_quoted(&sql, t->schema->name, '"');
    peri_buf_printf(&sql, ".%s", t->name);
    spec.sql = sql.data;
    spec.into = o->into;
    spec.overwrite = o->overwrite;
    char *base = getcwd(NULL, 0);
    spec.base = base;
    char *description = description_of(t);
    spec.description = description;
    int rc = peri_buf_check(&sql, "the query", err);
    if (rc == 0) rc = choose_format(o, &spec.format, err);
    peri_terminal_look(&spec.width, &spec.utf8);
    const peri_queryscript_t script = {
        .spec = &spec, .ranks = 1, .quiet = o->quiet || !o->into};
    if (rc == 0) rc = peri_query_script(&script, &end, err);
    if (rc == 0) peri_query_word(&end);
    json_decref(end.changed);
    peri_buf_free(&sql);
    free(description);
    free(base);
    return rc;
}

int peri_table_here_get(int argc, char **argv)
{
    get_t o = {0};
    peri_err_t err = {0};
    peri_heretable_t t = {0};
    const peri_option_t options[] = {{"into", NULL, &o.into, 'o'},
                                     {"format", NULL, &o.format, 0},
                                     {"overwrite", &o.overwrite, NULL, 0},
                                     {"quiet", &o.quiet, NULL, 'q'},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 5);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "a table");
    if (status >= 0) return status;
    peri_cli_catch_interrupts();
    int rc = peri_heretable_find(argv[optind], &t, &err);
    if (rc == 0) rc = get(&o, &t, &err);
    peri_heretable_free(&t);
    return rc ? peri_cli_fail(&err) : 0;
}
