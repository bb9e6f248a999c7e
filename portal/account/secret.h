/* secret.h - the random secrets that people and programs carry: cookies of sessions,
 * access tokens, one-time links, links to files. Pure.
 *
 * Text: a prefix of four characters that says what it is, 43 characters of base62 (256
 * bits), 6 that follow from the others, so that a mistyped or made-up one is refused
 * without asking the database. Only its hash is stored. Any thread.
 */
#ifndef PORTAL_ACCOUNT_SECRET_H
#define PORTAL_ACCOUNT_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define PERI_SECRET_LEN  53
#define PERI_SECRET_HASH 64 /* hexadecimal digits */

typedef enum {
    PERI_SECRET_TOKEN,
    PERI_SECRET_SESSION,
    PERI_SECRET_ONCE,
    PERI_SECRET_LINK
} peri_secret_t;

void peri_secret_new(peri_secret_t kind, char out[PERI_SECRET_LEN + 1]);
/* True if the n bytes have the form of one of this kind. */
bool peri_secret_valid(peri_secret_t kind, const char *s, size_t n);
/* BLAKE2b-256 of it, as stored. */
void peri_secret_hash(const char *s, size_t n, char out[PERI_SECRET_HASH + 1]);
/* Another secret that follows from this one, which it does not tell: what a page may hold
 * while the cookie may not be read. */
void peri_secret_derive(const char *s, size_t n, const char *purpose,
                        char out[PERI_SECRET_HASH + 1]);
/* The same bytes? Takes as long whatever they are. */
bool peri_secret_same(const char *a, const char *b);

#endif
