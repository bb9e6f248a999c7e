/* fuzz_upload_headers.c - libFuzzer target: any bytes as the headers of an upload. What
 * is taken must read back as what was said. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/storage/upload_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(int ok)
{
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *s = (const char *)data;
    peri_arena_t *a = peri_arena_new();
    peri_uploadmeta_t m;
    peri_err_t err = {0};
    if (peri_upload_metadata(a, s, len, &m, &err) == 0) {
        must(!m.filename || peri_utf8_valid(m.filename, strlen(m.filename)));
        must(!m.volume || peri_utf8_valid(m.volume, strlen(m.volume)));
        must(m.sum.kind <= PERI_SUM_MD5);
    } else {
        must(err.code == PERI_EINVAL && err.text[0]);
    }
    peri_sum_t sum, back;
    char text[PERI_SUM_TEXT];
    if (peri_upload_checksum(s, len, &sum, &err) == 0 ||
        peri_sum_parse(s, len, &sum, &err) == 0) {
        peri_sum_format(&sum, text);
        must(peri_sum_parse(text, strlen(text), &back, &err) == 0);
        must(peri_sum_same(&sum, &back));
    }
    int64_t n;
    if (peri_upload_number("Upload-Offset", s, len, &n, &err) == 0)
        must(n >= 0 && n <= PERI_UPLOAD_MAX);
    uint8_t *out = malloc(len / 4 * 3 + 3);
    int64_t size = peri_base64_decode(s, len, out);
    if (size > 0) {
        const char *again = peri_base64_encode(a, out, (size_t)size);
        must(memcmp(again, s, strcspn(again, "=")) == 0);
    }
    free(out);
    peri_arena_free(a);
    return 0;
}
