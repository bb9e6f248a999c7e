/* textplace.h - errors that show a place in a text: line, column, and a caret below it.
 */
#ifndef CORE_BASE_TEXTPLACE_H
#define CORE_BASE_TEXTPLACE_H

#include <stddef.h>

#include "perigee/err.h"

/* "WHAT at line 2, column 7: MESSAGE", the line and a caret; returns -1. `at` counts
 * bytes, columns count characters. */
int peri_err_set_place(peri_err_t *err, peri_code_t code, const char *what,
                       const char *text, size_t len, size_t at, const char *message);

#endif
