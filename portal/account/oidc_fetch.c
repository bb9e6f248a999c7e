/* oidc_fetch.c - see oidc_fetch.h. */
#include "portal/account/oidc_fetch.h"

#include <curl/curl.h>
#include <string.h>

#include "portal/account/oidc_protocol.h"

static size_t on_data(char *data, size_t size, size_t n, void *out)
{
    return peri_buf_append(out, data, size * n) ? 0 : size * n;
}

static int on_progress(void *stop, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load((const atomic_bool *)stop);
}

static void set_up(CURL *c, const peri_fetch_t *f, peri_buf_t *out, char *why)
{
    const bool near = peri_oidc_url_loopback(f->url);
    curl_easy_setopt(c, CURLOPT_URL, f->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, near ? "http" : "https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, PERI_FETCH_SECONDS);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "perigee/" PERIGEE_VERSION);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, out);
    if (near) curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (f->ca_file) curl_easy_setopt(c, CURLOPT_CAINFO, f->ca_file);
    if (f->form) curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->form);
    if (!f->stop) return;
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, (void *)f->stop);
}

int peri_oidc_fetch(const peri_fetch_t *f, peri_buf_t *out, long *status, peri_err_t *err)
{
    char why[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    CURL *c = curl_easy_init();
    CURLcode rc = CURLE_FAILED_INIT;
    if (c && headers) {
        set_up(c, f, out, why);
        if (f->authorization) {
            peri_buf_t line;
            peri_buf_init(&line, 65536);
            peri_buf_printf(&line, "Authorization: %s", f->authorization);
            if (!line.failed) headers = curl_slist_append(headers, line.data);
            peri_buf_free(&line);
        }
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        rc = curl_easy_perform(c);
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    if (rc == CURLE_OK) return 0;
    if (out->failed)
        return peri_err_set(err, PERI_EIO, "%.200s answers with more than %zu bytes",
                            f->url, out->max);
    return peri_err_set(err, PERI_EIO, "%.200s does not answer: %s", f->url,
                        *why ? why : curl_easy_strerror(rc));
}
