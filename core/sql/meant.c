/* meant.c - see meant.h. */
#include "core/sql/meant.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"

#define WORD 64

/* ---- functions ---- */

static const struct {
    const char *name, *instead;
} FOREIGN[] = {
    {"@@",
     "$name, with its value in --param name=value; a server's variables are not there"},
    {"=<", "<="},
    {"atn2", "atan2(y, x)"},
    {"charindex", "strpos(text, part)"},
    {"convert", "CAST(value AS type)"},
    {"dateadd", "time + INTERVAL 1 DAY"},
    {"datalength", "strlen(text)"},
    {"getdate", "now()"},
    {"getutcdate", "now()"},
    {"ifnull", "coalesce(a, b)"},
    {"iif", "CASE WHEN condition THEN a ELSE b END"},
    {"isnull", "coalesce(a, b), or a IS NULL"},
    {"isnumeric", "TRY_CAST(text AS DOUBLE) IS NOT NULL"},
    {"newid", "uuid()"},
    {"nvl", "coalesce(a, b)"},
    {"patindex", "regexp_extract(text, pattern), or strpos(text, part)"},
    {"rand", "random()"},
    {"replicate", "repeat(text, n)"},
    {"space", "repeat(' ', n)"},
    {"square", "pow(x, 2)"},
    {"std", "stddev(x)"},
    {"stdev", "stddev(x)"},
    {"stdevp", "stddev_pop(x)"},
    {"str", "CAST(x AS VARCHAR)"},
    {"sysdate", "now()"},
    {"to_char", "strftime(time, '%Y-%m-%d'), or CAST(x AS VARCHAR)"},
    {"to_number", "CAST(text AS DOUBLE)"},
    {"top", "LIMIT n at the end, for the first n rows"},
    {"truncate", "trunc(x)"},
    {"varp", "var_pop(x)"},
};

const char *peri_meant_function(const char *name)
{
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++)
        if (!strcasecmp(name, FOREIGN[i].name)) return FOREIGN[i].instead;
    return NULL;
}

/* ---- syntax ---- */

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void copy_word(const char *from, size_t n, char out[WORD])
{
    if (n >= WORD) n = 0;
    memcpy(out, from, n);
    out[n] = '\0';
}

/* The words at `at` and before it; "" if there is none. */
static void words_at(const char *sql, size_t len, size_t at, char word[WORD],
                     char before[WORD])
{
    size_t end = at, n = 0;
    while (at + n < len && in_word(sql[at + n])) n++;
    copy_word(sql + at, n, word);
    while (end && isspace((unsigned char)sql[end - 1])) end--;
    for (n = 0; n < end && in_word(sql[end - n - 1]);) n++;
    copy_word(sql + end - n, n, before);
}

static bool is_one(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (!strcasecmp(word, *list)) return true;
    return false;
}

/* One letter wrong, missing or too many, or two that changed places. */
static bool is_nearly(const char *word, const char *meant)
{
    const size_t n = strlen(meant);
    char upper[WORD];
    size_t i = 0;
    for (; word[i]; i++) upper[i] = (char)toupper((unsigned char)word[i]);
    upper[i] = '\0';
    if (!strcmp(upper, meant)) return false;
    if (i == n + 1 && strchr("SD", upper[n])) return false; /* groups, created: names */
    if (peri_edit_distance(upper, meant) <= 1) return true;
    if (i != n) return false;
    for (i = 0; upper[i] == meant[i];) i++;
    return i + 1 < n && upper[i] == meant[i + 1] && upper[i + 1] == meant[i] &&
           !strcmp(upper + i + 2, meant + i + 2);
}

static const char *nearly(const char *word)
{
    static const char *const meant[] = {
        "SELECT", "FROM", "WHERE",  "GROUP",  "ORDER",  "LIMIT",  "HAVING",  "JOIN",
        "UNION",  "WITH", "UPDATE", "DELETE", "INSERT", "CREATE", "BETWEEN", "DISTINCT"};
    for (size_t i = 0; strlen(word) > 2 && i < sizeof meant / sizeof *meant; i++)
        if (is_nearly(word, meant[i])) return meant[i];
    return NULL;
}

/* What is said of the word that is wrong, or of the one before it; NULL: nothing. */
static const char *habit(const char *sql, size_t len, size_t at, const char *word,
                         const char *before)
{
    static const char *const variables[] = {"DECLARE", "SET", "EXEC", "EXECUTE", NULL};
    static const char *const unfinished[] = {"WHERE", "JOIN", "AND", "OR",
                                             "ON",    "BY",   NULL};
    const char c = at < len ? sql[at] : '\0', next = at + 1 < len ? sql[at + 1] : '\0';
    if (!strcasecmp(before, "TOP") && isdigit((unsigned char)c))
        return "for the first rows write LIMIT at the end, not TOP";
    if (!strcasecmp(word, "GO") || !strcasecmp(before, "GO"))
        return "statements end with ;, not with GO";
    if (is_one(word, variables) || c == '@')
        return "there are no variables and procedures: write $name, and give its value "
               "with --param name=value";
    if (c == '[' || c == ']' || c == '`')
        return "a name with other characters stands in double quotes: \"name\"";
    if (c == '.' && next == '.') return "write schema.table, as mydb.stars";
    const char *behind = sql + at + strlen(word), *end = sql + len;
    while (behind < end && isspace((unsigned char)*behind)) behind++;
    if ((!strcasecmp(word, "WITH") && behind < end && *behind == '(') ||
        !strcasecmp(word, "NOLOCK"))
        return "there are no hints for tables, such as WITH (NOLOCK): leave them out";
    if (is_one(before, unfinished)) return NULL;
    if (!strcasecmp(word, "WHERE"))
        return "WHERE stands behind FROM and before GROUP BY, ORDER BY and LIMIT";
    if (!strcasecmp(word, "ORDER") || !strcasecmp(word, "GROUP"))
        return "the order is WHERE, GROUP BY, HAVING, ORDER BY, LIMIT";
    if (c == '=' && next == '>') return "greater or equal is >=";
    return NULL;
}

bool peri_meant_syntax(const char *sql, size_t len, size_t at, char *out, size_t size)
{
    static const char *const reserved[] = {
        "ALL",    "ANALYSE", "AND",   "ANY",      "ASC",        "CASE", "CHECK",
        "COLUMN", "DEFAULT", "DESC",  "DISTINCT", "DO",         "ELSE", "END",
        "FOR",    "GROUP",   "IN",    "INTO",     "LIMIT",      "NOT",  "ON",
        "OFFSET", "OR",      "ORDER", "PRIMARY",  "TABLE",      "THEN", "TO",
        "UNIQUE", "USING",   "WHEN",  "WINDOW",   "REFERENCES", NULL};
    static const char *const fills[] = {"SELECT", "WHERE", "BY", "AND", "OR", "ON", NULL};
    char word[WORD], before[WORD];
    if (at > len) return false;
    if (len > 4 && !strncasecmp(sql + len - 4, ".sql", 4) && !memchr(sql, ' ', len))
        return snprintf(out, size, "a file of SQL is run by perigee query -f FILE") > 0;
    words_at(sql, len, at, word, before);
    const char *meant = nearly(word);
    if (!meant) meant = nearly(before);
    if (meant) return snprintf(out, size, "is %s meant?", meant) > 0;
    /* Where a name is to stand, or behind where one stood. */
    const bool of_word = is_one(word, reserved) && is_one(before, fills) &&
                         strcasecmp(word, "ORDER") != 0 && strcasecmp(word, "GROUP") != 0;
    const bool of_before = !of_word && is_one(before, reserved) &&
                           strcasecmp(word, "BY") != 0 &&
                           (!strcasecmp(word, "FROM") || (at < len && sql[at] == ','));
    if (of_word || of_before)
        return snprintf(out, size, "%s is a word of SQL: as a name write it \"%s\"",
                        of_word ? word : before, of_word ? word : before) > 0;
    const char *said = habit(sql, len, at, word, before);
    return said && snprintf(out, size, "%s", said) > 0;
}

/* ---- columns ---- */

/* What stands in quotes behind `mark`; moves *p behind it. */
static bool take_quoted(const char **p, const char *mark, char *out, size_t size)
{
    const char *from = strstr(*p, mark);
    const char *end = from ? strchr(from + strlen(mark), '"') : NULL;
    from += from ? strlen(mark) : 0;
    if (!end || (size_t)(end - from) >= size) return false;
    snprintf(out, size, "%.*s", (int)(end - from), from);
    *p = end + 1;
    return true;
}

void peri_meant_column(peri_err_t *err)
{
    char name[64], names[5][64], text[sizeof(err->text)];
    const char *list[5], *p = err ? err->text : "";
    size_t n = 0, used;
    if (strncmp(p, "Binder Error: Values list \"", 27) == 0 &&
        take_quoted(&p, "list \"", name, sizeof name) &&
        take_quoted(&p, "column named \"", names[0], sizeof names[0])) {
        peri_err_set(err, err->code, "%s has no column \"%s\"", name, names[0]);
        return;
    }
    if (strncmp(p, "Binder Error: Referenced column \"", 33) != 0 ||
        !take_quoted(&p, "column \"", name, sizeof name))
        return;
    const char *candidates = strstr(p, "Candidate bindings: ");
    if (strncmp(p, " not found in FROM", 18) != 0) return;
    for (p = candidates; p && n < 5 && take_quoted(&p, "\"", names[n], sizeof names[n]);
         n++)
        list[n] = names[n];
    const char *near = peri_did_you_mean(name, list, n);
    used = (size_t)snprintf(text, sizeof text, "there is no column \"%s\"", name);
    if (near) snprintf(text + used, sizeof text - used, "; did you mean %s?", near);
    for (size_t i = 0; !near && i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                 i ? ", " : "; near is ", list[i]);
    if (!near)
        snprintf(text + used, sizeof text - used,
                 "; if a text is meant, it stands in single quotes: '%s'", name);
    peri_err_set(err, err->code, "%s", text);
}
