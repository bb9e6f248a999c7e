/* fitshead.c - the header of a fits table: columns, their exact types, provenance. */
#include <errno.h>
#include <string.h>

#include "core/out/fitscol.h"
#include "core/out/text.h"

static const char *ascii(peri_fits_t *t, const char *s)
{
    peri_buf_clear(&t->text);
    peri_text_ascii(&t->text, s, strlen(s));
    return t->text.data ? t->text.data : "";
}

/* Spaces at the end of a value would not count. */
static void put_key(peri_fits_t *t, const char *stem, size_t c, const char *value,
                    int *status)
{
    char key[FLEN_KEYWORD];
    if (!*value) return;
    fits_make_keyn(stem, (int)c + 1, key, status);
    ascii(t, value);
    if (t->text.len && t->text.data[t->text.len - 1] == ' ') {
        t->text.len--;
        peri_buf_puts(&t->text, "\\u0020");
    }
    fits_update_key_longstr(t->file, key, t->text.data, NULL, status);
}

/* The exact types. They also tell our reader that texts of the columns are written in our
 * way: see write_text in fits.c. */
static void put_types(peri_writer_t *w, peri_fits_t *t, int *status)
{
    peri_buf_t json;
    peri_buf_init(&json, w->text.max);
    peri_writer_put_types(w, &json);
    if (!json.failed)
        fits_update_key_longstr(t->file, PERI_FITS_TYPES, ascii(t, json.data), NULL,
                                status);
    peri_buf_free(&json);
}

/* A line of the text is a card, or more. */
static void put_history(peri_fits_t *t, const char *text, int *status)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        peri_buf_clear(&t->text);
        peri_text_ascii(&t->text, text, n);
        if (t->text.len) fits_write_history(t->file, t->text.data, status);
        text += n + (text[n] == '\n');
    }
}

static void put_provenance(peri_writer_t *w, peri_fits_t *t, int *status)
{
    fits_update_key_longstr(t->file, "CREATOR", ascii(t, w->prov.version),
                            "program that wrote this file", status);
    fits_update_key_str(t->file, "DATE", w->created, "UTC", status);
    if (*w->prov.description)
        fits_update_key_longstr(t->file, PERI_FITS_DESCRIPTION,
                                ascii(t, w->prov.description), NULL, status);
    if (*w->prov.query) {
        put_history(t, "query:", status);
        put_history(t, w->prov.query, status);
    }
    if (w->prov.nsources) put_history(t, "rows were taken from:", status);
    for (size_t i = 0; i < w->prov.nsources; i++) {
        const peri_outsource_t *s = &w->prov.sources[i];
        char when[PERI_MOMENT_MAX];
        *peri_moment_timestamp(when, s->mtime_ns, 1000000000, 1, PERI_STYLE_ISO) = '\0';
        char *line = peri_arena_printf(w->arena, "%s (%llu bytes, modified %s)", s->path,
                                       (unsigned long long)s->size, when);
        put_history(t, line, status);
    }
}

int peri_fits_create(peri_writer_t *w, peri_fits_t *t, peri_err_t *err)
{
    int status = 0;
    char **ttype = peri_arena_calloc(w->arena, w->ncols, sizeof(*ttype));
    char **tform = peri_arena_calloc(w->arena, w->ncols, sizeof(*tform));
    for (size_t c = 0; c < w->ncols; c++) {
        const peri_fitscol_t *col = &t->cols[c];
        size_t n = col->kind != PERI_BIN_TEXT ? col->width
                   : col->longest             ? col->longest
                                              : 1;
        /* Names may be longer than fits_create_tbl takes: they follow. */
        ttype[c] = peri_arena_printf(w->arena, "C%zu", c + 1);
        t->cols[c].place = t->row_size;
        t->row_size += n * (col->kind == PERI_BIN_TEXT ? 1 : peri_binary_size(col->kind));
        tform[c] = peri_arena_printf(w->arena, "%zu%c", n, peri_fits_code(col->kind));
    }
    errno = 0;
    fits_create_diskfile(&t->file, peri_target_temp(w->target), &status);
    fits_create_tbl(t->file, BINARY_TBL, 0, (int)w->ncols, ttype, tform, NULL, "RESULT",
                    &status);
    for (size_t c = 0; c < w->ncols && !status; c++) {
        const peri_outcol_t *out = &w->cols[c];
        const char *zero = peri_fits_zero(t->cols[c].kind);
        put_key(t, "TTYPE", c, out->name, &status);
        put_key(t, "TUNIT", c, out->unit, &status);
        put_key(t, "TCOMM", c, out->description, &status);
        put_key(t, "TUCD", c, out->ucd, &status);
        if (zero) {
            char card[FLEN_CARD]; /* 2^63 fits none of cfitsio's integer arguments */
            snprintf(card, sizeof(card), "TSCAL%-3zu= %20d", c + 1, 1);
            fits_write_record(t->file, card, &status);
            snprintf(card, sizeof(card), "TZERO%-3zu= %20s", c + 1, zero);
            fits_write_record(t->file, card, &status);
        }
    }
    if (!status) put_types(w, t, &status);
    if (!status) put_provenance(w, t, &status);
    /* Room for TNULLn, so that adding them does not move the data. */
    fits_set_hdrsize(t->file, (int)w->ncols, &status);
    fits_set_hdustruc(t->file, &status);
    return status ? peri_fits_fail(w, status, err) : 0;
}
