/* lzf.c - the LZF filter of h5py (HDF5 filter 32000), decoding only.
 *
 * h5py writes it by one keyword, so such files are common, but the plugin of Debian 12
 * cannot be loaded (it lacks its own compressor's symbols). Registered with HDF5 too, for
 * the layouts that HDF5 reads for us.
 */
#include <stdlib.h>
#include <string.h>

#include "core/h5/private.h"

/* A control byte below 32 announces a run of bytes; any other a copy of what is already
 * there: 3 bits of length (7: one more byte follows), 13 bits of distance. */
bool peri_h5_lzf_decode(const uint8_t *in, size_t len, uint8_t *out, size_t cap,
                        size_t *got)
{
    const uint8_t *end = in + len;
    size_t at = 0;
    while (in < end) {
        size_t ctrl = *in++, n = ctrl >> 5;
        if (n == 0) {
            n = ctrl + 1;
            if (n > (size_t)(end - in) || n > cap - at) return false;
            memcpy(out + at, in, n);
            in += n;
        } else {
            if (n == 7) {
                if (in == end) return false;
                n += *in++;
            }
            n += 2;
            if (in == end) return false;
            size_t back = ((ctrl & 31) << 8 | *in++) + 1;
            if (back > at || n > cap - at) return false;
            if (back >= n)
                memcpy(out + at, out + at - back, n);
            else /* it repeats itself */
                for (size_t i = 0; i < n; i++) out[at + i] = out[at + i - back];
        }
        at += n;
    }
    *got = at;
    return true;
}

/* As HDF5 calls it. The third parameter is the chunk's size when decoded. */
static size_t filter(unsigned flags, size_t nparams, const unsigned params[], size_t n,
                     size_t *cap, void **buf)
{
    size_t size = nparams >= 3 ? params[2] : 0, got;
    if (!(flags & H5Z_FLAG_REVERSE) || size == 0 || size > H5_MAX_BYTES) return 0;
    uint8_t *out = malloc(size);
    if (!out || !peri_h5_lzf_decode(*buf, n, out, size, &got)) {
        free(out);
        return 0;
    }
    free(*buf);
    *buf = out;
    *cap = size;
    return got;
}

void peri_h5_lzf_register(void)
{
    static const H5Z_class2_t cls = {.version = H5Z_CLASS_T_VERS,
                                     .id = H5_FILTER_LZF,
                                     .decoder_present = 1,
                                     .name = "lzf",
                                     .filter = filter};
    H5Zregister(&cls);
}
