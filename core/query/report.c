/* report.c - what a query read, and where, as JSON for whoever keeps the record of it. */
#include <jansson.h>
#include <stdlib.h>

#include "core/base/util.h"
#include "core/query/query.h"

#define MAX_REPORT (16u << 20)

static void put_bytes(json_t *o, const peri_progress_t *p)
{
    json_object_set_new(o, "local_bytes", json_integer((json_int_t)p->local));
    json_object_set_new(o, "shared_bytes", json_integer((json_int_t)p->shared));
    json_object_set_new(o, "remote_bytes", json_integer((json_int_t)p->remote));
}

int peri_query_report(uint64_t rows, const peri_hostread_t *hosts, size_t n,
                      peri_buf_t *out, peri_err_t *err)
{
    json_t *o = json_object(), *by_host = json_object();
    peri_progress_t sum = {0};
    for (size_t i = 0; i < n; i++) {
        json_t *host = json_object();
        put_bytes(host, &hosts[i].read);
        json_object_set_new(by_host, hosts[i].name, host);
        peri_progress_add(&sum, &hosts[i].read);
    }
    json_object_set_new(o, "rows", json_integer((json_int_t)rows));
    put_bytes(o, &sum);
    json_object_set_new(o, "hosts", by_host);
    char *text = json_dumps(o, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(o);
    if (text) peri_buf_printf(out, "%s\n", text);
    free(text);
    return peri_buf_check(out, "the report", err);
}

int peri_query_report_write(uint64_t rows, const peri_hostread_t *hosts, size_t n,
                            peri_err_t *err)
{
    const char *path = getenv("PERIGEE_REPORT");
    if (!path || !*path) return 0;
    peri_buf_t b;
    peri_buf_init(&b, MAX_REPORT);
    int rc = peri_query_report(rows, hosts, n, &b, err);
    if (rc == 0) rc = peri_file_write_atomic(path, b.data, b.len, err);
    peri_buf_free(&b);
    return rc ? peri_err_prefix(err, "the report of the query") : 0;
}
