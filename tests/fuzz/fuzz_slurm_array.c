/* fuzz_slurm_array.c - libFuzzer target: any bytes as an array's tasks from Slurm, and as
 * an id from the database. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/slurm/plugin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int32_t out[256];
    size_t n = 0;
    uint32_t job, tag;
    if (peri_slurm_array_parse((const char *)data, len, out, 256, &n) == 0 &&
        (n == 0 || n > 256))
        abort();
    char *id = malloc(len + 1);
    memcpy(id, data, len);
    id[len] = '\0';
    if (peri_slurm_id_parse(id, &job, &tag) == 0 && (job == 0 || tag > 0xffffff)) abort();
    free(id);
    return 0;
}
