/* account_priv.h - small things that the services of portal/account share. Private. */
#ifndef PORTAL_ACCOUNT_PRIV_H
#define PORTAL_ACCOUNT_PRIV_H

#include <stdio.h>

#include "jobs/store/db_priv.h"
#include "portal/account/secret.h"

/* A number, as a parameter of a statement. */
typedef struct {
    char text[32];
} peri_numtext_t;

static inline peri_numtext_t peri_int_text(int64_t v)
{
    peri_numtext_t t;
    snprintf(t.text, sizeof(t.text), "%lld", (long long)v);
    return t;
}

static inline peri_numtext_t peri_time_text(double v)
{
    peri_numtext_t t;
    snprintf(t.text, sizeof(t.text), "%.6f", v);
    return t;
}

/* The hash of a secret, as a bytea. */
typedef struct {
    char text[2 + PERI_SECRET_HASH + 1];
} peri_hashtext_t;

static inline peri_hashtext_t peri_hash_bytea(const char *s, size_t n)
{
    peri_hashtext_t t = {"\\x"};
    peri_secret_hash(s, n, t.text + 2);
    return t;
}

#endif
