/* json.c - JSON: an array of objects, or objects one after another (ndjson). A row is an
 * object; the columns are all names that occur, in the order in which they come. Both
 * formats are read the same way, whatever the file's name.
 *
 * The file is read twice, as csv.c does. Not DuckDB's reader, because it makes doubles of
 * integers that are too long, texts of a column that has "NaN" among its numbers, and
 * names no line.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/util.h"
#include "core/import/input.h"
#include "core/import/jsontext.h"

typedef struct {
    const char *name; /* arena */
    size_t len;
    peri_guess_t guess;
    uint64_t row; /* the last one that had it */
} jsonkey_t;

typedef struct {
    peri_input_t *in;
    bool ended, array, begun, over;
    uint64_t line, next_line;
    uint64_t row;
    jsonkey_t *keys;
    size_t nkeys, cap;
    uint32_t *slots; /* hash table of index + 1 */
    size_t nslots;
    size_t expect; /* the key that probably comes next */
    peri_cell_t *values;
    peri_cells_t *cells;
    peri_reader_t *r;
    peri_err_t *err;
} json_reader_t;

/* ---- keys ---- */

static size_t slot_of(const json_reader_t *s, const char *key, size_t n)
{
    size_t at = peri_hash_add(PERI_HASH_START, key, n) & (s->nslots - 1);
    while (s->slots[at]) {
        const jsonkey_t *k = &s->keys[s->slots[at] - 1];
        if (k->len == n && !memcmp(k->name, key, n)) break;
        at = (at + 1) & (s->nslots - 1);
    }
    return at;
}

static void grow_slots(json_reader_t *s)
{
    s->nslots = s->nslots ? 2 * s->nslots : 64;
    free(s->slots);
    s->slots = peri_xcalloc(s->nslots, sizeof(*s->slots));
    for (size_t i = 0; i < s->nkeys; i++)
        s->slots[slot_of(s, s->keys[i].name, s->keys[i].len)] = (uint32_t)i + 1;
}

/* Its index, SIZE_MAX if it is new. */
static size_t find_key(json_reader_t *s, const char *key, size_t n)
{
    if (s->expect < s->nkeys && s->keys[s->expect].len == n &&
        !memcmp(s->keys[s->expect].name, key, n))
        return s->expect;
    return s->nslots ? (size_t)s->slots[slot_of(s, key, n)] - 1 : SIZE_MAX;
}

static size_t add_key(json_reader_t *s, const char *key, size_t n)
{
    if (s->nkeys == PERI_IMPORT_COLUMNS_MAX) {
        peri_err_set(s->err, PERI_ELIMIT, "%s has more than %d columns", s->r->name,
                     PERI_IMPORT_COLUMNS_MAX);
        return SIZE_MAX;
    }
    if (2 * s->nkeys >= s->nslots) grow_slots(s);
    if (s->nkeys == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 32;
        s->keys = peri_xrealloc(s->keys, s->cap, sizeof(*s->keys));
    }
    s->slots[slot_of(s, key, n)] = (uint32_t)s->nkeys + 1;
    jsonkey_t *k = &s->keys[s->nkeys];
    memset(k, 0, sizeof(*k));
    k->name = peri_arena_strndup(s->r->arena, key, n);
    k->len = n;
    peri_guess_init(&k->guess);
    return s->nkeys++;
}

/* Once a row. */
static int claim(json_reader_t *s, size_t i)
{
    s->expect = i + 1;
    if (s->keys[i].row == s->row)
        return peri_err_set(s->err, PERI_EFORMAT,
                            "line %llu of %s: a row has \"%s\" twice",
                            (unsigned long long)s->line, s->r->name, s->keys[i].name);
    s->keys[i].row = s->row;
    return 0;
}

static int look_member(void *arg, const char *key, size_t n, const peri_cell_t *value)
{
    json_reader_t *s = arg;
    size_t i = find_key(s, key, n);
    if (i == SIZE_MAX) i = add_key(s, key, n);
    if (i == SIZE_MAX || claim(s, i)) return 1;
    peri_guess_look(&s->keys[i].guess, value);
    return 0;
}

static int take_member(void *arg, const char *key, size_t n, const peri_cell_t *value)
{
    json_reader_t *s = arg;
    size_t i = find_key(s, key, n);
    if (i == SIZE_MAX)
        return peri_err_set(s->err, PERI_ECONFLICT, "%s was changed while it was read",
                            s->r->name);
    if (claim(s, i)) return 1;
    s->values[i] = *value;
    return 0;
}

/* ---- rows ---- */

static int fail_text(const json_reader_t *s, const char *why)
{
    return peri_err_set(s->err, PERI_EFORMAT, "line %llu of %s: %s",
                        (unsigned long long)s->line, s->r->name, why);
}

/* The window's first character that is no space; 0 at the end of the file. */
static int peek(json_reader_t *s, char *c)
{
    for (;;) {
        size_t n, k = 0;
        const char *p = peri_input_at(s->in, &n);
        for (; k < n && (p[k] == ' ' || p[k] == '\n' || p[k] == '\r' || p[k] == '\t');
             k++)
            s->next_line += p[k] == '\n';
        s->line = s->next_line;
        *c = k < n ? p[k] : 0;
        peri_input_skip(s->in, k);
        if (k < n || s->ended) return 0;
        int more = peri_input_more(s->in, s->err);
        if (more < 0) return -1;
        s->ended = more == 0;
    }
}

/* What stands between rows. 1: a row follows, 0: the end. */
static int to_row(json_reader_t *s)
{
    char c;
    if (peek(s, &c)) return -1;
    if (!s->begun && c == '[') {
        s->array = true;
        peri_input_skip(s->in, 1);
        if (peek(s, &c)) return -1;
    } else if (s->begun && s->array && !s->over && c == ',') {
        peri_input_skip(s->in, 1);
        if (peek(s, &c)) return -1;
        if (c == ']') return fail_text(s, "a row is missing behind a ,");
    } else if (s->begun && s->array && !s->over && c && c != ']') {
        return fail_text(s, "a , between two rows is missing");
    }
    s->begun = true;
    if (s->array && !s->over && c == ']') {
        s->over = true;
        peri_input_skip(s->in, 1);
        if (peek(s, &c)) return -1;
    }
    if (!c && s->array && !s->over)
        return fail_text(s, "the file ends before the array's ]: it is cut off");
    if (!c) return 0;
    if (s->over) return fail_text(s, "there is something behind the array");
    return 1;
}

static int next_row(json_reader_t *s,
                    int (*member)(void *, const char *, size_t, const peri_cell_t *))
{
    int rc = to_row(s);
    size_t n, len = 0;
    char *p = NULL;
    const char *why = NULL;
    if (rc <= 0) return rc;
    for (;;) {
        p = peri_input_at(s->in, &n);
        if (*p != '{') return fail_text(s, "a row is no object {\"name\": value, ...}");
        len = peri_json_extent(p, n);
        if (len) break;
        if (s->ended) return fail_text(s, "the file ends within a row: it is cut off");
        int more = peri_input_more(s->in, s->err);
        if (more < 0) return -1;
        s->ended = more == 0;
    }
    if (peri_cells_check(s->r, p, len, s->line, s->err)) return -1;
    for (const char *q = p; (q = memchr(q, '\n', (size_t)(p + len - q))); q++)
        s->next_line++;
    peri_input_skip(s->in, len);
    s->row++;
    s->expect = 0;
    rc = peri_json_members(p, len, member, s, &why);
    if (why) return fail_text(s, why);
    return rc ? -1 : 1;
}

static int rewind_input(json_reader_t *s)
{
    s->ended = s->array = s->begun = s->over = false;
    s->next_line = 1;
    s->row = 0;
    for (size_t i = 0; i < s->nkeys; i++) s->keys[i].row = 0;
    if (peri_input_rewind(s->in, s->err)) return -1;
    int more = peri_input_more(s->in, s->err);
    size_t n;
    const char *p = peri_input_at(s->in, &n);
    if (more > 0 && n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) peri_input_skip(s->in, 3);
    return more < 0 ? -1 : 0;
}

/* ---- the reader ---- */

static int json_open(peri_reader_t *r, peri_err_t *err)
{
    json_reader_t *s = peri_arena_calloc(r->arena, 1, sizeof(*s));
    r->state = s;
    s->r = r;
    s->err = err;
    s->in = peri_input_new(r->fd, r->name, err);
    atomic_store(&r->all, r->size);
    if (!s->in || rewind_input(s)) return -1;
    int rc;
    while ((rc = next_row(s, look_member)) > 0) {
        atomic_store(&r->done, peri_input_taken(s->in));
        if (peri_reader_tick(r, err)) return -1;
    }
    if (rc < 0) return -1;
    if (!s->nkeys)
        return peri_err_set(err, PERI_EFORMAT, "%s has no rows with columns", r->name);
    for (size_t i = 0; i < s->nkeys; i++)
        if (peri_cells_column(r, s->keys[i].name, "", "", &s->keys[i].guess, err))
            return -1;
    s->values = peri_xcalloc(s->nkeys, sizeof(*s->values));
    s->cells = peri_cells_new(r);
    return 0;
}

static int json_start(peri_reader_t *r, peri_err_t *err)
{
    json_reader_t *s = r->state;
    s->err = err;
    return rewind_input(s);
}

static int json_next(peri_reader_t *r, duckdb_data_chunk out, peri_err_t *err)
{
    json_reader_t *s = r->state;
    idx_t n = 0;
    s->err = err;
    peri_cells_bind(s->cells, out);
    for (; n < peri_reader_room(); n++) {
        for (size_t i = 0; i < s->nkeys; i++) s->values[i].kind = PERI_CELL_NULL;
        int rc = next_row(s, take_member);
        if (rc < 0) return -1;
        if (rc == 0) break;
        r->lines[n] = s->line;
        if (peri_cells_put(s->cells, n, s->values, s->line, err)) return -1;
    }
    duckdb_data_chunk_set_size(out, n);
    atomic_store(&r->done, peri_input_taken(s->in));
    return 0;
}

static void json_free(peri_reader_t *r)
{
    json_reader_t *s = r->state;
    if (!s) return;
    peri_input_free(s->in);
    peri_cells_free(s->cells);
    free(s->values);
    free(s->keys);
    free(s->slots);
}

static char first_character(const unsigned char *head, size_t n, size_t *at)
{
    size_t i = n >= 3 && !memcmp(head, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (i < n && strchr(" \t\r\n", head[i]) && head[i]) i++;
    *at = i;
    return i < n ? (char)head[i] : 0;
}

static bool json_sniff(const unsigned char *head, size_t n)
{
    size_t i;
    return first_character(head, n, &i) == '[' &&
           first_character(head + i + 1, n - i - 1, &i) == '{';
}

static bool ndjson_sniff(const unsigned char *head, size_t n)
{
    size_t i;
    return first_character(head, n, &i) == '{';
}

const peri_readops_t peri_read_json = {.name = "json",
                                       .endings = " .json ",
                                       .sniff = json_sniff,
                                       .text = true,
                                       .lines = true,
                                       .unpacks = true,
                                       .open = json_open,
                                       .start = json_start,
                                       .next = json_next,
                                       .free = json_free};
const peri_readops_t peri_read_ndjson = {.name = "ndjson",
                                         .endings = " .ndjson .jsonl ",
                                         .sniff = ndjson_sniff,
                                         .text = true,
                                         .lines = true,
                                         .unpacks = true,
                                         .open = json_open,
                                         .start = json_start,
                                         .next = json_next,
                                         .free = json_free};
