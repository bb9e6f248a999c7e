/* client_priv.h - the client's insides, for client.c and client_curl.c only. */
#ifndef CLI_CLIENT_PRIV_H
#define CLI_CLIENT_PRIV_H

#include <curl/curl.h>

#include "cli/client.h"

struct peri_client {
    char *socket;  /* or: */
    char *portal;  /* "https://host" */
    char *token;   /* of a portal; NULL: cookies */
    char *cacert;  /* or NULL */
    char *csrf;    /* or NULL */
    char *account; /* or NULL: not known yet */
    CURLM *multi;  /* NULL until the first request */
    CURL *easy;
    bool cookies; /* are kept in easy */
    char error[CURL_ERROR_SIZE];
};

/* Makes multi and easy. */
int peri_client_set_up(peri_client_t *c, peri_err_t *err);

#endif
