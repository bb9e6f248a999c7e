/* door_look.c - see door.h: who answers at the address of the web door, and with which
 * certificate. libcurl asks as a browser would, but for the name, which may lead
 * elsewhere from here, and the signature of the certificate, which may be one's own.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/door.h"
#include "core/base/util.h"

#define ASK_TIME 5L

static size_t drop(char *data, size_t size, size_t n, void *arg)
{
    (void)data, (void)arg;
    return size * n;
}

/* Only our nginx gives each answer a number. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    static const char name[] = "x-request-id:";
    if (size * n > sizeof(name) && !strncasecmp(line, name, sizeof(name) - 1))
        *(bool *)arg = true;
    return size * n;
}

static double days_left(CURL *curl)
{
    struct curl_certinfo *info = NULL;
    static const char key[] = "Expire date:";
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) || !info || !info->num_of_certs)
        return 0;
    for (struct curl_slist *l = info->certinfo[0]; l; l = l->next) {
        if (strncmp(l->data, key, sizeof(key) - 1)) continue;
        time_t end = curl_getdate(l->data + sizeof(key) - 1, NULL);
        return end < 0 ? 0 : difftime(end, time(NULL)) / 86400;
    }
    return 0;
}

static void ask(const peri_front_t *f, bool tls, peri_doorsight_t *s)
{
    char said[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    char *url =
        peri_xasprintf("%s://%s:%d/", tls ? "https" : "http", f->host, f->conf.port);
    /* The name it is called by; to what is behind it we do not go. */
    const char *host = strstr(f->url, "://") + 3;
    char *header = peri_xasprintf("Host: %s", host);
    struct curl_slist *headers = curl_slist_append(NULL, header);
    if (!curl) abort();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, ASK_TIME);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, said);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &s->ours);
    CURLcode rc = curl_easy_perform(curl);
    if (rc == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &s->status);
        if (tls) s->days = days_left(curl);
    } else {
        snprintf(s->why, sizeof(s->why), "%s", *said ? said : curl_easy_strerror(rc));
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(header);
    free(url);
}

void peri_door_look(const peri_config_t *c, const peri_rights_t *r, peri_doorsight_t *s)
{
    peri_front_t f;
    peri_nginxsay_t said;
    const char *why = NULL;
    char *program = peri_nginx_program();
    *s = (peri_doorsight_t){.installed = program != NULL,
                            .tls = c->web.certificate != NULL};
    s->wanted = peri_door_wanted(c, r, program, &why);
    s->note = why ? peri_xstrdup(why) : NULL;
    peri_front_init(&f, c);
    s->url = peri_xstrdup(f.url);
    if (s->wanted == PERI_WANTED_OPEN) {
        s->answers = peri_nginx_ask(&f, &said) == 0;
        s->connections = said.connections;
        if (f.conf.port) ask(&f, s->tls, s);
    }
    peri_front_free(&f);
    free(program);
}

void peri_doorsight_free(peri_doorsight_t *s)
{
    free(s->url);
    free(s->note);
}
