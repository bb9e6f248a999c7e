/* query_job.c - a query as a job, not at once: `perigee query --job`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/post.h"
#include "cli/query_portal.h"
#include "cli/query_text.h"
#include "core/base/util.h"
#include "core/mydb/statement.h"
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

/* A job's SQL has its values in it. */
static int make_spec(const peri_querytext_t *w, const peri_portalquery_t *q,
                     const peri_queryjob_t *o, peri_buf_t *spec, peri_err_t *err)
{
    const bool table = q->format == PERI_FMT_TABLE;
    const peri_specopts_t s = {.ranks = o->ranks,
                               .cpus = o->threads,
                               .memory = o->memory,
                               .time = o->time,
                               .context = w->context,
                               .into = q->into,
                               .overwrite = q->into && q->overwrite,
                               .format = table ? NULL : peri_format_name(q->format)};
    const char *sql = w->sql;
    peri_arena_t *a = peri_arena_new();
    int rc = w->params ? peri_script_bind(sql, strlen(sql), w->params, a, &sql, err) : 0;
    if (rc == 0) rc = peri_spec_from_sql(sql, &s, spec, err);
    peri_arena_free(a);
    return rc;
}

static json_t *submit(peri_client_t *c, const peri_portalquery_t *q,
                      const peri_queryjob_t *o, peri_err_t *err)
{
    peri_querytext_t w;
    peri_buf_t spec;
    json_t *job = NULL;
    char *key = peri_key_new();
    peri_buf_init(&spec, PERI_SPEC_MAX + 1);
    if (peri_querytext_find(c, q, &w, err) == 0 && make_spec(&w, q, o, &spec, err) == 0)
        job = peri_client_post(
            c, &(peri_post_t){.path = "/jobs", .body = &spec, .key = key}, err);
    peri_querytext_clear(&w);
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
