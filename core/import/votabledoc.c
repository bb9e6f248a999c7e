/* votabledoc.c - see votabledoc.h; expat reads the XML. */
#include "core/import/votabledoc.h"

#include <expat.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/import/base64.h"
#include "core/import/reader.h"

#define DEPTH_MAX 200
#define TOKEN_MAX ((XML_Index)8 << 20) /* bytes of one tag */
#define TEXT_MAX  ((size_t)256 << 20)  /* bytes of a row of cells */

typedef enum {
    E_OTHER,
    E_VOTABLE,
    E_RESOURCE,
    E_TABLE,
    E_FIELD,
    E_INFO,
    E_DESCRIPTION,
    E_VALUES,
    E_DATA,
    E_TABLEDATA,
    E_BINARY,
    E_BINARY2,
    E_STREAM,
    E_TR,
    E_TD,
    E_FITS,
    E_PARQUET
} element_t;

static const char *const names[] = {
    [E_OTHER] = "",
    [E_VOTABLE] = "VOTABLE",
    [E_RESOURCE] = "RESOURCE",
    [E_TABLE] = "TABLE",
    [E_FIELD] = "FIELD",
    [E_INFO] = "INFO",
    [E_DESCRIPTION] = "DESCRIPTION",
    [E_VALUES] = "VALUES",
    [E_DATA] = "DATA",
    [E_TABLEDATA] = "TABLEDATA",
    [E_BINARY] = "BINARY",
    [E_BINARY2] = "BINARY2",
    [E_STREAM] = "STREAM",
    [E_TR] = "TR",
    [E_TD] = "TD",
    [E_FITS] = "FITS",
    [E_PARQUET] = "PARQUET",
};

struct peri_voparse {
    XML_Parser xml;
    element_t stack[DEPTH_MAX];
    int depth;
    int ntables;       /* seen so far, the one in hand among them */
    bool in_table;     /* the one that is wanted */
    bool keep;         /* character data go to doc->text */
    bool in_cell;      /* of a row: so does TD */
    bool stream;       /* they are base64 */
    bool says_error;   /* INFO QUERY_STATUS */
    const char *why;   /* what it says */
    const char *types; /* of SQL: JSON */
    const char *resource_description;
    peri_buf_t list; /* names of tables */
    uint64_t fed;
    uint64_t rows;
    peri_base64_t base64;
    bool suspended, last;
    peri_err_t failure;
};

/* ---- errors ---- */

static void fail(peri_vodoc_t *doc, peri_code_t code, const char *text)
{
    struct peri_voparse *s = doc->parse;
    if (s->failure.code == PERI_OK) peri_err_set(&s->failure, code, "%s", text);
    XML_StopParser(s->xml, XML_FALSE);
}

int peri_vodoc_fail_none(const peri_vodoc_t *doc, peri_err_t *err)
{
    const struct peri_voparse *s = doc->parse;
    if (s->why)
        return peri_err_set(err, PERI_EFORMAT, "it says that a query failed: %.300s",
                            s->why);
    if (doc->wanted && s->ntables)
        return peri_err_set(err, PERI_ENOTFOUND, "it has no table \"%.100s\", but %s",
                            doc->wanted, s->list.len ? s->list.data : "others");
    return peri_err_set(err, PERI_EFORMAT, "it has no table with FIELDs");
}

/* ---- attributes, text ---- */

static const char *attribute(const char **atts, const char *name)
{
    for (; *atts; atts += 2)
        if (!strcmp(atts[0], name)) return atts[1];
    return NULL;
}

static const char *keep(peri_vodoc_t *doc, const char *s)
{
    return s ? peri_arena_strdup(doc->arena, s) : NULL;
}

/* Without the white space around it. */
static const char *text_so_far(peri_vodoc_t *doc)
{
    const char *p = doc->text.len ? doc->text.data : "";
    size_t n = doc->text.len;
    while (n && strchr(" \t\r\n", *p)) p++, n--;
    while (n && strchr(" \t\r\n", p[n - 1])) n--;
    return peri_arena_strndup(doc->arena, p, n);
}

static void begin_text(peri_vodoc_t *doc)
{
    peri_buf_clear(&doc->text);
    doc->parse->keep = true;
}

/* ---- elements ---- */

static element_t element_of(const char *name)
{
    const char *colon = strchr(name, ':'); /* a namespace of whatever name */
    if (colon) name = colon + 1;
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(names[i], name)) return (element_t)i;
    return E_OTHER;
}

static element_t parent(const struct peri_voparse *s)
{
    return s->depth > 1 ? s->stack[s->depth - 2] : E_OTHER;
}

static void open_table(peri_vodoc_t *doc, const char **atts)
{
    struct peri_voparse *s = doc->parse;
    const char *name = attribute(atts, "name"), *id = attribute(atts, "ID");
    char number[16];
    snprintf(number, sizeof(number), "%d", s->ntables);
    if (doc->again)
        s->in_table = s->ntables == doc->table;
    else if (!doc->wanted || !*doc->wanted)
        s->in_table = true;
    else
        s->in_table = !strcmp(doc->wanted, number) ||
                      (name && !strcasecmp(name, doc->wanted)) ||
                      (id && !strcasecmp(id, doc->wanted));
    if (s->list.len < 500)
        peri_buf_printf(&s->list, "%s%d%s%.60s", s->list.len ? ", " : "", s->ntables,
                        name ? " " : "", name ? name : "");
    if (s->in_table && attribute(atts, "ref") && !doc->again)
        fail(doc, PERI_EUNSUPP, "its table has the columns of another one (ref)");
    s->ntables++;
}

static void open_field(peri_vodoc_t *doc, const char **atts)
{
    if (doc->again) return;
    if (doc->nfields == PERI_IMPORT_COLUMNS_MAX) {
        fail(doc, PERI_ELIMIT, "it has more columns than a table may have");
        return;
    }
    if (doc->nfields == doc->cap) {
        doc->cap = doc->cap ? 2 * doc->cap : 16;
        doc->fields = peri_xrealloc(doc->fields, doc->cap, sizeof(*doc->fields));
    }
    doc->table = doc->parse->ntables - 1;
    peri_vofield_t *f = &doc->fields[doc->nfields++];
    memset(f, 0, sizeof(*f));
    const char *name = attribute(atts, "name"), *unit = attribute(atts, "unit"),
               *ucd = attribute(atts, "ucd");
    if (!name || !*name) name = attribute(atts, "ID");
    f->name =
        name ? keep(doc, name) : peri_arena_printf(doc->arena, "col%zu", doc->nfields);
    f->unit = keep(doc, unit ? unit : "");
    f->ucd = keep(doc, ucd ? ucd : "");
    f->description = "";
    f->datatype = keep(doc, attribute(atts, "datatype"));
    f->arraysize = keep(doc, attribute(atts, "arraysize"));
    f->xtype = keep(doc, attribute(atts, "xtype"));
}

static void open_info(peri_vodoc_t *doc, const char **atts)
{
    struct peri_voparse *s = doc->parse;
    const char *name = attribute(atts, "name"), *value = attribute(atts, "value");
    if (!name || !value || doc->nfields) return;
    if (!strcmp(name, "SQL_TYPES")) s->types = keep(doc, value);
    s->says_error = !strcmp(name, "QUERY_STATUS") && !strcmp(value, "ERROR");
    if (s->says_error) begin_text(doc);
}

static void open_data(peri_vodoc_t *doc, element_t e)
{
    if (e == E_FITS || e == E_PARQUET) {
        fail(doc, PERI_EUNSUPP,
             "its rows are in another file (FITS or Parquet): load that file instead");
        return;
    }
    doc->data = e == E_TABLEDATA ? PERI_VO_CELLS
                : e == E_BINARY  ? PERI_VO_BINARY
                                 : PERI_VO_BINARY2;
    if (!doc->head_only) return;
    doc->over = true;
    XML_StopParser(doc->parse->xml, XML_FALSE);
}

static void open_stream(peri_vodoc_t *doc, const char **atts)
{
    const char *encoding = attribute(atts, "encoding");
    if (attribute(atts, "href"))
        fail(doc, PERI_EUNSUPP,
             "its rows are elsewhere (STREAM href), which is not "
             "fetched: have them written into the document");
    else if (!encoding || strcmp(encoding, "base64"))
        fail(doc, PERI_EUNSUPP, "the encoding of its STREAM is not base64");
    else
        doc->parse->stream = true;
}

static void open_cell(peri_vodoc_t *doc, const char **atts)
{
    if (attribute(atts, "encoding")) {
        fail(doc, PERI_EUNSUPP, "a TD of it has an encoding");
        return;
    }
    if (doc->ncells == doc->nfields) {
        char text[128];
        snprintf(text, sizeof(text), "row %llu has more cells than the table has FIELDs",
                 (unsigned long long)doc->parse->rows + 1);
        fail(doc, PERI_EFORMAT, text);
        return;
    }
    if (doc->ncells == doc->cells_cap) {
        doc->cells_cap = doc->cells_cap ? 2 * doc->cells_cap : 16;
        doc->cells = peri_xrealloc(doc->cells, doc->cells_cap, sizeof(*doc->cells));
    }
    doc->cells[doc->ncells++] = (peri_vocell_t){doc->text.len, 0};
    doc->parse->keep = doc->parse->in_cell = true;
}

static void open_in_table(peri_vodoc_t *doc, element_t e, const char **atts)
{
    element_t up = parent(doc->parse);
    const char *null;
    switch (e) {
    case E_FIELD:
        if (up == E_TABLE || up == E_OTHER) open_field(doc, atts);
        break;
    case E_VALUES:
        null = attribute(atts, "null");
        if (up == E_FIELD && null && !doc->again && doc->nfields &&
            !doc->fields[doc->nfields - 1].null_text)
            doc->fields[doc->nfields - 1].null_text = keep(doc, null);
        break;
    case E_TABLEDATA:
    case E_BINARY:
    case E_BINARY2:
    case E_FITS:
    case E_PARQUET:
        if (up == E_DATA) open_data(doc, e);
        break;
    case E_STREAM:
        if (up == E_BINARY || up == E_BINARY2) open_stream(doc, atts);
        break;
    case E_TR:
        doc->ncells = 0;
        doc->parse->in_cell = false;
        peri_buf_clear(&doc->text);
        break;
    case E_TD:
        if (up == E_TR && doc->data == PERI_VO_CELLS) open_cell(doc, atts);
        break;
    default:
        break;
    }
}

static void XMLCALL on_start(void *arg, const char *name, const char **atts)
{
    peri_vodoc_t *doc = arg;
    struct peri_voparse *s = doc->parse;
    element_t e = element_of(name);
    if (s->failure.code != PERI_OK || doc->over) return;
    if (s->depth == DEPTH_MAX || (!s->depth && e != E_VOTABLE)) {
        fail(doc, PERI_EFORMAT,
             s->depth ? "its elements lie too deep within each other"
                      : "it is no VOTable: its first element is another one");
        return;
    }
    s->stack[s->depth++] = e;
    if (e == E_TABLE) open_table(doc, atts);
    if (e == E_INFO) open_info(doc, atts);
    if (e == E_DESCRIPTION && !doc->again) begin_text(doc);
    if (s->in_table) open_in_table(doc, e, atts);
}

static void close_description(peri_vodoc_t *doc)
{
    struct peri_voparse *s = doc->parse;
    element_t up = parent(s);
    s->keep = false;
    if (doc->again) return;
    if (up == E_RESOURCE && !doc->nfields) s->resource_description = text_so_far(doc);
    if (!s->in_table) return;
    if (up == E_TABLE && !doc->nfields) doc->description = text_so_far(doc);
    if (up == E_FIELD && doc->nfields)
        doc->fields[doc->nfields - 1].description = text_so_far(doc);
}

static void close_row(peri_vodoc_t *doc)
{
    struct peri_voparse *s = doc->parse;
    if (doc->ncells != doc->nfields) {
        char text[128];
        snprintf(text, sizeof(text), "row %llu has %zu cells, and the table %zu FIELDs",
                 (unsigned long long)s->rows + 1, doc->ncells, doc->nfields);
        fail(doc, PERI_EFORMAT, text);
        return;
    }
    if (peri_buf_check(&doc->text, "a row", &s->failure)) {
        XML_StopParser(s->xml, XML_FALSE);
        return;
    }
    s->rows++;
    int rc = doc->row ? doc->row(doc->arg, doc, &s->failure) : 0;
    if (rc < 0) XML_StopParser(s->xml, XML_FALSE);
    if (rc > 0) s->suspended = XML_StopParser(s->xml, XML_TRUE) == XML_STATUS_OK;
}

static void close_table(peri_vodoc_t *doc)
{
    struct peri_voparse *s = doc->parse;
    bool found = s->in_table && doc->nfields;
    s->in_table = false;
    if (!found) return;
    doc->over = true;
    XML_StopParser(s->xml, XML_FALSE);
}

static void XMLCALL on_end(void *arg, const char *name)
{
    peri_vodoc_t *doc = arg;
    struct peri_voparse *s = doc->parse;
    (void)name;
    if (s->failure.code != PERI_OK || doc->over || !s->depth) return;
    element_t e = s->stack[s->depth - 1];
    if (e == E_DESCRIPTION) close_description(doc);
    if (e == E_INFO && s->says_error) {
        s->why = text_so_far(doc);
        s->says_error = s->keep = false;
    }
    if (s->in_cell && e == E_TD && parent(s) == E_TR) {
        peri_vocell_t *c = &doc->cells[doc->ncells - 1];
        c->n = doc->text.len - c->at;
        s->keep = s->in_cell = false;
    }
    if (e == E_STREAM) s->stream = false;
    if (s->in_table && e == E_TR && doc->data == PERI_VO_CELLS) close_row(doc);
    if (e == E_TABLE) close_table(doc);
    s->depth--;
}

static void XMLCALL on_text(void *arg, const char *p, int n)
{
    peri_vodoc_t *doc = arg;
    struct peri_voparse *s = doc->parse;
    if (s->failure.code != PERI_OK || doc->over || n <= 0) return;
    if (s->in_table && s->stream) {
        if (peri_base64_feed(&s->base64, p, (size_t)n, &doc->bytes))
            fail(doc, doc->bytes.failed ? PERI_ELIMIT : PERI_EFORMAT,
                 doc->bytes.failed ? "a row of it is too long"
                                   : "its STREAM is not base64");
    } else if (s->keep) {
        peri_buf_append(&doc->text, p, (size_t)n);
    }
}

static void XMLCALL on_entity(void *arg, const char *name, int is_parameter,
                              const char *value, int n, const char *base,
                              const char *system, const char *public_id,
                              const char *notation)
{
    (void)name, (void)is_parameter, (void)value, (void)n, (void)base, (void)system;
    (void)public_id, (void)notation;
    fail(arg, PERI_EUNSUPP, "it declares entities, which are refused");
}

/* ---- pieces ---- */

void peri_vodoc_begin(peri_vodoc_t *doc)
{
    struct peri_voparse *s = peri_xcalloc(1, sizeof(*s));
    doc->parse = s;
    doc->data = PERI_VO_NONE;
    doc->over = false;
    if (!doc->again) doc->table = -1;
    if (!doc->description) doc->description = "";
    peri_buf_init(&doc->text, TEXT_MAX);
    peri_buf_init(&doc->bytes, 2 * TEXT_MAX);
    peri_buf_init(&s->list, 1024);
    s->xml = XML_ParserCreate(NULL);
    XML_SetUserData(s->xml, doc);
    XML_SetElementHandler(s->xml, on_start, on_end);
    XML_SetCharacterDataHandler(s->xml, on_text);
    XML_SetEntityDeclHandler(s->xml, on_entity);
}

void peri_vodoc_end(peri_vodoc_t *doc)
{
    struct peri_voparse *s = doc->parse;
    if (!s) return;
    XML_ParserFree(s->xml);
    peri_buf_free(&s->list);
    free(s);
    doc->parse = NULL;
    peri_buf_free(&doc->text);
    peri_buf_free(&doc->bytes);
    free(doc->cells);
    doc->cells = NULL;
    doc->ncells = doc->cells_cap = 0;
}

/* {"name":"TYPE",...}; anything else says nothing. */
static void take_types(peri_vodoc_t *doc)
{
    json_t *types = doc->parse->types ? json_loads(doc->parse->types, 0, NULL) : NULL;
    for (size_t i = 0; json_is_object(types) && i < doc->nfields; i++) {
        peri_vofield_t *f = &doc->fields[i];
        f->sql_type = keep(doc, json_string_value(json_object_get(types, f->name)));
    }
    json_decref(types);
}

static int settle(peri_vodoc_t *doc, enum XML_Status status, peri_err_t *err)
{
    struct peri_voparse *s = doc->parse;
    if (s->failure.code != PERI_OK) {
        if (err) *err = s->failure;
        return -1;
    }
    if (doc->over && !doc->again && doc->nfields) {
        take_types(doc);
        if (!*doc->description && s->resource_description)
            doc->description = s->resource_description;
    }
    if (doc->over) return 0;
    if (status == XML_STATUS_SUSPENDED) return 1;
    enum XML_Error code = XML_GetErrorCode(s->xml);
    if (status == XML_STATUS_ERROR && s->last &&
        (code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN ||
         code == XML_ERROR_PARTIAL_CHAR))
        return peri_err_set(err, PERI_EFORMAT,
                            "it ends within its line %lu: it is truncated",
                            (unsigned long)XML_GetCurrentLineNumber(s->xml));
    if (status == XML_STATUS_ERROR)
        return peri_err_set(err, PERI_EFORMAT, "line %lu: %s",
                            (unsigned long)XML_GetCurrentLineNumber(s->xml),
                            XML_ErrorString(code));
    XML_Index at = XML_GetCurrentByteIndex(s->xml);
    if (at >= 0 && (XML_Index)s->fed - at > TOKEN_MAX)
        return peri_err_set(err, PERI_ELIMIT, "line %lu: a tag of more than 8 MiB",
                            (unsigned long)XML_GetCurrentLineNumber(s->xml));
    return 0;
}

int peri_vodoc_feed(peri_vodoc_t *doc, const char *p, size_t n, bool last,
                    peri_err_t *err)
{
    if (doc->over) return 0;
    doc->parse->fed += n;
    doc->parse->last = last;
    return settle(doc, XML_Parse(doc->parse->xml, p, (int)n, last), err);
}

int peri_vodoc_resume(peri_vodoc_t *doc, peri_err_t *err)
{
    if (doc->over) return 0;
    return settle(doc, XML_ResumeParser(doc->parse->xml), err);
}
