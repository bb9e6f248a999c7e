/* votable.c - VOTable 1.4, BINARY2: the document and its fields; votablerow.c has the
 * rows. BINARY2 rather than TABLEDATA, because its rows say which values are NULL: empty
 * texts, NaN and white space are then values like others. INFO SQL_TYPES has the exact
 * types, by column.
 */
#include <string.h>

#include "core/out/text.h"
#include "core/out/votablerow.h"

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

static void put_description(peri_buf_t *b, const char *text)
{
    peri_buf_puts(b, "<DESCRIPTION>");
    put_xml(b, text, strlen(text));
    peri_buf_puts(b, "</DESCRIPTION>");
}

static void put_field(peri_writer_t *w, size_t c)
{
    const peri_field_t *f = &w->fields[c];
    const peri_outcol_t *col = &w->cols[c];
    peri_buf_t *b = &w->text;
    peri_votype_t t = peri_votable_type(f);
    char size[24] = "*";
    if (t.vector && f->type == DUCKDB_TYPE_ARRAY)
        snprintf(size, sizeof(size), "%llu", (unsigned long long)f->array_size);

    peri_buf_puts(b, "<FIELD");
    put_attribute(b, "name", col->name);
    put_attribute(b, "datatype", t.datatype);
    if (t.vector || !t.size) put_attribute(b, "arraysize", size);
    if (t.timestamp) put_attribute(b, "xtype", "timestamp");
    if (*col->unit) put_attribute(b, "unit", col->unit);
    if (*col->ucd) put_attribute(b, "ucd", col->ucd);
    if (!*col->description && !t.mark) {
        peri_buf_puts(b, "/>\n");
        return;
    }
    peri_buf_putc(b, '>');
    if (*col->description) put_description(b, col->description);
    if (t.mark) peri_buf_printf(b, "<VALUES null=\"%lld\"/>", (long long)t.mark);
    peri_buf_puts(b, "</FIELD>\n");
}

static void put_types(peri_writer_t *w)
{
    peri_buf_t json;
    peri_buf_init(&json, w->text.max);
    peri_writer_put_types(w, &json);
    put_info(&w->text, "SQL_TYPES", json.failed ? "{}" : json.data);
    peri_buf_free(&json);
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
    put_types(w);
    peri_buf_puts(b, "<TABLE>\n");
    if (*w->prov.description) put_description(b, w->prov.description);
    for (size_t c = 0; c < w->ncols; c++) put_field(w, c);
    peri_buf_puts(b, "<DATA><BINARY2><STREAM encoding=\"base64\">\n");
    w->state = peri_votable_rows_new(w);
    return peri_writer_flush(w, err);
}

static int votable_chunk(peri_writer_t *w, duckdb_data_chunk chunk, idx_t n,
                         peri_err_t *err)
{
    (void)chunk;
    for (idx_t row = 0; row < n; row++)
        if (peri_votable_row(w, row, err) || peri_writer_flush(w, err)) return -1;
    return 0;
}

static int votable_close(peri_writer_t *w, peri_err_t *err)
{
    (void)err;
    peri_votable_rows_end(w);
    peri_buf_puts(&w->text, "</STREAM></BINARY2></DATA>\n</TABLE>\n");
    if (w->cut) put_info(&w->text, "QUERY_STATUS", "OVERFLOW");
    peri_buf_puts(&w->text, "</RESOURCE>\n</VOTABLE>\n");
    return 0;
}

const peri_ops_t peri_ops_votable = {.name = "votable",
                                     .endings = " .vot .votable .xml ",
                                     .numbers = PERI_NUMBERS_SIGNED,
                                     .open = votable_open,
                                     .chunk = votable_chunk,
                                     .close = votable_close,
                                     .free = peri_votable_rows_free};
