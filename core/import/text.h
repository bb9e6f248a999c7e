/* text.h - what csv, tsv and json share: cells of text, the guess of columns' types from
 * all of them, and cells as values of DuckDB vectors. Private to core/import.
 *
 * A column's possible types are a set; each value takes away those that it is not, or
 * that would not keep it exactly. What is left in the end is the type. Nothing of a
 * 64-bit integer is lost on the way: such a column is BIGINT, UBIGINT or text.
 */
#ifndef CORE_IMPORT_TEXT_H
#define CORE_IMPORT_TEXT_H

#include "core/import/reader.h"

typedef enum {
    PERI_CELL_NULL,
    PERI_CELL_BARE,   /* csv without quotes; a number, true or false of JSON */
    PERI_CELL_QUOTED, /* csv in quotes: says nothing of the type, except where empty */
    PERI_CELL_STRING, /* of JSON: no number, except "NaN" and the infinities */
    PERI_CELL_NESTED  /* array or object of JSON, as it stands there */
} peri_cellkind_t;

typedef struct {
    const char *p;
    size_t n;
    peri_cellkind_t kind;
} peri_cell_t;

/* ---- guess.c ---- */

typedef struct {
    unsigned can;   /* set of PERI_CAN_*; all, as long as there is no value */
    bool any;       /* there was a value */
    bool fractions; /* one of them was written as a floating point number */
    bool words;     /* one of them was no number */
    bool ragged;    /* nested values differ in length */
    size_t length;  /* of them, if they do not */
} peri_guess_t;

enum {
    PERI_CAN_BOOL = 1,
    PERI_CAN_I64 = 2,
    PERI_CAN_U64 = 4,
    PERI_CAN_F64 = 8,
    PERI_CAN_DATE = 16,
    PERI_CAN_STAMP = 32,  /* at most six digits of a second */
    PERI_CAN_STAMP9 = 64, /* at most nine, years that 64 bits of nanoseconds reach */
    PERI_CAN_STAMPTZ = 128,
    PERI_CAN_LIST = 256,
    PERI_CAN_ALL = 511
};

void peri_guess_init(peri_guess_t *g);
void peri_guess_look(peri_guess_t *g, const peri_cell_t *cell);
/* The caller's. VARCHAR if nothing else is left, or no value was seen. */
duckdb_logical_type peri_guess_type(const peri_guess_t *g);
/* What a single text can be. */
unsigned peri_guess_text(const char *p, size_t n, bool *fraction);

/* ---- cells.c ---- */

/* Adds the column with the type guessed, or the one forced, delivered natively where
 * cells.c can, else as text that SQL casts. */
int peri_cells_column(peri_reader_t *r, const char *source, const char *unit,
                      const char *description, const peri_guess_t *g, peri_err_t *err);
/* Is any word a value of the type, or may it be? */
bool peri_cells_take_words(duckdb_logical_type type);
/* The columns' vectors of a chunk, looked up once. */
typedef struct peri_cells peri_cells_t;
peri_cells_t *peri_cells_new(const peri_reader_t *r); /* once all columns are there */
void peri_cells_free(peri_cells_t *c);
void peri_cells_bind(peri_cells_t *c, duckdb_data_chunk out);
/* Row `row` of the bound chunk. `line` is for the error. */
int peri_cells_put(peri_cells_t *c, idx_t row, const peri_cell_t *cells, uint64_t line,
                   peri_err_t *err);
/* A number or a boolean as text, without blanks around it, to data[row], an array of such
 * values. -1: it is none, or does not fit. */
int peri_cells_number(duckdb_type type, void *data, idx_t row, const char *p, size_t n);
/* The row's bytes, before they are cut into cells: valid UTF-8 without NUL? */
int peri_cells_check(const peri_reader_t *r, const char *p, size_t n, uint64_t line,
                     peri_err_t *err);

#endif
