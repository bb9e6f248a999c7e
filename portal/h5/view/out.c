/* out.c - the answer, on its way to a descriptor. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/out/number.h"
#include "core/out/text.h"
#include "portal/h5/view/view.h"

#define KEPT (1u << 20) /* written out from here on */

void peri_h5out_init(peri_h5out_t *o, int fd)
{
    *o = (peri_h5out_t){.fd = fd};
    peri_buf_init(&o->buf, PERI_H5VIEW_ANSWER + KEPT);
}

static void send(peri_h5out_t *o, const char *p, size_t n)
{
    if (o->failed || n > PERI_H5VIEW_ANSWER - o->sent) {
        o->failed = true;
        return;
    }
    o->sent += n;
    while (n) {
        const ssize_t done = write(o->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            o->failed = true;
            return;
        }
        p += done;
        n -= (size_t)done;
    }
}

static void flush(peri_h5out_t *o)
{
    if (o->buf.failed) o->failed = true;
    send(o, o->buf.data, o->buf.len);
    peri_buf_clear(&o->buf);
}

static void full(peri_h5out_t *o)
{
    if (o->buf.len >= KEPT) flush(o);
}

void peri_h5out_bytes(peri_h5out_t *o, const void *p, size_t n)
{
    if (o->failed) return;
    if (n < KEPT) {
        peri_buf_append(&o->buf, p, n);
        full(o);
        return;
    }
    flush(o);
    send(o, p, n);
}

void peri_h5out_text(peri_h5out_t *o, const char *s)
{
    peri_h5out_bytes(o, s, strlen(s));
}

void peri_h5out_number(peri_h5out_t *o, int64_t v)
{
    char text[PERI_NUM_MAX];
    peri_h5out_bytes(o, text, (size_t)(peri_num_i64(text, v) - text));
}

void peri_h5out_real(peri_h5out_t *o, double v)
{
    char text[PERI_NUM_MAX];
    if (!isfinite(v))
        peri_h5out_text(o, "null");
    else
        peri_h5out_bytes(o, text, (size_t)(peri_num_double(text, v) - text));
}

void peri_h5out_string(peri_h5out_t *o, const char *s, size_t n)
{
    if (o->failed) return;
    peri_text_json(&o->buf, s, n);
    full(o);
}

void peri_h5out_key(peri_h5out_t *o, const char *key)
{
    peri_h5out_string(o, key, strlen(key));
    peri_h5out_text(o, ":");
}

int peri_h5out_end(peri_h5out_t *o, peri_err_t *err)
{
    if (!o->failed) flush(o);
    peri_buf_free(&o->buf);
    if (!o->failed) return 0;
    return peri_err_set(err, PERI_ELIMIT,
                        "the answer would be larger than %u MiB: select less of it",
                        PERI_H5VIEW_ANSWER >> 20);
}
