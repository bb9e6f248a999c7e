/* totp.h - codes of an authenticator app: RFC 6238 (HMAC-SHA-1, 30 s, 6 digits: what
 * every app knows), base32 (RFC 4648, without padding), the URI that a QR code carries.
 * Pure.
 */
#ifndef PORTAL_ACCOUNT_TOTP_H
#define PORTAL_ACCOUNT_TOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

#define PERI_TOTP_KEY    20 /* bytes */
#define PERI_TOTP_TEXT   32 /* of a key in base32 */
#define PERI_TOTP_DIGITS 6
#define PERI_TOTP_PERIOD 30

void peri_totp_new(unsigned char key[PERI_TOTP_KEY]);
/* The code of one step (time / 30), `digits` (at most 8) of it. */
void peri_totp_code(const unsigned char *key, size_t n, int64_t step, int digits,
                    char out[9]);
/* The step whose code this is: now's or a neighbour's, but later than `last`, the one
 * that was used before. -1: none. Spaces in the code do not count. */
int64_t peri_totp_match(const unsigned char *key, size_t n, const char *code, double now,
                        int64_t last);

/* out: room for (n * 8 + 4) / 5 + 1 bytes. */
void peri_base32_encode(const unsigned char *data, size_t n, char *out);
/* Small letters, spaces and a padding are fine. Number of bytes, or -1: not base32, or
 * more than max. */
int64_t peri_base32_decode(const char *s, size_t n, unsigned char *out, size_t max);

/* otpauth://totp/ISSUER:NAME?secret=...; the caller's (free). */
char *peri_totp_uri(const char *issuer, const char *name, const char *secret);

#endif
