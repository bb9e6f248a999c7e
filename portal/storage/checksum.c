/* checksum.c - see checksum.h. The sums are libcrypto's, which uses what the processor
 * has for them. */
#include "portal/storage/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/util.h"

#define READ_SIZE (1 << 20)

struct peri_hash {
    EVP_MD_CTX *ctx;
    peri_sumkind_t kind;
};

/* Out of memory is all that can be wrong here, and ends the process as everywhere. */
static void must(int ok)
{
    if (!ok) abort();
}

static const EVP_MD *method(peri_sumkind_t kind)
{
    switch (kind) {
    case PERI_SUM_SHA1:
        return EVP_sha1();
    case PERI_SUM_MD5:
        return EVP_md5();
    default:
        return EVP_sha256();
    }
}

peri_hash_t *peri_hash_new(peri_sumkind_t kind)
{
    peri_hash_t *h = peri_xcalloc(1, sizeof(*h));
    h->kind = kind;
    h->ctx = EVP_MD_CTX_new();
    must(h->ctx != NULL);
    peri_hash_reset(h);
    return h;
}

void peri_hash_free(peri_hash_t *h)
{
    if (!h) return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void peri_hash_reset(peri_hash_t *h)
{
    must(EVP_DigestInit_ex(h->ctx, method(h->kind), NULL));
}

void peri_hash_update(peri_hash_t *h, const void *data, size_t len)
{
    must(EVP_DigestUpdate(h->ctx, data, len));
}

void peri_hash_sum(const peri_hash_t *h, peri_sum_t *out)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    must(copy && EVP_MD_CTX_copy_ex(copy, h->ctx));
    must(EVP_DigestFinal_ex(copy, bytes, NULL));
    EVP_MD_CTX_free(copy);
    *out = (peri_sum_t){.kind = h->kind};
    for (size_t i = 0; i < peri_sum_size(h->kind); i++) out->bytes[i] = bytes[i];
}

int peri_hash_file(peri_hash_t *h, int fd, int64_t from, int64_t to, const char *name,
                   const atomic_bool *stop, peri_err_t *err)
{
    char *buf = peri_xmalloc(READ_SIZE);
    int rc = 0;
    posix_fadvise(fd, from, to - from, POSIX_FADV_SEQUENTIAL);
    while (rc == 0 && from < to) {
        size_t want = to - from < READ_SIZE ? (size_t)(to - from) : READ_SIZE;
        ssize_t n = pread(fd, buf, want, from);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            rc = peri_err_set(err, PERI_EIO, "cannot read %.200s: %m", name);
        else if (n == 0)
            rc = peri_err_set(err, PERI_EIO, "%.200s became shorter while it was read",
                              name);
        else if (stop && atomic_load(stop))
            rc = peri_err_set(err, PERI_ECANCEL, "the checksum of %.200s was given up",
                              name);
        if (rc == 0) {
            peri_hash_update(h, buf, (size_t)n);
            from += n;
        }
    }
    free(buf);
    return rc;
}
