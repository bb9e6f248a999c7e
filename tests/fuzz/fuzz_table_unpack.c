/* fuzz_table_unpack.c - any bytes into peri_table_unpack; what comes out must pack again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    peri_table_t *t = peri_table_unpack(data, size, NULL);
    if (!t) return 0;
    peri_buf_t b;
    peri_buf_init(&b, 256u << 20);
    if (peri_table_pack(t, &b, NULL) < 0) abort();
    peri_buf_free(&b);
    peri_table_unref(t);
    return 0;
}
