/* fetch.c - see fetch.h. */
#include "cli/fetch.h"

#include "cli/stream.h"

int peri_fetch(peri_client_t *c, const char *path, const char *to, peri_err_t *err)
{
    const peri_stream_t s = {.method = "GET", .path = path, .in = -1, .out = stdout};
    peri_answer_t a;
    int rc =
        to ? peri_stream_into(c, &s, to, true, &a, err) : peri_stream(c, &s, &a, err);
    peri_answer_free(&a);
    return rc;
}
