/* err.c - filling peri_err_t. */
#include "perigee/err.h"

#include <stdio.h>
#include <string.h>

int peri_err_set_at(peri_err_t *err, peri_code_t code, const char *where, const char *fmt,
                    ...)
{
    if (!err) return -1;
    /* Formatted aside first: the old text may be one of the arguments. */
    char text[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    memcpy(err->text, text, sizeof(text));
    snprintf(err->where, sizeof(err->where), "%s", where);
    err->code = code;
    return -1;
}

int peri_err_prefix(peri_err_t *err, const char *fmt, ...)
{
    if (!err) return -1;
    char text[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t n = strlen(text);
    snprintf(text + n, sizeof(text) - n, ": %s", err->text);
    memcpy(err->text, text, sizeof(text));
    return -1;
}

int peri_err_exit_status(const peri_err_t *err)
{
    switch (err->code) {
    case PERI_OK:
        return 0;
    case PERI_EINVAL:
    case PERI_EKERNEL:
        return 2;
    case PERI_ESTOPPED:
        return PERI_EXIT_STATUS_AGAIN;
    case PERI_ECANCEL:
        return 130;
    case PERI_ECLOSED:
        return 141;
    default:
        return 1;
    }
}
