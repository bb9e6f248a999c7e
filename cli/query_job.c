/* query_job.c - a query as a job, not at once: `perigee query --job`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/post.h"
#include "cli/query_portal.h"
#include "cli/saved.h"
#include "core/base/util.h"
#include "jobs/spec/spec.h"

void peri_query_say_job(const json_t *job, bool quiet)
{
    long long number = peri_json_int(job, "number", 0);
    if (quiet) {
        printf("%lld\n", number);
        return;
    }
    printf("job %lld (%.8s...): %s\n", number, peri_json_str(job, "id"),
           peri_json_str(job, "state"));
    fflush(stdout);
    fprintf(stderr,
            "follow it with 'perigee logs -f %lld', wait for it with 'perigee wait "
            "%lld';\n'perigee results %lld' has its rows then\n",
            number, number, number);
}

/* The text and dataset of what is to run: of a saved query they are the portal's. */
static int take_saved(peri_client_t *c, const peri_portalquery_t *q, json_t **saved,
                      const char **sql, const char **context, peri_err_t *err)
{
    *sql = q->sql;
    *context = q->context;
    if (!q->saved) return 0;
    *saved = peri_saved_get(c, q->saved, err);
    if (!*saved) return -1;
    *sql = peri_json_str(*saved, "sql");
    if (!*context && *peri_json_str(*saved, "context"))
        *context = peri_json_str(*saved, "context");
    return 0;
}

static json_t *submit(peri_client_t *c, const peri_portalquery_t *q,
                      const peri_queryjob_t *o, peri_err_t *err)
{
    json_t *saved = NULL, *job = NULL;
    peri_buf_t spec;
    peri_specopts_t s = {
        .ranks = o->ranks,
        .cpus = o->threads,
        .memory = o->memory,
        .time = o->time,
        .into = q->into,
        .overwrite = q->overwrite,
        .format = q->format != PERI_FMT_TABLE ? peri_format_name(q->format) : NULL};
    const char *sql;
    char *key = peri_key_new();
    peri_buf_init(&spec, PERI_SPEC_MAX + 1);
    if (take_saved(c, q, &saved, &sql, &s.context, err) == 0 &&
        peri_spec_from_sql(sql, &s, &spec, err) == 0)
        job = peri_client_post(
            c, &(peri_post_t){.path = "/jobs", .body = &spec, .key = key}, err);
    json_decref(saved);
    peri_buf_free(&spec);
    free(key);
    return job;
}

int peri_query_job(const peri_portalquery_t *q, const peri_queryjob_t *o)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new(&err);
    json_t *job = c ? submit(c, q, o, &err) : NULL;
    if (job) peri_query_say_job(job, q->quiet);
    const int status = job ? 0 : peri_cli_fail(&err);
    json_decref(job);
    peri_client_free(c);
    return peri_cli_done(status);
}
