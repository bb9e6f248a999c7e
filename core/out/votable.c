/* votable.c - VOTable 1.4, TABLEDATA. NULL is an empty TD, which 1.3 and later allow for
 * every type; an empty string cannot be told from it. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "core/out/binary.h"
#include "core/out/format.h"
#include "core/out/text.h"

/* `mark` stands for NULL inside a vector of integers: a value that the SQL type lacks, or
 * its smallest, which is then refused as a value. */
static const struct {
    duckdb_type type;
    const char *datatype;
    const char *xtype;
    const char *in_vector; /* datatype there; NULL: the same */
    const char *mark;
} datatypes[] = {
    {DUCKDB_TYPE_BOOLEAN, "boolean", NULL, NULL, NULL},
    {DUCKDB_TYPE_UTINYINT, "unsignedByte", NULL, "short", "-32768"},
    {DUCKDB_TYPE_TINYINT, "short", NULL, NULL, "-32768"},
    {DUCKDB_TYPE_SMALLINT, "short", NULL, NULL, "-32768"},
    {DUCKDB_TYPE_USMALLINT, "int", NULL, NULL, "-2147483648"},
    {DUCKDB_TYPE_INTEGER, "int", NULL, NULL, "-2147483648"},
    {DUCKDB_TYPE_UINTEGER, "long", NULL, NULL, "-9223372036854775808"},
    {DUCKDB_TYPE_BIGINT, "long", NULL, NULL, "-9223372036854775808"},
    {DUCKDB_TYPE_UBIGINT, "long", NULL, NULL, "-9223372036854775808"},
    {DUCKDB_TYPE_HUGEINT, "long", NULL, NULL, "-9223372036854775808"},
    {DUCKDB_TYPE_UHUGEINT, "long", NULL, NULL, "-9223372036854775808"},
    {DUCKDB_TYPE_FLOAT, "float", NULL, NULL, NULL},
    {DUCKDB_TYPE_DOUBLE, "double", NULL, NULL, NULL},
    {DUCKDB_TYPE_DECIMAL, "double", NULL, NULL, NULL},
    {DUCKDB_TYPE_DATE, NULL, "timestamp", NULL, NULL},
    {DUCKDB_TYPE_TIMESTAMP, NULL, "timestamp", NULL, NULL},
    {DUCKDB_TYPE_TIMESTAMP_S, NULL, "timestamp", NULL, NULL},
    {DUCKDB_TYPE_TIMESTAMP_MS, NULL, "timestamp", NULL, NULL},
    {DUCKDB_TYPE_TIMESTAMP_NS, NULL, "timestamp", NULL, NULL},
    {DUCKDB_TYPE_TIMESTAMP_TZ, NULL, "timestamp", NULL, NULL},
};

static int datatype_index(duckdb_type t)
{
    for (size_t i = 0; i < sizeof(datatypes) / sizeof(datatypes[0]); i++)
        if (datatypes[i].type == t) return (int)i;
    return -1;
}

/* A vector of numbers, as VOTable understands them; other nested values are JSON text. */
static bool is_vector(const peri_field_t *f)
{
    if (f->type != DUCKDB_TYPE_ARRAY && f->type != DUCKDB_TYPE_LIST) return false;
    int i = datatype_index(f->kids[0].type);
    return i >= 0 && datatypes[i].datatype;
}

/* ---- XML ---- */

/* As content or in an attribute's double quotes. Characters that XML has no way to hold
 * become U+FFFD. */
static void put_xml(peri_buf_t *b, const char *s, size_t n)
{
    const char *end = s + n;
    while (s < end) {
        const char *run = s;
        while (s < end && *s >= 0x20 && *s != 0x7f && !strchr("<>&\"", *s)) s++;
        peri_buf_append(b, run, (size_t)(s - run));
        if (s == end) return;
        uint32_t c = peri_text_next(&s, end);
        if (c == '<')
            peri_buf_puts(b, "&lt;");
        else if (c == '>')
            peri_buf_puts(b, "&gt;");
        else if (c == '&')
            peri_buf_puts(b, "&amp;");
        else if (c == '"')
            peri_buf_puts(b, "&quot;");
        else if (c == '\n' || c == '\r' || c == '\t' || c == 0x7f)
            peri_buf_printf(b, "&#%u;", c); /* raw, a parser would change them */
        else if (c < 0x20 || c == 0xfffe || c == 0xffff)
            peri_text_put(b, 0xfffd);
        else
            peri_text_put(b, c);
    }
}

static void put_attribute(peri_buf_t *b, const char *name, const char *value)
{
    peri_buf_printf(b, " %s=\"", name);
    put_xml(b, value, strlen(value));
    peri_buf_putc(b, '"');
}

static void put_info(peri_buf_t *b, const char *name, const char *value)
{
    peri_buf_puts(b, "<INFO");
    put_attribute(b, "name", name);
    put_attribute(b, "value", value);
    peri_buf_puts(b, "/>\n");
}

static void put_field(peri_writer_t *w, size_t c)
{
    const peri_field_t *f = &w->fields[c];
    const peri_outcol_t *col = &w->cols[c];
    peri_buf_t *b = &w->text;
    int i = datatype_index(is_vector(f) ? f->kids[0].type : f->type);
    const char *datatype = i >= 0 ? datatypes[i].datatype : NULL;
    const char *mark = i >= 0 && is_vector(f) ? datatypes[i].mark : NULL;
    if (mark && datatypes[i].in_vector) datatype = datatypes[i].in_vector;
    char size[24] = "*";
    if (f->type == DUCKDB_TYPE_ARRAY && datatype)
        snprintf(size, sizeof(size), "%llu", (unsigned long long)f->array_size);

    peri_buf_puts(b, "<FIELD");
    put_attribute(b, "name", col->name);
    put_attribute(b, "datatype",
                  datatype                 ? datatype
                  : peri_field_is_plain(f) ? "char"
                                           : "unicodeChar");
    if (!datatype || is_vector(f)) put_attribute(b, "arraysize", size);
    if (i >= 0 && datatypes[i].xtype) put_attribute(b, "xtype", datatypes[i].xtype);
    if (*col->unit) put_attribute(b, "unit", col->unit);
    if (*col->ucd) put_attribute(b, "ucd", col->ucd);
    if (!*col->description && !mark) {
        peri_buf_puts(b, "/>\n");
        return;
    }
    peri_buf_putc(b, '>');
    if (*col->description) {
        peri_buf_puts(b, "<DESCRIPTION>");
        put_xml(b, col->description, strlen(col->description));
        peri_buf_puts(b, "</DESCRIPTION>");
    }
    if (mark) peri_buf_printf(b, "<VALUES null=\"%s\"/>", mark);
    peri_buf_puts(b, "</FIELD>\n");
}

static int votable_open(peri_writer_t *w, peri_err_t *err)
{
    peri_buf_t *b = &w->text;
    peri_buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                     "<VOTABLE version=\"1.4\" "
                     "xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n"
                     "<RESOURCE type=\"results\">\n");
    put_info(b, "QUERY_STATUS", "OK");
    put_info(b, "QUERY", w->prov.query);
    put_info(b, "PROGRAM", w->prov.version);
    put_info(b, "CREATED", w->created);
    for (size_t i = 0; i < w->prov.nsources; i++) {
        const peri_outsource_t *s = &w->prov.sources[i];
        char when[PERI_MOMENT_MAX];
        *peri_moment_timestamp(when, s->mtime_ns, 1000000000, 1, PERI_STYLE_ISO) = '\0';
        char *text = peri_arena_printf(w->arena, "%s (%llu bytes, modified %s)", s->path,
                                       (unsigned long long)s->size, when);
        put_info(b, "SOURCE", text);
    }
    peri_buf_puts(b, "<TABLE>\n");
    for (size_t c = 0; c < w->ncols; c++) put_field(w, c);
    peri_buf_puts(b, "<DATA><TABLEDATA>\n");
    return peri_writer_flush(w, err);
}

/* ---- values ---- */

static int put_number(const peri_field_t *f, idx_t row, peri_buf_t *b, peri_err_t *err)
{
    double v = 0;
    if (f->type == DUCKDB_TYPE_DOUBLE) v = ((const double *)f->data)[row];
    if (f->type == DUCKDB_TYPE_FLOAT) v = ((const float *)f->data)[row];
    if (!isfinite(v)) {
        peri_buf_puts(b, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return 0;
    }
    if ((f->type == DUCKDB_TYPE_UBIGINT || f->type == DUCKDB_TYPE_HUGEINT ||
         f->type == DUCKDB_TYPE_UHUGEINT) &&
        peri_binary_fits(f, row, true, "votable", err))
        return -1;
    peri_field_text(f, row, PERI_STYLE_SQL, b);
    return 0;
}

static int put_vector(const peri_field_t *f, idx_t row, peri_buf_t *b, peri_err_t *err)
{
    const peri_field_t *kid = &f->kids[0];
    const char *mark = datatypes[datatype_index(kid->type)].mark;
    idx_t first = row * f->array_size, n = f->array_size;
    if (f->type == DUCKDB_TYPE_LIST) {
        duckdb_list_entry e = ((const duckdb_list_entry *)f->data)[row];
        first = e.offset;
        n = e.length;
    }
    for (idx_t i = 0; i < n; i++) {
        if (i) peri_buf_putc(b, ' ');
        if (peri_field_is_null(kid, first + i)) {
            bool is_bool = kid->type == DUCKDB_TYPE_BOOLEAN;
            peri_buf_puts(b, mark ? mark : is_bool ? "?" : "NaN");
            continue;
        }
        size_t before = b->len;
        if (put_number(kid, first + i, b, err)) return -1;
        if (mark && !b->failed && strcmp(b->data + before, mark) == 0)
            return peri_err_set(
                err, PERI_EUNSUPP,
                "column \"%s\" has a vector that holds %s, which votable "
                "needs to mark NULLs in vectors: cast the elements to DOUBLE",
                f->name, mark);
    }
    return 0;
}

static int put_value(const peri_field_t *f, idx_t row, peri_buf_t *b, peri_err_t *err)
{
    if (peri_field_is_null(f, row)) return 0;
    if (is_vector(f)) return put_vector(f, row, b, err);
    if (peri_field_is_number(f)) return put_number(f, row, b, err);
    if (peri_field_is_plain(f)) {
        peri_field_text(f, row, PERI_STYLE_ISO, b);
        return 0;
    }
    if (f->type == DUCKDB_TYPE_VARCHAR) {
        size_t n;
        const char *s = peri_field_bytes(f, row, &n);
        put_xml(b, s, n);
        return 0;
    }
    peri_buf_t text;
    peri_buf_init(&text, b->max);
    peri_field_text(f, row, PERI_STYLE_ISO, &text);
    if (text.failed) b->failed = true;
    put_xml(b, text.data ? text.data : "", text.len);
    peri_buf_free(&text);
    return 0;
}

static int votable_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n,
                         peri_err_t *err)
{
    (void)chunk;
    for (idx_t row = 0; row < n; row++) {
        peri_buf_append(&w->text, "<TR>", 4);
        for (size_t c = 0; c < w->ncols; c++) {
            peri_buf_append(&w->text, "<TD>", 4);
            if (put_value(&w->fields[c], row, &w->text, err)) return -1;
            peri_buf_append(&w->text, "</TD>", 5);
        }
        peri_buf_append(&w->text, "</TR>\n", 6);
        if (peri_writer_flush(w, err)) return -1;
    }
    return 0;
}

static int votable_close(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    peri_buf_puts(&w->text, "</TABLEDATA></DATA>\n</TABLE>\n");
    if (w->cut) put_info(&w->text, "QUERY_STATUS", "OVERFLOW");
    peri_buf_puts(&w->text, "</RESOURCE>\n</VOTABLE>\n");
    return 0;
}

const peri_ops_t peri_ops_votable = {.name = "votable",
                                     .endings = " .vot .votable .xml ",
                                     .open = votable_open,
                                     .chunk = votable_chunk,
                                     .close = votable_close};
