/* fuzz_quick.c - libFuzzer target: what the daemon reads of quick queries. Last words of
 * a command become a sentence and a state, whatever they are; declared parameters and
 * given values become values of just those, which are literals of SQL then.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/mydb/statement.h"
#include "portal/quick/saved.h"
#include "portal/quick/word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
    if (!ok) abort();
}

static void check_word(const char *s, size_t n, int status, peri_arena_t *a)
{
    json_t *word;
    peri_quickend_t end;
    char *said = peri_xmalloc(n + 1);
    memcpy(said, s, n);
    said[n] = '\0';
    const peri_childend_t c = {.status = status, .said = said, .nsaid = n};
    const peri_quickgiven_t given = {
        .seconds = 60, .memory = 1000, .bytes = 1000, .tale = "", .advice = "wait"};
    peri_quick_judge(&c, &given, a, &word, &end);
    must(end.text && peri_utf8_valid(end.text, strlen(end.text)));
    for (const char *p = end.text; *p; p++) must((unsigned char)*p >= ' ' || *p == '\n');
    must(end.code >= PERI_OK && end.code <= PERI_EINTERNAL);
    must(status == 0 || end.code != PERI_OK || word);
    json_decref(word);
    free(said);
}

/* "$a $b ..." of all that is declared. */
static char *sql_of(const json_t *declared, peri_arena_t *a)
{
    size_t i;
    json_t *p;
    char *sql = peri_arena_strdup(a, "SELECT 1");
    json_array_foreach(declared, i, p) sql = peri_arena_printf(
        a, "%s, $%s", sql, json_string_value(json_object_get(p, "name")));
    return sql;
}

static void check_values(const char *s, size_t n, peri_arena_t *a)
{
    const char *zero = memchr(s, '\0', n), *bound;
    const size_t first = zero ? (size_t)(zero - s) : n;
    peri_err_t err = {0};
    json_t *declared = json_loadb(s, first, 0, NULL);
    json_t *given = zero ? json_loadb(zero + 1, n - first - 1, 0, NULL) : NULL;
    if (declared && peri_parameters_check(declared, &err) == 0) {
        json_t *values = peri_parameters_bind(declared, given, &err);
        must(values || err.text[0]);
        must(!values || json_object_size(values) == json_array_size(declared));
        const char *sql = values ? sql_of(declared, a) : "";
        /* Names that differ in case only are two here and one there. */
        if (values && peri_script_bind(sql, strlen(sql), values, a, &bound, &err))
            must(err.text[0]);
        json_decref(values);
    } else if (declared) {
        must(err.text[0]);
    }
    json_decref(declared);
    json_decref(given);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    peri_arena_t *a = peri_arena_new();
    const char *s = (const char *)data + 1;
    if (data[0] & 1)
        check_word(s, size - 1, data[0] & 2 ? 0x100 : 0, a);
    else
        check_values(s, size - 1, a);
    peri_arena_free(a);
    return 0;
}
