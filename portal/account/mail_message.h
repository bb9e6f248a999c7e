/* mail_message.h - a mail as text (RFC 5322, 2045, 2047). Pure. */
#ifndef PORTAL_ACCOUNT_MAIL_MESSAGE_H
#define PORTAL_ACCOUNT_MAIL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

#define PERI_MAIL_ADDRESS_MAX 254u   /* RFC 5321 */
#define PERI_MAIL_SUBJECT_MAX 200u   /* bytes */
#define PERI_MAIL_TEXT_MAX    65536u /* bytes */

typedef struct {
    int64_t id;     /* of its row: with created it makes the Message-ID */
    double created; /* epoch seconds: its Date */
    const char *from, *to, *subject, *text;
} peri_mailtext_t;

/* local@domain of ASCII, without quotes, spaces, brackets, control characters. */
bool peri_mail_address_ok(const char *s, size_t n);
/* "Name <x@y>" or "x@y": where the address and the name lie (nname 0: none). */
int peri_mail_from_split(const char *from, const char **address, size_t *n,
                         const char **name, size_t *nname, peri_err_t *err);
/* PERI_EINVAL: what peri_mail_queue says of them. */
int peri_mail_check(const char *to, const char *subject, const char *text,
                    peri_err_t *err);
/* Appends the message, lines ending in CRLF, none longer than 998 bytes. */
int peri_mail_compose(const peri_mailtext_t *m, peri_buf_t *out, peri_err_t *err);

#endif
