/* fitscards.c - see fitscards.h. */
#include "core/import/fitscards.h"

#include <string.h>
#include <strings.h>

#include "core/base/util.h"
#include "core/import/text.h"
#include "core/out/text.h"

#define AXES_MAX 999

size_t peri_fits_header_end(const char *p, size_t n)
{
    for (size_t at = 0; at + PERI_FITS_CARD <= n; at += PERI_FITS_CARD)
        if (!memcmp(p + at, "END     ", 8)) return at + PERI_FITS_CARD;
    return 0;
}

void peri_fits_put_text(peri_buf_t *b, const char *s, size_t n)
{
    if (peri_utf8_valid(s, n))
        peri_buf_append(b, s, n);
    else
        for (size_t i = 0; i < n; i++) peri_text_put(b, (unsigned char)s[i]);
}

bool peri_fits_integer(const char *text, int64_t *out)
{
    while (*text == ' ') text++;
    size_t n = strlen(text);
    while (n && text[n - 1] == ' ') n--;
    return n && peri_cells_number(DUCKDB_TYPE_BIGINT, out, 0, text, n) == 0;
}

bool peri_fits_real(const char *text, double *out)
{
    while (*text == ' ') text++;
    size_t n = strlen(text);
    while (n && text[n - 1] == ' ') n--;
    return n && peri_cells_number(DUCKDB_TYPE_DOUBLE, out, 0, text, n) == 0;
}

/* ---- cards ---- */

/* The string that opens at p: its text to `room`, doubled quotes as one. False if it is
 * not closed. */
static bool take_string(const char *p, const char *end, peri_buf_t *room)
{
    for (p++; p < end; p++) {
        if (*p == '\'') {
            if (p + 1 == end || p[1] != '\'') return true;
            p++;
        }
        peri_buf_putc(room, *p);
    }
    return false;
}

static void cut_blanks(peri_buf_t *b, size_t from)
{
    while (b->len > from && b->data[b->len - 1] == ' ') b->len--;
}

static const char *first_of_value(const char *card, const char *end, bool continued)
{
    const char *p = card + (continued ? 8 : 10);
    while (p < end && *p == ' ') p++;
    return p;
}

static void take_plain(const char *p, const char *end, peri_buf_t *room)
{
    const char *slash = memchr(p, '/', (size_t)(end - p));
    peri_buf_append(room, p, (size_t)((slash ? slash : end) - p));
    cut_blanks(room, 0);
}

bool peri_fits_next_card(const char *p, size_t n, size_t *at, peri_buf_t *room,
                         peri_arena_t *a, peri_fitscard_t *out)
{
    memset(out, 0, sizeof(*out));
    if (n - *at < PERI_FITS_CARD) return false;
    const char *card = p + *at, *end = card + PERI_FITS_CARD;
    *at += PERI_FITS_CARD;
    for (size_t i = 0; i < 8 && card[i] != ' '; i++) out->key[i] = card[i];
    if (!strcmp(out->key, "END")) return false;
    if (card[8] != '=' || card[9] != ' ') return true; /* a comment of some kind */
    const char *value = first_of_value(card, end, false);
    peri_buf_clear(room);
    out->quoted = value < end && *value == '\'';
    if (!out->quoted) {
        take_plain(value, end, room);
    } else {
        take_string(value, end, room);
        cut_blanks(room, 0);
        /* A long one: "&" at the end, and CONTINUE below. */
        while (room->len && room->data[room->len - 1] == '&' &&
               n - *at >= PERI_FITS_CARD && !memcmp(p + *at, "CONTINUE", 8)) {
            const char *next = p + *at, *stop = next + PERI_FITS_CARD;
            *at += PERI_FITS_CARD;
            value = first_of_value(next, stop, true);
            if (value == stop || *value != '\'') break;
            room->len--;
            size_t from = room->len;
            take_string(value, stop, room);
            cut_blanks(room, from);
        }
    }
    peri_buf_t text;
    peri_buf_init(&text, room->max);
    peri_fits_put_text(&text, room->data ? room->data : "", room->len);
    bool nul = text.len && memchr(text.data, '\0', text.len);
    if (text.len && !nul) out->value = peri_arena_strndup(a, text.data, text.len);
    if (out->quoted && !out->value) out->value = "";
    peri_buf_free(&text);
    return true;
}

/* ---- extensions ---- */

typedef struct {
    int64_t bitpix, naxis, pcount, gcount, nfields, heap;
    int64_t axes[2];
    uint64_t elements; /* of all axes; of all but the first for random groups */
    bool groups, wrong;
} size_t_of_data_t;

static bool multiply(uint64_t *v, uint64_t by)
{
    return !__builtin_mul_overflow(*v, by, v);
}

static void take_number(const peri_fitscard_t *c, int64_t least, int64_t most,
                        int64_t *out, bool *wrong)
{
    int64_t v;
    if (c->quoted || !c->value || !peri_fits_integer(c->value, &v) || v < least ||
        v > most)
        *wrong = true;
    else
        *out = v;
}

static void take_axis(const peri_fitscard_t *c, size_t_of_data_t *d)
{
    int64_t axis = 0, length = 0;
    if (!peri_fits_integer(c->key + 5, &axis) || axis < 1 || axis > d->naxis) return;
    take_number(c, 0, INT64_MAX, &length, &d->wrong);
    if (axis <= 2) d->axes[axis - 1] = length;
    if (axis == 1 && length == 0) return; /* maybe random groups */
    if (!multiply(&d->elements, (uint64_t)length)) d->wrong = true;
}

static void take_kind(const char *value, peri_fitskind_t *kind)
{
    if (!strcmp(value, "TABLE")) *kind = PERI_FITS_TEXT;
    if (!strcmp(value, "BINTABLE") || !strcmp(value, "A3DTABLE"))
        *kind = PERI_FITS_BINARY;
}

static void take_card(const peri_fitscard_t *c, peri_fitshdu_t *out, size_t_of_data_t *d,
                      bool *image, bool *packed)
{
    bool yes = c->value && !strcmp(c->value, "T");
    if (!strcmp(c->key, "XTENSION") && c->value)
        take_kind(c->value, &out->kind);
    else if (!strcmp(c->key, "BITPIX"))
        take_number(c, -64, 64, &d->bitpix, &d->wrong);
    else if (!strcmp(c->key, "NAXIS"))
        take_number(c, 0, AXES_MAX, &d->naxis, &d->wrong);
    else if (!strncmp(c->key, "NAXIS", 5))
        take_axis(c, d);
    else if (!strcmp(c->key, "PCOUNT"))
        take_number(c, 0, INT64_MAX, &d->pcount, &d->wrong);
    else if (!strcmp(c->key, "GCOUNT"))
        take_number(c, 0, INT64_MAX, &d->gcount, &d->wrong);
    else if (!strcmp(c->key, "TFIELDS"))
        take_number(c, 0, 999, &d->nfields, &d->wrong);
    else if (!strcmp(c->key, "THEAP"))
        take_number(c, 0, INT64_MAX, &d->heap, &d->wrong);
    else if (!strcmp(c->key, "GROUPS"))
        d->groups = yes;
    else if (!strcmp(c->key, "ZIMAGE"))
        *image = yes;
    else if (!strcmp(c->key, "ZTABLE"))
        *packed = yes;
    else if (!strcmp(c->key, "EXTNAME") && c->value && !*out->name)
        out->name = c->value;
    else if (!strcmp(c->key, "TABDESC") && c->value)
        out->description = c->value;
    else if (!strcmp(c->key, "SQLTYPES") && c->value)
        out->types = c->value;
}

/* |BITPIX| / 8 * GCOUNT * (PCOUNT + NAXIS1 * ...) */
static bool count_bytes(const size_t_of_data_t *d, uint64_t *size)
{
    *size = d->naxis ? d->elements : 0;
    if (d->naxis && d->axes[0] == 0 && !d->groups) *size = 0;
    uint64_t bytes = (uint64_t)(d->bitpix < 0 ? -d->bitpix : d->bitpix) / 8;
    return !__builtin_add_overflow(*size, (uint64_t)d->pcount, size) &&
           multiply(size, (uint64_t)d->gcount) && multiply(size, bytes) &&
           *size <= INT64_MAX - PERI_FITS_BLOCK;
}

int peri_fits_hdu(const char *p, size_t n, bool primary, peri_arena_t *a,
                  peri_fitshdu_t *out, peri_err_t *err)
{
    peri_buf_t room;
    peri_buf_init(&room, PERI_FITS_HEADER_MAX);
    size_t_of_data_t d = {.gcount = 1, .elements = 1, .heap = -1};
    bool image = false, packed = false;
    peri_fitscard_t card;
    *out = (peri_fitshdu_t){.name = "", .description = ""};
    for (size_t at = 0; peri_fits_next_card(p, n, &at, &room, a, &card);)
        take_card(&card, out, &d, &image, &packed);
    peri_buf_free(&room);
    if (primary) out->kind = PERI_FITS_OTHER;
    if (d.wrong || !d.bitpix || !count_bytes(&d, &out->size))
        return peri_err_set(err, PERI_EFORMAT,
                            "its header does not tell how long its data are (BITPIX, "
                            "NAXIS, PCOUNT, GCOUNT)");
    if (image) out->kind = PERI_FITS_OTHER; /* an image in the shape of a table */
    if (out->kind == PERI_FITS_OTHER) return 0;
    if (d.bitpix != 8 || d.naxis != 2 || d.gcount != 1)
        return peri_err_set(err, PERI_EFORMAT,
                            "it is no table as the standard has it (BITPIX 8, NAXIS 2, "
                            "GCOUNT 1)");
    if (packed) out->kind = PERI_FITS_PACKED;
    out->row_size = (uint64_t)d.axes[0];
    out->rows = (uint64_t)d.axes[1];
    out->heap = d.heap < 0 ? out->row_size * out->rows : (uint64_t)d.heap;
    out->nfields = (unsigned)d.nfields;
    return 0;
}
