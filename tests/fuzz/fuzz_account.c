/* fuzz_account.c - libFuzzer target: any bytes as a cookie or token, base32, a code, a
 * name, an address. What is understood is written again, and must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "portal/account/name.h"
#include "portal/account/password.h"
#include "portal/account/secret.h"
#include "portal/account/totp.h"

#define MOST 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char key[PERI_TOTP_KEY] = "12345678901234567890";
    char text[MOST + 1], name[PERI_NAME_MAX + 1], back[MOST * 2];
    unsigned char raw[MOST];
    const char *why;
    if (size > MOST) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (peri_secret_t k = PERI_SECRET_TOKEN; k <= PERI_SECRET_LINK; k++)
        if (peri_secret_valid(k, (const char *)data, size) && size != PERI_SECRET_LEN)
            abort();
    int64_t n = peri_base32_decode((const char *)data, size, raw, sizeof(raw));
    if (n >= 0) {
        unsigned char again[MOST];
        peri_base32_encode(raw, (size_t)n, back);
        if (peri_base32_decode(back, strlen(back), again, sizeof(again)) != n ||
            memcmp(raw, again, (size_t)n) != 0)
            abort();
    }
    int64_t step = peri_totp_match(key, sizeof(key), text, 1e9, -1);
    if (step >= 0 && strlen(text) < PERI_TOTP_DIGITS) abort();
    peri_password_weak((const char *)data, size, &why);
    peri_password_rules((const char *)data, size, "ana", "ana@example.org", NULL);
    peri_name_from(text, size ? data[0] : 0, name);
    if (*name && peri_name_check(name, NULL)) abort();
    if (peri_email_check(text, NULL) == 0 && strpbrk(text, "\r\n <>,\"")) abort();
    if (peri_full_check(text, NULL) == 0 && strpbrk(text, "\r\n<>")) abort();
    return 0;
}
