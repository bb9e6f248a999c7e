/* problem.c - errors as RFC 9457 problems. */
#include <stdio.h>
#include <string.h>

#include "jobs/store/db.h"
#include "portal/log.h"
#include "portal/web/web_priv.h"

static const struct {
    peri_code_t code;
    int status;
    const char *word;
} kinds[] = {
    {PERI_EINVAL, 400, "invalid"},  {PERI_ENOTFOUND, 404, "not_found"},
    {PERI_EDENIED, 403, "denied"},  {PERI_EFORMAT, 400, "invalid"},
    {PERI_EUNSUPP, 400, "invalid"}, {PERI_ELIMIT, 400, "invalid"},
    {PERI_EIO, 503, "unavailable"}, {PERI_ECONFLICT, 409, "conflict"},
    {PERI_EFULL, 507, "full"},      {PERI_EAUTH, 401, "unauthenticated"},
    {PERI_EBUSY, 429, "limited"},   {PERI_EINTERNAL, 500, "internal"},
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct {
    int status;
    const char *title;
} titles[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {429, "Too Many Requests"},
    {460, "Checksum Mismatch"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
};

static const char *title_of(int status)
{
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        if (titles[i].status == status) return titles[i].title;
    return "Error";
}

static bool has_header(const peri_request_t *r, const char *name)
{
    for (size_t i = 0; i < r->nheaders; i++)
        if (!strcmp(r->header[i][0], name)) return true;
    return false;
}

void peri_problem_make(peri_request_t *r, int status, const char *word,
                       const char *detail)
{
    r->status = status;
    json_decref(r->json);
    r->json = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "type", "about:blank", "title",
                        title_of(status), "status", status, "code", word, "detail",
                        detail, "request", r->id);
    if (r->json && r->problem_message)
        json_object_set_new(r->json, "message", json_string(detail));
    /* A detail that is not UTF-8 comes from bytes that are not either. */
    if (!r->json) r->json = json_pack("{s:i, s:s}", "status", status, "code", word);
    if ((status == 503 || status == 429) && !has_header(r, "Retry-After"))
        peri_request_set_header(r, "Retry-After", "1");
    if (status == 401) peri_request_set_header(r, "WWW-Authenticate", "Bearer");
}

void peri_problem_of(peri_request_t *r, const peri_err_t *err)
{
    size_t i = 0;
    while (i + 1 < NKINDS && kinds[i].code != err->code) i++;
    const int status = r->problem ? r->problem : kinds[i].status;
    if (status >= 500)
        peri_log(PERI_LOG_WARN, "%s %s: %s request=%s where=%s", r->method, r->path,
                 err->text, r->id, err->where);
    /* Where it is, and as whom we go there, is for the log. */
    const bool away = strncmp(err->text, PERI_DB_AWAY, strlen(PERI_DB_AWAY)) == 0;
    peri_problem_make(r, status, r->problem ? r->problem_word : kinds[i].word,
                      away ? "the portal's database does not answer at the moment; try "
                             "again in a few seconds"
                           : err->text);
}
