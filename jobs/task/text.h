/* text.h - text of a program, made fit to be shown and stored. */
#ifndef JOBS_TASK_TEXT_H
#define JOBS_TASK_TEXT_H

#include <stddef.h>

/* At most max bytes of s into out (max + 1 bytes): valid UTF-8 without control
 * characters, which become blanks; what was cut off is shown by "...". */
void peri_text_clean(const char *s, size_t len, char *out, size_t max);

#endif
