/* mail.c - what is said of mail in the configuration, and the queue: see mail.h. */
#include "portal/account/mail.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/account/mail_message.h"
#include "portal/account/secret_file.h"

/* ---- configuration ---- */

/* Host of "SCHEME://HOST[:PORT]"; NULL if there is more, or it is another scheme. */
static char *host_of(const char *server, bool *implicit)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *path = NULL, *out = NULL, *user = NULL;
    if (u && !curl_url_set(u, CURLUPART_URL, server, CURLU_NON_SUPPORT_SCHEME)) {
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
        curl_url_get(u, CURLUPART_HOST, &host, 0);
        curl_url_get(u, CURLUPART_PATH, &path, 0);
        curl_url_get(u, CURLUPART_USER, &user, 0);
        *implicit = scheme && !strcmp(scheme, "smtps");
        if (host && *host && !user && (!path || !path[strspn(path, "/")]) &&
            (*implicit || (scheme && !strcmp(scheme, "smtp"))))
            out = peri_xstrdup(host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(path);
    curl_free(user);
    curl_url_cleanup(u);
    return out;
}

static int check_password(const peri_confmail_t *c, bool safe, peri_err_t *err)
{
    char *password = NULL;
    if (!c->user != !c->password_file)
        return peri_err_set(err, PERI_EINVAL,
                            "mail: \"user\" and \"password_file\" belong together");
    if (!c->user) return 0;
    if (!safe)
        return peri_err_set(err, PERI_EINVAL,
                            "mail: the password would go over the network unprotected; "
                            "say \"tls: required\"");
    if (peri_secretfile_read(c->password_file, &password, err))
        return peri_err_prefix(err, "mail: password_file");
    peri_secretfile_free(password);
    return 0;
}

int peri_mailconf_check(const peri_confmail_t *c, peri_err_t *err)
{
    const char *address, *name;
    size_t n, nname;
    bool implicit = false;
    if (!c->from || !c->server)
        return peri_err_set(err, PERI_EINVAL,
                            "mail: \"server\" and \"from\" are both needed");
    if (peri_mail_from_split(c->from, &address, &n, &name, &nname, err))
        return peri_err_prefix(err, "mail: from");
    char *host = host_of(c->server, &implicit);
    if (!host)
        return peri_err_set(err, PERI_EINVAL,
                            "mail: server \"%.100s\" must look like smtp://HOST:587 or "
                            "smtps://HOST",
                            c->server);
    const bool near = !strcmp(host, "127.0.0.1") || !strcmp(host, "[::1]") ||
                      !strcmp(host, "localhost");
    free(host);
    return check_password(c, near || c->tls == PERI_MAIL_TLS_REQUIRED, err);
}

/* ---- queue ---- */

int peri_mail_queue(peri_db_t *db, const char *to, const char *subject, const char *text,
                    peri_err_t *err)
{
    const char *values[] = {to, subject, text};
    if (peri_mail_check(to, subject, text, err)) return -1;
    return peri_db_exec(db, err,
                        "INSERT INTO mail (recipient, subject, body) VALUES ($1, $2, $3)",
                        3, values) < 0
               ? -1
               : 0;
}
