/* jsontext.h - objects of JSON cut into members, as cells. Pure: bytes in, cells out
 * (fuzzed). NaN, Infinity and -Infinity, which some programs write, are numbers. Private
 * to core/import. */
#ifndef CORE_IMPORT_JSONTEXT_H
#define CORE_IMPORT_JSONTEXT_H

#include "core/base/buf.h"
#include "core/import/text.h"

#define PERI_JSON_DEPTH 64 /* of values in values */

/* Length of the object that begins at p; 0: it goes on behind the n bytes. Strings and
 * brackets are all that is looked at. */
size_t peri_json_extent(const char *p, size_t n);
/* Each member of the object of n bytes. Keys and strings are decoded in place, so this
 * can be done only once. Nested values stay as they are. Stops where `member` returns
 * non-zero, and returns that. NULL in *why, or what is wrong with the text (-1). */
int peri_json_members(char *p, size_t n,
                      int (*member)(void *arg, const char *key, size_t nkey,
                                    const peri_cell_t *value),
                      void *arg, const char **why);

/* The n bytes, which may be JSON, with quotes around numbers of more digits than a double
 * keeps. */
void peri_json_quote_long(const char *p, size_t n, peri_buf_t *out);

#endif
