/* doctor.c - how a check of doctor.h says what it found. */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void peri_doctor_say(peri_doctor_t *d, peri_health_t health, const char *what,
                     const char *remedy, const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0) abort();
    va_end(ap);
    d->say(d, health, what, text, health == PERI_DOCTOR_OK ? NULL : remedy);
    free(text);
}
