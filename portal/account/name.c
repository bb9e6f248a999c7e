/* name.c - see name.h. */
#include "portal/account/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

/* Sorted. Words of our paths, pages and mails, and those that people take for us. */
static const char *const reserved[] = {
    "abuse",     "access",     "account",  "accounts",   "admin",      "administrator",
    "all",       "anonymous",  "anybody",  "api",        "archive",    "data",
    "daemon",    "dataset",    "datasets", "docs",       "everybody",  "everyone",
    "false",     "files",      "guest",    "help",       "hostmaster", "info",
    "job",       "jobs",       "link",     "links",      "local",      "login",
    "logout",    "mail",       "me",       "my",         "new",        "nobody",
    "none",      "noreply",    "null",     "oidc",       "operator",   "owner",
    "perigee",   "persistent", "postgres", "postmaster", "public",     "root",
    "scratch",   "security",   "self",     "server",     "settings",   "setup",
    "share",     "shared",     "sign-in",  "sign-out",   "sign-up",    "sql",
    "ssladmin",  "staff",      "status",   "support",    "system",     "team",
    "teams",     "token",      "tokens",   "trash",      "true",       "undefined",
    "upload",    "uploads",    "user",     "users",      "volume",     "volumes",
    "webmaster", "www"};

static int by_text(const void *key, const void *at)
{
    return strcmp(key, *(const char *const *)at);
}

bool peri_name_reserved(const char *name)
{
    return bsearch(name, reserved, sizeof(reserved) / sizeof(reserved[0]),
                   sizeof(reserved[0]), by_text) != NULL;
}

static bool starts(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool goes_on(char c)
{
    return starts(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int peri_name_check(const char *name, peri_err_t *err)
{
    size_t n = strlen(name), i = 1;
    while (i < n && goes_on(name[i])) i++;
    if (n < 2 || n > PERI_NAME_MAX || !starts(name[0]) || i < n)
        return peri_err_set(err, PERI_EINVAL,
                            "a name has 2 to %d small letters, digits, - and _, and "
                            "starts with a letter",
                            PERI_NAME_MAX);
    if (peri_name_reserved(name))
        return peri_err_set(
            err, PERI_EINVAL,
            "the name \"%s\" is kept for the portal itself: choose another", name);
    return 0;
}

void peri_name_from(const char *text, unsigned n, char out[PERI_NAME_MAX + 1])
{
    char number[12] = "";
    size_t len = 0;
    if (n) snprintf(number, sizeof(number), "-%u", n);
    size_t room = PERI_NAME_MAX - strlen(number);
    for (; *text && *text != '@' && len < room; text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;
        if (c == '.' || c == ' ') c = '-';
        if (len ? goes_on(c) : starts(c)) out[len++] = c;
    }
    snprintf(out + len, sizeof(number), "%s", number);
    if (peri_name_check(out, NULL) == 0) return;
    /* Too short, or a word of ours. */
    if (len == 0 || len + 2 + strlen(number) > PERI_NAME_MAX)
        out[0] = '\0';
    else
        snprintf(out + len, sizeof(number) + 2, "-u%s", number);
}

/* ---- e-mail ---- */

static bool local_char(char c)
{
    return goes_on(c) || (c >= 'A' && c <= 'Z') ||
           (c && strchr(".+!#$%&'*/=?^`{|}~", c)) || (unsigned char)c >= 0x80;
}

/* Labels of letters, digits and inner hyphens, with dots between; one dot at least. */
static bool domain_good(const char *s)
{
    size_t labels = 0;
    while (*s) {
        size_t n = strcspn(s, ".");
        if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-') return false;
        for (size_t i = 0; i < n; i++)
            if (s[i] == '_' || !(goes_on(s[i]) || (s[i] >= 'A' && s[i] <= 'Z') ||
                                 (unsigned char)s[i] >= 0x80))
                return false;
        labels++;
        s += n;
        if (*s == '.' && !*++s) return false;
    }
    return labels >= 2;
}

int peri_email_check(const char *email, peri_err_t *err)
{
    size_t n = strlen(email);
    const char *at = strrchr(email, '@');
    bool good = at && n <= PERI_EMAIL_MAX && at > email && at - email <= 64 &&
                peri_utf8_valid(email, n) && domain_good(at + 1) && email[0] != '.' &&
                at[-1] != '.' && !strstr(email, "..");
    for (const char *p = email; good && p < at; p++) good = local_char(*p);
    if (good) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "\"%.100s\" is not an e-mail address like ana@example.org",
                        peri_utf8_valid(email, n) ? email : "what was given");
}

int peri_full_check(const char *full, peri_err_t *err)
{
    size_t n = strlen(full);
    bool good = n <= PERI_FULL_MAX && peri_utf8_valid(full, n);
    for (const char *p = full; good && *p; p++)
        good = (unsigned char)*p >= 0x20 && *p != 0x7f && *p != '<' && *p != '>';
    if (good) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "a full name is at most %d bytes of text in one line, without < "
                        "and >",
                        PERI_FULL_MAX);
}
