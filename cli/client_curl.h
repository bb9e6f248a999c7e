/* client_curl.h - a client's handles of libcurl: for requests whose bodies do not fit
 * client.h (uploads, downloads, streams). Whoever makes one frees it before the client.
 */
#ifndef CLI_CLIENT_CURL_H
#define CLI_CLIENT_CURL_H

#include <curl/curl.h>

#include "cli/client.h"

/* A new handle set up for `path` (behind /api/v1; one that begins with "/api/" is taken
 * as it is): address, trust, token, no redirects, no time limit but that of connecting.
 * It takes over *headers, a list that may be NULL, and adds its own; the caller frees the
 * list after the handle. NULL: an error. */
CURL *peri_client_handle(peri_client_t *c, const char *path, struct curl_slist **headers,
                         peri_err_t *err);
/* Sets an existing handle (curl_easy_reset before) up in the same way; keeps its
 * connection. */
void peri_client_dress(peri_client_t *c, CURL *easy, const char *path,
                       struct curl_slist **headers);
/* Runs it; *interrupted if the user ended it. */
CURLcode peri_client_perform(peri_client_t *c, CURL *easy, bool *interrupted);
/* What a failed transfer means: fills a->absent, again, heard, and the error; -1. `error`
 * is curl's text or "". */
int peri_client_no_answer(peri_client_t *c, CURL *easy, CURLcode code, const char *error,
                          peri_answer_t *a, peri_err_t *err);
/* What an answer of status 400 and above means, a->status and a->body set: fills
 * a->again, and the error; -1. */
int peri_client_problem(peri_client_t *c, peri_answer_t *a, peri_err_t *err);
/* Reads the headers that peri_answer_t has; for CURLOPT_HEADERFUNCTION with a
 * peri_answer_t. */
size_t peri_client_on_header(char *line, size_t size, size_t n, void *answer);

#endif
