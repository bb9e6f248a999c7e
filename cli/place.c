/* place.c - see place.h. */
#include "cli/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "core/base/util.h"

#define PATH_MAX_BYTES 4096

/* Where the ":" before the path is; NULL: there is none. That of "team:" and "data:" is
 * part of the owner if a "/" follows it before the next ":". */
static const char *colon_of(const char *s)
{
    const char *colon = strchr(s, ':'), *slash = strchr(s, '/');
    if (!strncmp(s, "team:", 5) || !strncmp(s, "data:/", 6)) {
        const char *next = strchr(colon + 1, ':');
        if (slash && next && slash < next) return next;
        return !strncmp(s, "data:/", 6) ? NULL : colon;
    }
    return colon;
}

/* Of accounts, teams and volumes. */
static bool is_name(const char *s, size_t n)
{
    if (n == 0 || n > 128 || *s == '.' || *s == '-') return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f || strchr("/\\:?#%*\"'<>|", s[i]))
            return false;
    return true;
}

/* Length of the owner in the n bytes before the path's ":"; 0: none; *volume is where the
 * volume's name starts. */
static size_t split_owner(const char *s, size_t n, const char **volume)
{
    const char *slash = memchr(s, '/', n);
    *volume = slash ? slash + 1 : s;
    return slash ? (size_t)(slash - s) : 0;
}

static bool is_owner(const char *s, size_t n)
{
    if (n == 5 && !memcmp(s, "data:", 5)) return true;
    if (n > 5 && !memcmp(s, "team:", 5)) return is_name(s + 5, n - 5);
    return is_name(s, n);
}

/* The n bytes before the path, if they can be [OWNER/]VOLUME. */
static bool is_volume(const char *s, size_t n)
{
    const char *volume;
    size_t owner = split_owner(s, n, &volume);
    if (volume != s && !is_owner(s, owner)) return false;
    return is_name(volume, n - (size_t)(volume - s));
}

bool peri_place_is(const char *s)
{
    const char *colon = colon_of(s);
    return colon && is_volume(s, (size_t)(colon - s)) && strncmp(colon, "://", 3) != 0;
}

static char *piece(const char *s, size_t n)
{
    char *out = peri_xmalloc(n + 1);
    memcpy(out, s, n);
    out[n] = '\0';
    return out;
}

/* Copies the path without "." and empty parts; NULL if it has "..". */
static char *tidy(const char *s, bool *folder)
{
    char *out = peri_xmalloc(strlen(s) + 1), *end = out;
    *folder = *s && s[strlen(s) - 1] == '/';
    while (*s) {
        size_t n = strcspn(s, "/");
        if (n == 2 && !memcmp(s, "..", 2)) {
            free(out);
            return NULL;
        }
        if (n > 0 && !(n == 1 && *s == '.')) {
            if (end > out) *end++ = '/';
            memcpy(end, s, n);
            end += n;
        }
        s += n;
        s += *s == '/';
    }
    *end = '\0';
    return out;
}

int peri_place_parse(const char *s, bool bare_ok, peri_place_t *out, peri_err_t *err)
{
    *out = (peri_place_t){0};
    const char *colon = colon_of(s), *volume;
    size_t n = colon ? (size_t)(colon - s) : strlen(s);
    if ((!colon && !bare_ok) || !is_volume(s, n))
        return peri_err_set(err, PERI_EINVAL,
                            "\"%.200s\" is no place in the portal's storage: write "
                            "VOLUME:PATH or OWNER/VOLUME:PATH, as persistent:halos/x.h5 "
                            "('perigee ls' shows your volumes)",
                            s);
    const char *path = colon ? colon + 1 : "";
    if (strlen(path) > PATH_MAX_BYTES)
        return peri_err_set(err, PERI_EINVAL, "a path has at most %d bytes",
                            PATH_MAX_BYTES);
    if (!peri_utf8_valid(path, strlen(path)))
        return peri_err_set(err, PERI_EINVAL,
                            "names in the portal's storage are UTF-8; \"%.200s\" is not",
                            s);
    char *tidied = tidy(path, &out->folder);
    if (!tidied)
        return peri_err_set(err, PERI_EINVAL,
                            "\"%.200s\" has a \"..\": write the path from the volume on",
                            s);
    size_t owner = split_owner(s, n, &volume);
    /* The results of a job, as a folder of a volume "job". */
    if (volume == s && n == 3 && !memcmp(s, "job", 3) && strchr(tidied, ':'))
        *strchr(tidied, ':') = '/';
    out->owner = volume != s ? piece(s, owner) : NULL;
    out->volume = piece(volume, n - (size_t)(volume - s));
    out->path = tidied;
    return 0;
}

void peri_place_free(peri_place_t *p)
{
    free(p->owner);
    free(p->volume);
    free(p->path);
    *p = (peri_place_t){0};
}

bool peri_place_is_job(const peri_place_t *p)
{
    return !p->owner && !strcmp(p->volume, "job");
}

/* head (taken) with "/" and the path behind it, if there is one, escaped but for its "/".
 */
static char *add_path(char *head, const char *path)
{
    char *escaped = peri_url_escape(path);
    char *out = peri_xasprintf("%s%s%s", head, *path ? "/" : "", escaped), *to;
    to = out + strlen(out) - strlen(escaped);
    for (const char *s = escaped; *s;) {
        const bool slash = !strncmp(s, "%2F", 3);
        *to++ = slash ? '/' : *s;
        s += slash ? 3 : 1;
    }
    *to = '\0';
    free(escaped);
    free(head);
    return out;
}

char *peri_place_url(const peri_place_t *p, const char *account, const char *prefix)
{
    const bool job = peri_place_is_job(p) && !strcmp(prefix, "/files");
    const size_t n = job ? strcspn(p->path, "/") : 0;
    char *first = job ? piece(p->path, n) : NULL;
    char *owner = peri_url_escape(job        ? first
                                  : p->owner ? p->owner
                                             : account),
         *volume = peri_url_escape(p->volume);
    char *head = job ? peri_xasprintf("/jobs/%s/files", owner)
                     : peri_xasprintf("%s/%s/%s", prefix, owner, volume);
    free(first);
    free(volume);
    free(owner);
    return add_path(head, p->path + n + (p->path[n] == '/' && job));
}

char *peri_place_text(const peri_place_t *p)
{
    if (peri_place_is_job(p)) {
        char *text = peri_xasprintf("job:%s", p->path);
        char *slash = strchr(text, '/');
        if (slash) *slash = ':';
        return text;
    }
    return peri_xasprintf("%s%s%s:%s", p->owner ? p->owner : "", p->owner ? "/" : "",
                          p->volume, p->path);
}

const char *peri_place_name(const peri_place_t *p)
{
    const char *slash = strrchr(p->path, '/');
    return !*p->path ? p->volume : slash ? slash + 1 : p->path;
}

void peri_place_below(const peri_place_t *p, const char *name, peri_place_t *out)
{
    *out = (peri_place_t){
        .owner = p->owner ? peri_xstrdup(p->owner) : NULL,
        .volume = peri_xstrdup(p->volume),
        .path = peri_xasprintf("%s%s%s", p->path, *p->path ? "/" : "", name)};
}
