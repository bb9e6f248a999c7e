/* harmless.h - what others wrote (descriptions, SQL, names of columns) as text that does
 * nothing to a terminal: control characters, also those of C1, become "?".
 */
#ifndef CLI_HARMLESS_H
#define CLI_HARMLESS_H

#include <stdbool.h>
#include <stdio.h>

/* In place. lines: new lines and tabs stay; else they are blanks. */
void peri_harmless(char *text, bool lines);
/* With its lines. */
void peri_harmless_print(FILE *out, const char *text);

#endif
