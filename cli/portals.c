/* portals.c - see portals.h. */
#include "cli/portals.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/fields.h"
#include "core/base/util.h"

#define FILE_MAX (1u << 20)
#define URL_MAX  512

void peri_login_free(peri_login_t *login)
{
    free(login->url);
    free(login->account);
    if (login->token) explicit_bzero(login->token, strlen(login->token));
    free(login->token);
    free(login->cacert);
    *login = (peri_login_t){0};
}

/* ---- addresses ---- */

static bool is_this_machine(const char *host)
{
    struct in_addr a;
    if (!strcasecmp(host, "localhost") || !strcmp(host, "[::1]")) return true;
    return inet_pton(AF_INET, host, &a) == 1 && ntohl(a.s_addr) >> 24 == 127;
}

static char *part_of(CURLU *u, CURLUPart part)
{
    char *s = NULL;
    return curl_url_get(u, part, &s, 0) == CURLUE_OK ? s : NULL;
}

/* What is wrong with it, or NULL. */
static const char *fault_of(CURLU *u, const char *scheme, const char *host)
{
    char *path = part_of(u, CURLUPART_PATH), *query = part_of(u, CURLUPART_QUERY),
         *user = part_of(u, CURLUPART_USER), *fragment = part_of(u, CURLUPART_FRAGMENT);
    const char *fault = NULL;
    if (!scheme || !host || (strcmp(scheme, "http") && strcmp(scheme, "https")))
        fault = "it begins with https://";
    else if (user)
        fault = "a name and a password do not belong into it";
    else if ((path && strcmp(path, "/")) || query || fragment)
        fault = "it ends behind the host and the port";
    else if (!strcmp(scheme, "http") && !is_this_machine(host))
        fault = "over plain http others could read your password and token: use https";
    curl_free(path);
    curl_free(query);
    curl_free(user);
    curl_free(fragment);
    return fault;
}

char *peri_portal_url(const char *given, peri_err_t *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *out = NULL;
    char *text =
        strstr(given, "://") ? peri_xstrdup(given) : peri_xasprintf("https://%s", given);
    const char *fault = "it is the address of a portal, as https://perigee.example.org";
    if (u && *given && strlen(given) < URL_MAX &&
        curl_url_set(u, CURLUPART_URL, text, 0) == CURLUE_OK) {
        scheme = part_of(u, CURLUPART_SCHEME);
        host = part_of(u, CURLUPART_HOST);
        port = part_of(u, CURLUPART_PORT);
        fault = fault_of(u, scheme, host);
    }
    if (fault) {
        peri_err_set(err, PERI_EINVAL, "\"%.200s\" does not name a portal: %s", given,
                     fault);
    } else {
        bool usual = !port || !strcmp(port, !strcmp(scheme, "https") ? "443" : "80");
        out = peri_xasprintf("%s://%s%s%s", scheme, host, usual ? "" : ":",
                             usual ? "" : port);
        for (char *p = out; *p; p++)
            if (*p >= 'A' && *p <= 'Z') *p += 'a' - 'A';
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    free(text);
    curl_url_cleanup(u);
    return out;
}

/* ---- the file ---- */

static char *folder(void)
{
    const char *s = getenv("XDG_CONFIG_HOME");
    if (s && *s) return peri_xasprintf("%s/perigee", s);
    s = getenv("HOME");
    if (!s || !*s) {
        const struct passwd *pw = getpwuid(getuid());
        s = pw ? pw->pw_dir : "/tmp";
    }
    return peri_xasprintf("%s/.config/perigee", s);
}

/* {"default": URL, "portals": {URL: {...}}}; empty if there is no file. */
static json_t *load(const char *path, peri_err_t *err)
{
    struct stat st;
    char *text = NULL;
    size_t len = 0;
    json_error_t e;
    json_t *j = NULL;
    if (stat(path, &st) != 0 && errno == ENOENT)
        return json_pack("{s:n, s:{}}", "default", "portals");
    if (stat(path, &st) == 0 && (st.st_mode & 077)) {
        peri_err_set(err, PERI_EDENIED,
                     "others can read %s, which has your tokens: 'chmod 600 %s', and "
                     "revoke them if somebody may have ('perigee logout')",
                     path, path);
        return NULL;
    }
    if (peri_file_slurp(path, FILE_MAX, &text, &len, err)) return NULL;
    j = json_loadb(text, len, 0, &e);
    explicit_bzero(text, len);
    free(text);
    if (json_is_object(json_object_get(j, "portals"))) return j;
    peri_err_set(
        err, PERI_EFORMAT,
        "%s is damaged (%s): remove it and log in again with 'perigee login URL'", path,
        j ? "it has no portals" : e.text);
    json_decref(j);
    return NULL;
}

static int save(const char *path, const json_t *j, peri_err_t *err)
{
    char *text = json_dumps(j, JSON_INDENT(2));
    int rc = peri_file_write_private(path, text, strlen(text), err);
    explicit_bzero(text, strlen(text));
    free(text);
    return rc;
}

static char *text_of(const json_t *o, const char *key)
{
    const char *s = peri_json_str(o, key);
    return *s ? peri_xstrdup(s) : NULL;
}

int peri_portals_find(const char *url, peri_login_t *out, peri_err_t *err)
{
    *out = (peri_login_t){0};
    char *dir = folder(), *path = peri_xasprintf("%s/portals.json", dir);
    json_t *j = load(path, err);
    const char *which = url ? url : peri_json_str(j, "default");
    const json_t *o = json_object_get(json_object_get(j, "portals"), which);
    int rc = !j ? -1 : json_is_object(o);
    if (rc == 1)
        *out = (peri_login_t){.url = peri_xstrdup(which),
                              .account = text_of(o, "account"),
                              .token = text_of(o, "token"),
                              .token_id = peri_json_int(o, "token_id", 0),
                              .expires = peri_json_num(o, "expires", 0),
                              .cacert = text_of(o, "cacert")};
    json_decref(j);
    free(path);
    free(dir);
    return rc;
}

/* The lock is a file of its own, as the other one is replaced. -1: an error. */
static int lock(const char *dir, peri_err_t *err)
{
    if (access(dir, F_OK) != 0) {
        if (peri_mkdirs(dir, err)) return -1;
        (void)chmod(dir, 0700);
    }
    char *path = peri_xasprintf("%s/portals.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        peri_err_set(err, PERI_EIO, "cannot lock %s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

static void put(json_t *j, const peri_login_t *login)
{
    json_t *o = json_pack("{s:s?, s:s?, s:I, s:f, s:s?}", "account", login->account,
                          "token", login->token, "token_id", (json_int_t)login->token_id,
                          "expires", login->expires, "cacert", login->cacert);
    json_object_set_new(json_object_get(j, "portals"), login->url, o);
    json_object_set_new(j, "default", json_string(login->url));
}

/* Another login becomes the default; which one does not matter, but it is told. */
static void drop(json_t *j, const char *url)
{
    json_t *all = json_object_get(j, "portals");
    json_object_del(all, url);
    if (strcmp(peri_json_str(j, "default"), url) != 0) return;
    const char *other = json_object_iter_key(json_object_iter(all));
    json_object_set_new(j, "default", other ? json_string(other) : json_null());
}

static int change(const peri_login_t *add, const char *remove, peri_err_t *err)
{
    char *dir = folder(), *path = peri_xasprintf("%s/portals.json", dir);
    int fd = lock(dir, err);
    json_t *j = fd < 0 ? NULL : load(path, err);
    int rc = -1;
    if (j) {
        if (add) put(j, add);
        if (remove) drop(j, remove);
        rc = save(path, j, err);
    }
    if (fd >= 0) close(fd);
    json_decref(j);
    free(path);
    free(dir);
    return rc;
}

int peri_portals_put(const peri_login_t *login, peri_err_t *err)
{
    return change(login, NULL, err);
}

int peri_portals_remove(const char *url, peri_err_t *err)
{
    return change(NULL, url, err);
}
