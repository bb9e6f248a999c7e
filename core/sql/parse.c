/* parse.c - SQL text to syntax tree and back, through DuckDB's own parser.
 *
 * json_serialize_sql only parses: it runs nothing, expands no PRAGMA and reads no file
 * (as duckdb_extract_statements would), and takes SELECT statements only. The little
 * scanner here finds the first keyword of a refused statement for the message; it decides
 * nothing.
 */
#include "core/sql/parse.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/textplace.h"
#include "core/base/util.h"
#include "core/sql/ast.h"
#include "core/sql/duck.h"
#include "core/sql/meant.h"

/* ---- errors with a place ---- */

static int syntax_error(const char *sql, const char *message, long position,
                        peri_err_t *err)
{
    size_t len = strlen(sql);
    size_t at = position < 0 ? len : (size_t)position > len ? len : (size_t)position;
    while (position > 0 && at == len && at > 0 && isspace((unsigned char)sql[at - 1]))
        at--;
    if (position < 0)
        return peri_err_set(err, PERI_EINVAL, "the SQL is not valid: %s", message);
    char hint[160], text[512];
    if (peri_meant_syntax(sql, len, at, hint, sizeof hint)) {
        snprintf(text, sizeof text, "%s; %s", message, hint);
        message = text;
    }
    return peri_err_set_place(err, PERI_EINVAL, "the SQL is not valid", sql, len, at,
                              message);
}

/* ---- which statement is it? ---- */

/* The end of a comment that starts here, else s. */
static const char *skip_comment(const char *s)
{
    if (s[0] == '-' && s[1] == '-') return s + strcspn(s, "\n");
    if (s[0] != '/' || s[1] != '*') return s;
    const char *end = strstr(s + 2, "*/");
    return end ? end + 2 : s + strlen(s);
}

static const char *skip_blank(const char *s)
{
    for (;;) {
        const char *next = skip_comment(s);
        if (next == s && !isspace((unsigned char)*s) && *s != ';' && *s != '(') return s;
        s = next == s ? s + 1 : next;
    }
}

/* Past one token, so that a ';' in a string or name ends no statement. */
static const char *skip_token(const char *s)
{
    if (*s == '\'' || *s == '"') {
        const char *end = strchr(s + 1, *s);
        return end ? end + 1 : s + strlen(s);
    }
    const char *next = skip_comment(s);
    return next == s ? s + 1 : next;
}

static const char *next_statement(const char *s)
{
    while (*s && *s != ';') s = skip_token(s);
    return skip_blank(s);
}

static const struct {
    const char *keyword, *advice;
} ADVICE[] = {
    {"ATTACH",
     "name HDF5 files in FROM, or register a dataset with 'perigee dataset add'"},
    {"CALL", "only SELECT runs; table functions that are allowed go into FROM"},
    {"COPY", "write results with 'perigee query --into FILE'"},
    {"CREATE", "write results with 'perigee query --into FILE' and query that file"},
    {"EXPLAIN", "use 'perigee query --explain'"},
    {"EXPORT", "write results with 'perigee query --into FILE'"},
    {"INSTALL", "extensions cannot be added"},
    {"LOAD", "extensions cannot be added"},
    {"PIVOT", "use SELECT * FROM table PIVOT (sum(x) FOR column IN (...))"},
    {"PRAGMA",
     "use 'perigee describe' for tables and options of 'perigee query' for limits"},
    {"RESET", "limits are options of 'perigee query'"},
    {"SET", "limits are options of 'perigee query'"},
    {"SHOW", "use 'perigee describe'"},
    {"UNPIVOT", "use SELECT * FROM table UNPIVOT (value FOR name IN (...))"},
    {"USE", "give the dataset with --context"},
};

static int refuse_statement(const char *sql, peri_err_t *err)
{
    const char *s = skip_blank(sql);
    for (int i = 0; i < 100; i++) { /* the first one that is no SELECT */
        if (strncasecmp(s, "SELECT", 6) != 0 && strncasecmp(s, "WITH", 4) != 0 &&
            strncasecmp(s, "FROM", 4) != 0 && strncasecmp(s, "VALUES", 6) != 0 &&
            strncasecmp(s, "TABLE", 5) != 0)
            break;
        const char *next = next_statement(s);
        if (!*next) break;
        s = next;
    }
    char word[24];
    size_t n = 0;
    while (n + 1 < sizeof word && isalpha((unsigned char)s[n])) {
        word[n] = (char)toupper((unsigned char)s[n]);
        n++;
    }
    word[n] = '\0';
    const char *advice = "only SELECT runs here, files and tables are never changed";
    for (size_t i = 0; i < sizeof ADVICE / sizeof *ADVICE; i++)
        if (strcmp(word, ADVICE[i].keyword) == 0) advice = ADVICE[i].advice;
    return peri_err_set(err, PERI_EDENIED, "%s statements are refused: %s",
                        n ? word : "Such", advice);
}

/* ---- parse ---- */

static json_t *take_query(json_t *root, const char *sql, peri_err_t *err)
{
    if (peri_ast_true(root, "error")) {
        const char *message = peri_ast_str(root, "error_message");
        const char *place = peri_ast_str(root, "position");
        if (strcmp(peri_ast_str(root, "error_type"), "not implemented") == 0 &&
            strstr(message, "Only SELECT statements"))
            refuse_statement(sql, err);
        else
            syntax_error(sql, message, *place ? strtol(place, NULL, 10) : -1, err);
        return NULL;
    }
    json_t *statements = peri_ast_list(root, "statements");
    size_t n = json_array_size(statements);
    if (n != 1) {
        peri_err_set(
            err, n ? PERI_EDENIED : PERI_EINVAL,
            n ? "%zu statements were given: give one SELECT at a time"
              : "there is no SQL statement in the text (%zu found): give one SELECT",
            n);
        return NULL;
    }
    json_t *query = peri_ast_get(json_array_get(statements, 0), "node");
    if (!peri_ast_is_query(query)) {
        peri_err_set(err, PERI_EINTERNAL, "DuckDB's syntax tree has no query node");
        return NULL;
    }
    return json_incref(query);
}

json_t *peri_sql_parse_shown(duckdb_connection con, const char *sql, const char *shown,
                             peri_err_t *err)
{
    size_t len = strlen(sql);
    char *text = NULL;
    json_t *root = NULL, *query = NULL;
    if (len > PERI_SQL_MAX_BYTES) {
        peri_err_set(err, PERI_ELIMIT,
                     "the SQL text has %zu bytes, at most %zu are allowed", len,
                     PERI_SQL_MAX_BYTES);
        return NULL;
    }
    if (!peri_utf8_valid(sql, len)) {
        peri_err_set(err, PERI_EINVAL, "the SQL text is not valid UTF-8");
        return NULL;
    }
    if (!*skip_blank(sql)) {
        peri_err_set(err, PERI_EINVAL, "the SQL text is empty: give one SELECT");
        return NULL;
    }
    if (peri_duck_text(con, "SELECT json_serialize_sql($1::VARCHAR)::VARCHAR", sql, &text,
                       err))
        return NULL;
    root = peri_json_read(text, err);
    if (root) query = take_query(root, shown, err);
    if (query) peri_ast_canonical(query);
    json_decref(root);
    duckdb_free(text);
    return query;
}

json_t *peri_sql_parse(duckdb_connection con, const char *sql, peri_err_t *err)
{
    return peri_sql_parse_shown(con, sql, sql, err);
}

/* ---- render ---- */

char *peri_sql_render(duckdb_connection con, const json_t *query, bool checked,
                      peri_err_t *err)
{
    json_t *root = json_pack("{s:b, s:[{s:O, s:[]}]}", "error", 0, "statements", "node",
                             query, "named_param_map");
    char *text = root ? peri_json_write(root) : NULL;
    char *sql = NULL;
    json_decref(root);
    if (!text) {
        peri_err_set(err, PERI_ELIMIT, "the SQL statement is nested too deeply");
        return NULL;
    }
    int rc = peri_duck_text(con, "SELECT json_deserialize_sql($1::JSON)::VARCHAR", text,
                            &sql, err);
    free(text);
    if (rc) {
        peri_err_prefix(err, "DuckDB cannot print this statement");
        if (err) err->code = PERI_EUNSUPP;
        return NULL;
    }
    if (!checked) return sql;
    json_t *again = peri_sql_parse(con, sql, NULL);
    bool same = again && peri_ast_same(query, again);
    if (!same) {
        peri_err_set(
            err, PERI_EUNSUPP,
            "the statement uses '%s' in a way that cannot be planned: DuckDB reads "
            "it back differently; write that part in another way",
            again ? peri_ast_difference(query, again) : "an expression");
        duckdb_free(sql);
        sql = NULL;
    }
    json_decref(again);
    return sql;
}
