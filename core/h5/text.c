/* text.c - strings out of files: a pool for their bytes, and making them valid UTF-8. */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

struct h5_blk {
    h5_blk_t *next;
    size_t used, cap;
    max_align_t data[];
};

#define FIRST_BLOCK ((size_t)64 * 1024)

void peri_h5pool_free(h5_pool_t *p)
{
    for (h5_blk_t *b = p->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *p = (h5_pool_t){0};
}

static bool add_block(h5_pool_t *p, size_t cap)
{
    h5_blk_t *b = malloc(sizeof(*b) + cap);
    if (!b) return false;
    *b = (h5_blk_t){.next = p->head, .cap = cap};
    p->head = b;
    p->total += cap;
    return true;
}

/* What needed many blocks this time gets one that holds it all next time. */
void peri_h5pool_reset(h5_pool_t *p)
{
    size_t total = p->total;
    if (p->head && p->head->next) {
        peri_h5pool_free(p);
        (void)add_block(p, total);
    } else if (p->head) {
        p->head->used = 0;
    }
}

void *peri_h5pool_alloc(h5_pool_t *p, size_t n)
{
    if (n > H5_MAX_BYTES) return NULL;
    n = (n + 7) & ~(size_t)7;
    if (!p->head || p->head->cap - p->head->used < n) {
        size_t cap = p->total > FIRST_BLOCK ? p->total : FIRST_BLOCK;
        cap = cap < n ? n : cap;
        if (p->total + n > H5_MAX_BYTES || !add_block(p, cap)) return NULL;
    }
    void *out = (char *)p->head->data + p->head->used;
    p->head->used += n;
    return out;
}

static bool is_ascii(const char *s, size_t n)
{
    uint64_t any = 0, w;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&w, s + i, 8);
        any |= w;
    }
    for (; i < n; i++) any |= (unsigned char)s[i];
    return (any & 0x8080808080808080u) == 0;
}

int peri_h5_text(h5_pool_t *p, const char *s, size_t n, peri_str_t *out, peri_err_t *err)
{
    bool valid = is_ascii(s, n) || peri_utf8_valid(s, n);
    size_t len = n;
    for (size_t i = 0; i < n && !valid; i++) len += (unsigned char)s[i] >= 0x80;
    char *to = len > UINT32_MAX ? NULL : peri_h5pool_alloc(p, len ? len : 1);
    if (!to)
        return peri_err_set(err, PERI_ELIMIT,
                            "the strings of one read need more than 1 GiB of memory");
    *out = (peri_str_t){.ptr = to, .len = (uint32_t)len};
    if (valid) {
        memcpy(to, s, n);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x80) *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
    }
    return 0;
}
