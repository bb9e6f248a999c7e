/* Bytes that pretend to be a message from rank 0 to a worker. */
#include <stddef.h>
#include <stdint.h>

#include "core/query/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    peri_query_free(peri_query_unpack(data, size, NULL));
    return 0;
}
