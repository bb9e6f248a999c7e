/* value.h - a result column, its type opened up, and its values as text or JSON.
 *
 * peri_field_t is a column or a nested part of one. _init reads the logical type once;
 * _bind points it at a chunk's vector (flat, as duckdb_fetch_chunk gives them), after
 * which the rows of that chunk can be read until the next _bind. Not thread-safe.
 */
#ifndef CORE_OUT_VALUE_H
#define CORE_OUT_VALUE_H

#include <duckdb.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/out/moment.h"
#include "perigee/err.h"

typedef struct peri_field peri_field_t;
struct peri_field {
    duckdb_type type;
    int traits;        /* private */
    duckdb_type inner; /* the integer that a DECIMAL or ENUM is stored as */
    unsigned width, scale;
    char *name;         /* of the column or STRUCT or UNION member */
    idx_t array_size;   /* ARRAY */
    peri_field_t *kids; /* LIST, ARRAY: the element; MAP: STRUCT(key, value); STRUCT: its
                           members; UNION: the tag, then the members */
    size_t nkids;
    char **words; /* ENUM */
    size_t nwords;
    bool json;        /* VARCHAR that DuckDB calls JSON */
    bool as_text;     /* of a column: no numbers of the format hold all its values */
    const void *data; /* of the bound vector */
    const uint64_t *valid;
};

/* PERI_EUNSUPP for a type that this build does not know, naming the column. */
int peri_field_init(peri_field_t *f, const char *name, duckdb_logical_type type,
                    peri_err_t *err);
void peri_field_clear(peri_field_t *f);
void peri_field_bind(peri_field_t *f, duckdb_vector v);

static inline bool peri_field_is_null(const peri_field_t *f, idx_t row)
{
    if (f->type == DUCKDB_TYPE_SQLNULL) return true;
    return f->valid && !(f->valid[row >> 6] >> (row & 63) & 1);
}

/* Bytes of a VARCHAR, BLOB, BIT or BIGNUM value that is not null. */
static inline const char *peri_field_bytes(const peri_field_t *f, idx_t row, size_t *n)
{
    const duckdb_string_t *s = (const duckdb_string_t *)f->data + row;
    *n = s->value.inlined.length;
    return *n <= 12 ? s->value.inlined.inlined : s->value.pointer.ptr;
}

/* The integer behind an integer, DECIMAL or ENUM value that is not null. UHUGEINT above
 * INT128's range comes out negative. */
__int128 peri_field_integer(const peri_field_t *f, idx_t row);
/* The word of an ENUM value. */
const char *peri_field_word(const peri_field_t *f, idx_t row);

/* The value as text, nothing for NULL. Numbers and times as DuckDB's cast to VARCHAR;
 * LIST, ARRAY, STRUCT, MAP and UNION as JSON. */
void peri_field_text(const peri_field_t *f, idx_t row, peri_style_t style, peri_buf_t *b);
/* The value as JSON: numbers with all their digits, NaN and infinities as the strings
 * "NaN", "Infinity", "-Infinity", everything else that is no number as a string. */
void peri_field_json(const peri_field_t *f, idx_t row, peri_buf_t *b);
/* The same for a nested value that is stored as text: DECIMALs of more than 15 digits and
 * BIGNUMs are strings, because readers of JSON take numbers for doubles. */
void peri_field_json_text(const peri_field_t *f, idx_t row, peri_buf_t *b);

bool peri_field_is_number(const peri_field_t *f); /* integers, floats, DECIMAL */
bool peri_field_is_nested(const peri_field_t *f); /* LIST .. UNION */
/* Text of this type cannot hold quotes, separators, line breaks or non-ASCII. */
bool peri_field_is_plain(const peri_field_t *f);
/* "DECIMAL(18,3)", "FLOAT[3]", "STRUCT(a INTEGER, b VARCHAR)" */
void peri_field_type_name(const peri_field_t *f, peri_buf_t *b);
/* The type as SQL that gives it back: _type_name with quoted member names and the words
 * of an ENUM. */
void peri_field_sql_type(const peri_field_t *f, peri_buf_t *b);

#endif
