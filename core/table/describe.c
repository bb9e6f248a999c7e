/* describe.c - see describe.h. */
#include "core/table/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/util.h"

/* How the dataset of a column is stored, in the file that was looked at. */
typedef struct {
    bool known;
    peri_layout_t layout;
    uint64_t chunk_rows, stored, raw;
    const char *filters;
} storage_t;

static const char *layout_name(peri_layout_t layout)
{
    switch (layout) {
    case PERI_LAYOUT_CONTIGUOUS:
        return "contiguous";
    case PERI_LAYOUT_CHUNKED:
        return "chunked";
    case PERI_LAYOUT_COMPACT:
        return "compact";
    case PERI_LAYOUT_LIBRARY:
        return "other";
    }
    return "other";
}

/* The file with the most columns, then the most rows. */
static const peri_file_t *sample_file(const peri_table_t *t)
{
    const peri_file_t *best = NULL;
    for (size_t i = 0; i < t->nfiles; i++) {
        const peri_file_t *f = &t->files[i];
        if (f->rows == 0) continue;
        if (!best || (best->has && !f->has) ||
            (!best->has == !f->has && f->rows > best->rows))
            best = f;
    }
    return best;
}

static storage_t *look_at_storage(const peri_table_t *t, peri_arena_t *arena,
                                  const peri_file_t **sample)
{
    storage_t *s = peri_arena_calloc(arena, t->ncolumns, sizeof(*s));
    *sample = sample_file(t);
    peri_h5file_t *f =
        *sample ? peri_h5file_open((*sample)->path, peri_file_root(t, *sample), NULL)
                : NULL;
    if (!f) return s;
    for (size_t i = 0; i < t->ncolumns; i++) {
        const peri_column_t *c = &t->columns[i];
        if (i > 0 && strcmp(c->dataset, t->columns[i - 1].dataset) == 0) {
            s[i] = s[i - 1];
            continue;
        }
        peri_h5set_t *set = peri_h5set_open(f, c->dataset, NULL);
        if (!set) continue;
        s[i] = (storage_t){.known = true,
                           .layout = peri_h5set_layout(set),
                           .chunk_rows = peri_h5set_chunk_rows(set),
                           .stored = peri_h5set_stored_bytes(set),
                           .raw = peri_h5set_raw_bytes(set),
                           .filters = peri_arena_strdup(arena, peri_h5set_filters(set))};
        peri_h5set_unref(set);
    }
    peri_h5file_unref(f);
    return s;
}

static uint64_t file_bytes(const peri_table_t *t)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < t->nfiles; i++) bytes += t->files[i].size;
    return bytes;
}

const char *peri_describe_type(const peri_column_t *c, peri_arena_t *arena)
{
    if (c->sql_type && *c->sql_type) return c->sql_type;
    if (c->width == 1) return peri_type_name(c->type);
    return peri_arena_printf(arena, "%s[%u]", peri_type_name(c->type), c->width);
}

/* ---- text ---- */

enum {
    NAME,
    TYPE,
    NULLS,
    UNIT,
    STORED,
    LAYOUT,
    CHUNK,
    FILTERS,
    RATIO,
    DESCRIPTION,
    NCELLS
};

static void fill_row(peri_arena_t *arena, const peri_column_t *c, const storage_t *s,
                     const char **cells)
{
    cells[NAME] = c->name;
    cells[TYPE] = peri_describe_type(c, arena);
    cells[NULLS] = c->nullable ? "nullable" : "";
    cells[UNIT] = c->unit;
    cells[STORED] = c->stored_as;
    cells[LAYOUT] = s->known ? layout_name(s->layout) : "";
    cells[CHUNK] = s->known && s->chunk_rows
                       ? peri_arena_printf(arena, "%" PRIu64, s->chunk_rows)
                       : "";
    cells[FILTERS] = s->known ? s->filters : "";
    bool packed = s->known && *s->filters && s->stored > 0;
    cells[RATIO] =
        packed ? peri_arena_printf(arena, "%.2f", (double)s->raw / (double)s->stored)
               : "";
    cells[DESCRIPTION] = c->description;
}

/* Characters, not bytes: names may have accents. */
static size_t text_width(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* Text of a file may hold line ends and control characters, which a terminal obeys. */
static void put_clean(peri_buf_t *out, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        peri_buf_putc(out, c < 0x20 || c == 0x7f ? ' ' : *s);
    }
}

static void put_cells(peri_buf_t *out, const char **cells, const size_t *widths)
{
    size_t last = 0;
    for (size_t k = 0; k < NCELLS; k++)
        if (*cells[k]) last = k;
    peri_buf_puts(out, "  ");
    for (size_t k = 0; k <= last; k++) {
        if (widths[k] == 0) continue;
        size_t pad = k == last ? 0 : widths[k] - text_width(cells[k]) + 2;
        bool right = k == CHUNK || k == RATIO;
        if (right)
            peri_buf_printf(out, "%*s", (int)(widths[k] - text_width(cells[k])), "");
        put_clean(out, cells[k]);
        if (!right) peri_buf_printf(out, "%*s", (int)pad, "");
        if (right && k < last) peri_buf_puts(out, "  ");
    }
    peri_buf_putc(out, '\n');
}

static void put_columns(peri_buf_t *out, const peri_table_t *t, const storage_t *s,
                        peri_arena_t *arena)
{
    static const char *heads[NCELLS] = {
        "column", "type",       "",        "unit",  "stored as",
        "layout", "chunk rows", "filters", "ratio", "description"};
    const char **cells = peri_arena_calloc(arena, t->ncolumns * NCELLS, sizeof(*cells));
    size_t widths[NCELLS] = {0};
    for (size_t i = 0; i < t->ncolumns; i++) {
        const char **row = cells + i * NCELLS;
        fill_row(arena, &t->columns[i], &s[i], row);
        for (size_t k = 0; k < NCELLS; k++)
            if (text_width(row[k]) > widths[k]) widths[k] = text_width(row[k]);
    }
    /* A column of the listing that nobody fills is not shown. */
    const char *head[NCELLS];
    for (size_t k = 0; k < NCELLS; k++) {
        head[k] = widths[k] ? heads[k] : "";
        if (widths[k] && text_width(heads[k]) > widths[k])
            widths[k] = text_width(heads[k]);
    }
    put_cells(out, head, widths);
    for (size_t i = 0; i < t->ncolumns; i++) put_cells(out, cells + i * NCELLS, widths);
}

static void put_headline(peri_buf_t *out, const peri_table_t *t)
{
    char rows[32], bytes[16];
    put_clean(out, t->name);
    peri_buf_printf(out, ": %s row%s, %zu column%s, %zu file%s of %s",
                    peri_human_count(t->rows, rows), t->rows == 1 ? "" : "s", t->ncolumns,
                    t->ncolumns == 1 ? "" : "s", t->nfiles, t->nfiles == 1 ? "" : "s",
                    peri_human_bytes(file_bytes(t), bytes));
    if (t->has_snapnum) {
        int32_t first = t->files[0].snapnum, last = t->files[t->nfiles - 1].snapnum;
        peri_buf_printf(out, first == last ? ", snapshot %d" : ", snapshots %d to %d",
                        first, last);
    }
    if (t->box_size > 0) peri_buf_printf(out, ", box %g", t->box_size);
    peri_buf_putc(out, '\n');
    if (*t->description) {
        peri_buf_puts(out, "  ");
        put_clean(out, t->description);
        peri_buf_putc(out, '\n');
    }
}

int peri_describe_text(const peri_table_t *t, peri_buf_t *out, peri_err_t *err)
{
    peri_arena_t *arena = peri_arena_new();
    const peri_file_t *sample;
    const storage_t *s = look_at_storage(t, arena, &sample);
    put_headline(out, t);
    put_columns(out, t, s, arena);
    peri_buf_printf(out, "  also: file VARCHAR, row BIGINT, idx BIGINT%s\n",
                    t->has_snapnum ? ", snapnum INTEGER" : "");
    if (sample && t->nfiles > 1) {
        peri_buf_puts(out, "  layout, filters and ratio are those of ");
        put_clean(out, sample->name);
        peri_buf_putc(out, '\n');
    }
    for (size_t i = 0; i < t->nnotes; i++) {
        peri_buf_puts(out, "  note: ");
        put_clean(out, t->notes[i]);
        peri_buf_putc(out, '\n');
    }
    peri_arena_free(arena);
    return peri_buf_check(out, "the description of a table", err);
}

/* ---- JSON ---- */

static json_t *text_json(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("(not valid text)");
}

static json_t *column_json(peri_arena_t *arena, const peri_column_t *c,
                           const storage_t *s)
{
    json_t *j = json_object();
    const struct {
        const char *key, *value;
    } texts[] = {{"name", c->name},   {"type", peri_describe_type(c, arena)},
                 {"unit", c->unit},   {"description", c->description},
                 {"ucd", c->ucd},     {"dataset", c->dataset},
                 {"field", c->field}, {"stored_as", c->stored_as}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (*texts[i].value)
            json_object_set_new(j, texts[i].key, text_json(texts[i].value));
    if (c->component >= 0)
        json_object_set_new(j, "component", json_integer(c->component));
    if (c->nullable) json_object_set_new(j, "nullable", json_true());
    if (c->missing_files)
        json_object_set_new(j, "missing_files", json_integer(c->missing_files));
    if (!s->known) return j;
    json_object_set_new(j, "layout", json_string(layout_name(s->layout)));
    json_object_set_new(j, "chunk_rows", json_integer((json_int_t)s->chunk_rows));
    json_object_set_new(j, "filters", text_json(s->filters));
    json_object_set_new(j, "stored_bytes", json_integer((json_int_t)s->stored));
    json_object_set_new(j, "raw_bytes", json_integer((json_int_t)s->raw));
    return j;
}

json_t *peri_describe_json(const peri_table_t *t)
{
    peri_arena_t *arena = peri_arena_new();
    const peri_file_t *sample;
    const storage_t *s = look_at_storage(t, arena, &sample);
    json_t *j = json_object(), *columns = json_array(), *files = json_array(),
           *notes = json_array();
    json_object_set_new(j, "name", text_json(t->name));
    if (*t->description) json_object_set_new(j, "description", text_json(t->description));
    json_object_set_new(j, "rows", json_integer((json_int_t)t->rows));
    json_object_set_new(j, "bytes", json_integer((json_int_t)file_bytes(t)));
    if (t->box_size > 0) json_object_set_new(j, "box_size", json_real(t->box_size));
    for (size_t i = 0; i < t->ncolumns; i++)
        json_array_append_new(columns, column_json(arena, &t->columns[i], &s[i]));
    for (size_t i = 0; i < t->nfiles; i++) {
        const peri_file_t *f = &t->files[i];
        json_t *jf = json_object();
        json_object_set_new(jf, "name", text_json(f->name));
        json_object_set_new(jf, "rows", json_integer((json_int_t)f->rows));
        json_object_set_new(jf, "bytes", json_integer((json_int_t)f->size));
        if (f->snapnum != PERI_SNAPNUM_NONE)
            json_object_set_new(jf, "snapnum", json_integer(f->snapnum));
        json_array_append_new(files, jf);
    }
    for (size_t i = 0; i < t->nnotes; i++)
        json_array_append_new(notes, text_json(t->notes[i]));
    json_object_set_new(j, "columns", columns);
    json_object_set_new(j, "files", files);
    json_object_set_new(j, "notes", notes);
    if (sample) json_object_set_new(j, "storage_of", text_json(sample->name));
    peri_arena_free(arena);
    return j;
}
