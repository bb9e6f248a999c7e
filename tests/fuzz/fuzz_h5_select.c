/* Selections of datasets: what is taken never leaves the dataset. */
#include <stdlib.h>
#include <string.h>

#include "portal/h5/view/select.h"

#define REQUIRE(x)                                                                       \
    do {                                                                                 \
        if (!(x)) abort();                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    peri_h5select_t s;
    peri_h5part_t p;
    peri_err_t err = {0};
    uint64_t dims[3] = {0};
    const size_t n = size < sizeof(dims) ? size : sizeof(dims);
    memcpy(dims, data, n);
    if (peri_h5select_parse((const char *)data + n, size - n, &s, &err) ||
        peri_h5select_resolve(&s, 3, dims, &p, &err)) {
        REQUIRE(err.code == PERI_EINVAL && err.text[0]);
        return 0;
    }
    for (size_t i = 0; i < 3; i++) {
        uint64_t last;
        if (p.count[i] == 0) continue;
        REQUIRE(p.step[i] >= 1 && p.start[i] < dims[i]);
        REQUIRE(!__builtin_mul_overflow(p.count[i] - 1, p.step[i], &last));
        REQUIRE(last < dims[i] - p.start[i]);
        REQUIRE(!p.dropped[i] || p.count[i] == 1);
    }
    (void)peri_h5part_size(&p);
    return 0;
}
