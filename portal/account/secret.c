/* secret.c - see secret.h. */
#include "portal/account/secret.h"

#include <sodium.h>
#include <string.h>

#include "core/base/hash.h"

#define PREFIX 4
#define RANDOM 43
#define CHECK  6

_Static_assert(PREFIX + RANDOM + CHECK == PERI_SECRET_LEN, "parts of a secret");

static const char *const prefixes[] = {[PERI_SECRET_TOKEN] = "pgt_",
                                       [PERI_SECRET_SESSION] = "pgs_",
                                       [PERI_SECRET_ONCE] = "pgo_",
                                       [PERI_SECRET_LINK] = "pgl_"};

static const char digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void put_check(const char *s, char out[CHECK])
{
    uint64_t h = peri_hash_add(PERI_HASH_START, s, PREFIX + RANDOM);
    h ^= h >> 32;
    for (int i = 0; i < CHECK; i++, h /= 62) out[i] = digits[h % 62];
}

void peri_secret_new(peri_secret_t kind, char out[PERI_SECRET_LEN + 1])
{
    memcpy(out, prefixes[kind], PREFIX);
    for (int i = 0; i < RANDOM; i++) out[PREFIX + i] = digits[randombytes_uniform(62)];
    put_check(out, out + PREFIX + RANDOM);
    out[PERI_SECRET_LEN] = '\0';
}

bool peri_secret_valid(peri_secret_t kind, const char *s, size_t n)
{
    char check[CHECK];
    if (n != PERI_SECRET_LEN || memcmp(s, prefixes[kind], PREFIX) != 0) return false;
    for (size_t i = PREFIX; i < n; i++)
        if (!s[i] || !strchr(digits, s[i])) return false;
    put_check(s, check);
    return memcmp(check, s + PREFIX + RANDOM, CHECK) == 0;
}

static void hash(const char *key, const char *s, size_t n, char out[PERI_SECRET_HASH + 1])
{
    unsigned char h[32], k[crypto_generichash_KEYBYTES] = {0};
    if (key) memcpy(k, key, strnlen(key, sizeof(k)));
    crypto_generichash(h, sizeof(h), (const unsigned char *)s, n, key ? k : NULL,
                       key ? sizeof(k) : 0);
    sodium_bin2hex(out, PERI_SECRET_HASH + 1, h, sizeof(h));
}

void peri_secret_hash(const char *s, size_t n, char out[PERI_SECRET_HASH + 1])
{
    hash(NULL, s, n, out);
}

void peri_secret_derive(const char *s, size_t n, const char *purpose,
                        char out[PERI_SECRET_HASH + 1])
{
    hash(purpose, s, n, out);
}

bool peri_secret_same(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && sodium_memcmp(a, b, n) == 0;
}
