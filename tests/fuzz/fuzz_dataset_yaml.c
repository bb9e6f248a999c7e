/* fuzz_dataset_yaml.c - any bytes as a dataset's descriptor. */
#include <stdint.h>
#include <stdlib.h>

#include "core/table/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    peri_err_t err = {0};
    peri_dataset_t *d =
        peri_dataset_parse((const char *)data, size, "fuzz.yaml", "/nonexistent", &err);
    if (!d && err.code == PERI_OK) abort();
    peri_dataset_free(d);
    return 0;
}
