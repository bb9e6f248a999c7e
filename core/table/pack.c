/* pack.c - a table as bytes for another rank, and back.
 *
 * Layout: magic, version, then fields in the order of the structs. Numbers are LEB128
 * varints, signed ones zigzag, doubles 8 bytes little-endian, strings length + bytes.
 * Paths of files share long prefixes, so each is stored as what differs from the one
 * before. Derived values (row0, rows, missing_files) are computed again instead of
 * stored.
 *
 * Unpacking trusts nothing: every length is checked against the bytes that are left, and
 * every count against what those bytes could hold.
 */
#include "core/table/table.h"

#include <string.h>

#include "core/base/arena.h"
#include "core/base/util.h"
#include "core/table/limits.h"

#define MAGIC   0x31425450u /* "PTB1" */
#define VERSION 4u

/* ---- out ---- */

static void put_uint(peri_buf_t *b, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (unsigned char)(v & 0x7f);
        v >>= 7;
        if (v) bytes[n] |= 0x80;
        n++;
    } while (v);
    peri_buf_append(b, bytes, n);
}

static void put_int(peri_buf_t *b, int64_t v)
{
    put_uint(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

static void put_double(peri_buf_t *b, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(bits >> (8 * i));
    peri_buf_append(b, bytes, sizeof(bytes));
}

/* NULL and text are told apart: length 0 is NULL, else length - 1 bytes. */
static void put_str(peri_buf_t *b, const char *s)
{
    size_t n = s ? strlen(s) : 0;
    put_uint(b, s ? n + 1 : 0);
    if (s) peri_buf_append(b, s, n);
}

static size_t common_prefix(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n]) n++;
    return n;
}

static bool ends_with(const char *s, const char *end)
{
    size_t ns = strlen(s), ne = strlen(end);
    return ne <= ns && memcmp(s + ns - ne, end, ne) == 0;
}

static void put_column(peri_buf_t *b, const peri_column_t *c)
{
    const char *strings[] = {c->name, c->dataset,     c->field, c->stored_as,
                             c->unit, c->description, c->ucd};
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
        put_str(b, strings[i]);
    put_int(b, c->component);
    put_uint(b, c->type);
    put_uint(b, c->width);
    put_uint(b, c->chunk_rows);
    put_str(b, c->sql_type ? c->sql_type : "");
    put_uint(b, c->nullable);
}

static bool same_root(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void put_file(peri_buf_t *b, const peri_file_t *f, const peri_file_t *last,
                     size_t ncolumns)
{
    size_t same = common_prefix(last ? last->path : "", f->path);
    bool new_root = !same_root(last ? last->root : NULL, f->root);
    put_uint(b, same);
    put_str(b, f->path + same);
    bool is_end = ends_with(f->path, f->name);
    put_uint(b, is_end ? strlen(f->name) + 1 : 0);
    if (!is_end) put_str(b, f->name);
    put_uint(b, f->rows);
    put_uint(b, f->set_row0 + 1); /* unknown = 0 */
    put_int(b, f->snapnum);
    put_uint(b, f->size);
    put_int(b, f->mtime_ns);
    put_uint(b, f->inode);
    put_uint(b, f->at);
    put_uint(b, new_root);
    if (new_root) put_str(b, f->root);
    put_uint(b, f->has != NULL);
    if (!f->has) return;
    for (size_t i = 0; i < ncolumns; i += 8) {
        unsigned bits = 0;
        for (size_t k = i; k < i + 8 && k < ncolumns; k++)
            bits |= (unsigned)(f->has[k] != 0) << (k - i);
        peri_buf_putc(b, (char)bits);
    }
}

int peri_table_pack(const peri_table_t *t, peri_buf_t *out, peri_err_t *err)
{
    put_uint(out, MAGIC);
    put_uint(out, VERSION);
    put_str(out, t->name);
    put_str(out, t->description);
    put_str(out, t->root);
    put_uint(out, t->replaced);
    put_uint(out, t->has_snapnum);
    put_double(out, t->box_size);
    put_uint(out, t->ncolumns);
    for (size_t i = 0; i < t->ncolumns; i++) put_column(out, &t->columns[i]);
    put_uint(out, t->nfiles);
    for (size_t i = 0; i < t->nfiles; i++)
        put_file(out, &t->files[i], i ? &t->files[i - 1] : NULL, t->ncolumns);
    put_uint(out, t->nnotes);
    for (size_t i = 0; i < t->nnotes; i++) put_str(out, t->notes[i]);
    return peri_buf_check(out, "the description of a table", err);
}

/* ---- in ---- */

typedef struct {
    const unsigned char *at, *end;
    peri_arena_t *arena;
    bool bad; /* sticky: all later values are zero */
} reader_t;

static uint64_t get_uint(reader_t *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->bad || r->at == r->end) break;
        unsigned char byte = *r->at++;
        if (shift == 63 && byte > 1) break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return v;
    }
    r->bad = true;
    return 0;
}

static uint64_t get_uint_max(reader_t *r, uint64_t max)
{
    uint64_t v = get_uint(r);
    if (v <= max) return v;
    r->bad = true;
    return 0;
}

static int64_t get_int(reader_t *r)
{
    uint64_t v = get_uint(r);
    return (int64_t)((v >> 1) ^ (~(v & 1) + 1));
}

static double get_double(reader_t *r)
{
    if (r->bad || r->end - r->at < 8) {
        r->bad = true;
        return 0;
    }
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits |= (uint64_t)r->at[i] << (8 * i);
    r->at += 8;
    double d;
    memcpy(&d, &bits, sizeof(d));
    return d;
}

static size_t bytes_left(const reader_t *r)
{
    return (size_t)(r->end - r->at);
}

static const char *get_str_or_null(reader_t *r)
{
    uint64_t n = get_uint(r);
    if (n == 0) return NULL;
    n--;
    if (n > bytes_left(r) || memchr(r->at, 0, n)) {
        r->bad = true;
        return NULL;
    }
    const char *s = peri_arena_strndup(r->arena, (const char *)r->at, n);
    r->at += n;
    return s;
}

static const char *get_str(reader_t *r)
{
    const char *s = get_str_or_null(r);
    if (s) return s;
    r->bad = true;
    return "";
}

static void get_column(reader_t *r, peri_column_t *c)
{
    const char **strings[] = {&c->name, &c->dataset,     &c->field, &c->stored_as,
                              &c->unit, &c->description, &c->ucd};
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
        *strings[i] = get_str(r);
    int64_t component = get_int(r);
    c->type = (peri_type_t)get_uint_max(r, PERI_T_BLOB);
    c->width = (uint32_t)get_uint_max(r, PERI_MAX_WIDTH);
    c->chunk_rows = get_uint(r);
    c->sql_type = get_str(r);
    c->nullable = get_uint_max(r, 1);
    if (component < -1 || component >= PERI_MAX_WIDTH || c->type == 0 || c->width == 0)
        r->bad = true;
    c->component = (int)component;
}

static const uint8_t *get_has(reader_t *r, size_t ncolumns)
{
    if (!get_uint_max(r, 1)) return NULL;
    if (r->bad || (ncolumns + 7) / 8 > bytes_left(r)) {
        r->bad = true;
        return NULL;
    }
    uint8_t *has = peri_arena_alloc(r->arena, ncolumns);
    for (size_t i = 0; i < ncolumns; i++) has[i] = r->at[i / 8] >> (i % 8) & 1;
    r->at += (ncolumns + 7) / 8;
    return has;
}

static void get_file(reader_t *r, peri_file_t *f, const peri_file_t *last,
                     size_t ncolumns)
{
    const char *before = last ? last->path : "";
    size_t same = get_uint_max(r, strlen(before));
    const char *rest = get_str(r);
    if (same + strlen(rest) > PERI_MAX_PATH_TEXT) r->bad = true;
    if (r->bad) return;
    f->path = peri_arena_printf(r->arena, "%.*s%s", (int)same, before, rest);
    size_t name = get_uint_max(r, strlen(f->path) + 1);
    f->name = name ? f->path + strlen(f->path) - (name - 1) : get_str(r);
    f->rows = get_uint_max(r, INT64_MAX);
    f->set_row0 = get_uint_max(r, INT64_MAX) - 1;
    int64_t snapnum = get_int(r);
    if (snapnum < PERI_SNAPNUM_NONE || snapnum > INT32_MAX) r->bad = true;
    f->snapnum = (int32_t)snapnum;
    f->size = get_uint(r);
    f->mtime_ns = get_int(r);
    f->inode = get_uint(r);
    f->at = (peri_at_t)get_uint_max(r, PERI_AT_AWAY);
    f->root = get_uint_max(r, 1) ? get_str_or_null(r) : last ? last->root : NULL;
    f->has = get_has(r, ncolumns);
}

/* What follows from the files: first rows, the sum, files without a column. */
static void derive(reader_t *r, peri_table_t *t, peri_column_t *columns,
                   peri_file_t *files)
{
    for (size_t i = 0; i < t->nfiles && !r->bad; i++) {
        peri_file_t *f = &files[i];
        f->row0 = t->rows;
        t->rows += f->rows; /* both are below 2^63 */
        if (t->rows > INT64_MAX) r->bad = true;
        if (t->has_snapnum && f->snapnum == PERI_SNAPNUM_NONE) r->bad = true;
        for (size_t k = 0; f->has && f->rows && k < t->ncolumns; k++)
            columns[k].missing_files += !f->has[k];
    }
}

static peri_table_t *read_table(reader_t *r)
{
    peri_table_t *t = peri_arena_calloc(r->arena, 1, sizeof(*t));
    t->arena = r->arena;
    t->refs = 1;
    t->name = get_str(r);
    t->description = get_str(r);
    t->root = get_str_or_null(r);
    t->replaced = get_uint_max(r, 1);
    t->has_snapnum = get_uint_max(r, 1);
    t->box_size = get_double(r);

    /* Each item takes at least one byte, so a count above what is left is a lie. */
    t->ncolumns = get_uint_max(r, bytes_left(r));
    peri_column_t *columns = peri_arena_calloc(r->arena, t->ncolumns, sizeof(*columns));
    for (size_t i = 0; i < t->ncolumns && !r->bad; i++) get_column(r, &columns[i]);
    t->columns = columns;

    t->nfiles = get_uint_max(r, bytes_left(r));
    peri_file_t *files = peri_arena_calloc(r->arena, t->nfiles, sizeof(*files));
    for (size_t i = 0; i < t->nfiles && !r->bad; i++)
        get_file(r, &files[i], i ? &files[i - 1] : NULL, t->ncolumns);
    t->files = files;

    t->nnotes = get_uint_max(r, bytes_left(r));
    const char **notes = peri_arena_calloc(r->arena, t->nnotes, sizeof(*notes));
    for (size_t i = 0; i < t->nnotes && !r->bad; i++) notes[i] = get_str(r);
    t->notes = notes;

    derive(r, t, columns, files);
    if (r->at != r->end) r->bad = true;
    return t;
}

peri_table_t *peri_table_unpack(const void *data, size_t len, peri_err_t *err)
{
    reader_t r = {.at = data, .end = (const unsigned char *)data + len};
    if (get_uint(&r) != MAGIC || r.bad) {
        peri_err_set(err, PERI_EFORMAT, "these %zu bytes are not a packed table", len);
        return NULL;
    }
    uint64_t version = get_uint(&r);
    if (version != VERSION) {
        peri_err_set(err, PERI_EFORMAT,
                     "the packed table has version %llu but this build reads version %u: "
                     "all ranks must run the same build of Perigee",
                     (unsigned long long)version, VERSION);
        return NULL;
    }
    r.arena = peri_arena_new();
    peri_table_t *t = read_table(&r);
    if (!r.bad) return t;
    peri_arena_free(r.arena);
    peri_err_set(err, PERI_EFORMAT, "the packed table is damaged");
    return NULL;
}
