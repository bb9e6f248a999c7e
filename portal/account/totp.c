/* totp.c - see totp.h. */
#include "portal/account/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"

#define DRIFT 1 /* steps that a phone's clock may be off */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void peri_totp_new(unsigned char key[PERI_TOTP_KEY])
{
    randombytes_buf(key, PERI_TOTP_KEY);
}

void peri_totp_code(const unsigned char *key, size_t n, int64_t step, int digits,
                    char out[9])
{
    unsigned char text[8], mac[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    uint32_t mod = 1;
    for (int i = 0; i < 8; i++) text[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
    HMAC(EVP_sha1(), key, (int)n, text, sizeof(text), mac, &len);
    const unsigned char *p = mac + (mac[19] & 15);
    uint32_t v = (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 |
                 (uint32_t)p[2] << 8 | (uint32_t)p[3];
    for (int i = 0; i < digits; i++) mod *= 10;
    snprintf(out, 9, "%0*u", digits, v % mod);
}

int64_t peri_totp_match(const unsigned char *key, size_t n, const char *code, double now,
                        int64_t last)
{
    char given[PERI_TOTP_DIGITS + 1], right[9];
    size_t len = 0;
    int64_t found = -1, step = (int64_t)(now / PERI_TOTP_PERIOD);
    for (; *code; code++) {
        if (*code == ' ') continue;
        if (*code < '0' || *code > '9' || len == PERI_TOTP_DIGITS) return -1;
        given[len++] = *code;
    }
    if (len != PERI_TOTP_DIGITS) return -1;
    given[len] = '\0';
    for (int64_t s = step - DRIFT; s <= step + DRIFT; s++) {
        peri_totp_code(key, n, s, PERI_TOTP_DIGITS, right);
        if (s > last && sodium_memcmp(right, given, PERI_TOTP_DIGITS) == 0) found = s;
    }
    return found;
}

/* ---- base32 ---- */

void peri_base32_encode(const unsigned char *data, size_t n, char *out)
{
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | data[i];
        for (have += 8; have >= 5; have -= 5) *out++ = letters[bits >> (have - 5) & 31];
        bits &= (1u << have) - 1;
    }
    if (have) *out++ = letters[bits << (5 - have) & 31];
    *out = '\0';
}

static int value_of(char c)
{
    if (c >= 'a' && c <= 'z') c = (char)(c - 32);
    const char *p = c ? strchr(letters, c) : NULL;
    return p ? (int)(p - letters) : -1;
}

int64_t peri_base32_decode(const char *s, size_t n, unsigned char *out, size_t max)
{
    uint32_t bits = 0;
    int have = 0;
    size_t len = 0;
    while (n && s[n - 1] == '=') n--;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ') continue;
        int v = value_of(s[i]);
        if (v < 0) return -1;
        bits = bits << 5 | (uint32_t)v;
        have += 5;
        if (have < 8) continue;
        if (len == max) return -1;
        have -= 8;
        out[len++] = (unsigned char)(bits >> have);
        bits &= (1u << have) - 1;
    }
    /* What is left over is less than a character and has no bits set. */
    return have >= 5 || bits ? -1 : (int64_t)len;
}

/* ---- the URI ---- */

static void put_escaped(peri_buf_t *b, const char *s)
{
    for (; *s; s++)
        if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
            (*s >= '0' && *s <= '9') || strchr("-._~", *s))
            peri_buf_putc(b, *s);
        else
            peri_buf_printf(b, "%%%02X", (unsigned char)*s);
}

char *peri_totp_uri(const char *issuer, const char *name, const char *secret)
{
    peri_buf_t b;
    peri_buf_init(&b, 4096);
    peri_buf_puts(&b, "otpauth://totp/");
    put_escaped(&b, issuer);
    peri_buf_putc(&b, ':');
    put_escaped(&b, name);
    peri_buf_printf(&b, "?secret=%s&issuer=", secret);
    put_escaped(&b, issuer);
    peri_buf_printf(&b, "&algorithm=SHA1&digits=%d&period=%d", PERI_TOTP_DIGITS,
                    PERI_TOTP_PERIOD);
    return peri_buf_take(&b, NULL);
}
