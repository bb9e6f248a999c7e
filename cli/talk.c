/* talk.c - see talk.h. */
#include "cli/talk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base/util.h"

#define PAGE     1000
#define LIST_MAX 1000000

peri_client_t *peri_talk(int *status)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new(&err);
    *status = c ? 0 : peri_cli_fail(&err);
    return c;
}

/* The cursor of the next page as a value of a query, or NULL; the caller frees. */
static char *cursor_of(const json_t *page)
{
    const json_t *next = json_object_get(page, "next");
    if (json_is_string(next)) return peri_url_escape(json_string_value(next));
    if (json_is_integer(next))
        return peri_xasprintf("%lld", (long long)json_integer_value(next));
    return NULL;
}

json_t *peri_talk_list(peri_client_t *c, peri_err_t *err, const char *key,
                       const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *path = NULL;
    if (vasprintf(&path, fmt, ap) < 0) abort();
    va_end(ap);
    const char join = strchr(path, '?') ? '&' : '?';
    json_t *all = json_array();
    char *after = NULL;
    bool ok;
    do {
        json_t *page = peri_client_get(c, 0, NULL, err, "%s%climit=%d%s%s", path, join,
                                       PAGE, after ? "&after=" : "", after ? after : "");
        const json_t *some = json_object_get(page, key);
        free(after);
        after = cursor_of(page);
        ok = json_is_array(some) && json_array_size(all) < LIST_MAX;
        if (page && !json_is_array(some))
            peri_err_set(err, PERI_EFORMAT, "the answer has no list of %s", key);
        else if (page && !ok)
            peri_err_set(err, PERI_ELIMIT, "there are more than %d %s", LIST_MAX, key);
        if (ok) json_array_extend(all, (json_t *)some);
        json_decref(page);
    } while (ok && after);
    free(after);
    free(path);
    if (ok) return all;
    json_decref(all);
    return NULL;
}

char *peri_talk_portal(peri_client_t *c)
{
    peri_err_t ignored = {0};
    if (peri_client_portal(c)) return peri_xstrdup(peri_client_portal(c));
    json_t *ways = peri_client_get(c, 0, NULL, &ignored, "/sign-in/ways");
    char *url = peri_xstrdup(peri_json_str(ways, "url"));
    json_decref(ways);
    return url;
}

void peri_talk_print(const json_t *j)
{
    json_dumpf(j, stdout, JSON_INDENT(2));
    putchar('\n');
}

int peri_talk_end(peri_client_t *c, json_t *answer, const peri_err_t *err, bool json,
                  const char *fmt, ...)
{
    int status = 0;
    if (!answer) {
        status = peri_cli_fail(err);
    } else if (json) {
        peri_talk_print(answer);
    } else if (fmt) {
        va_list ap;
        va_start(ap, fmt);
        vprintf(fmt, ap);
        va_end(ap);
        putchar('\n');
    }
    json_decref(answer);
    peri_client_free(c);
    return status ? status : peri_cli_done(0);
}

bool peri_talk_sure(const char *fmt, ...)
{
    char line[16] = "";
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty) return false;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(tty, fmt, ap);
    va_end(ap);
    fputs(" [y/N] ", tty);
    fflush(tty);
    bool yes = fgets(line, sizeof(line), tty) && (*line == 'y' || *line == 'Y');
    fclose(tty);
    return yes;
}

char *peri_talk_place(peri_client_t *c, const char *word, bool bare_ok, peri_place_t *p,
                      peri_err_t *err)
{
    if (peri_place_parse(word, bare_ok, p, err)) return NULL;
    const char *account = p->owner ? p->owner : peri_client_account(c, err);
    return account ? peri_place_url(p, account, "/files") : NULL;
}

int peri_talk_delete_each(peri_client_t *c, int n, char **words, const char *path,
                          bool json, const char *before, const char *after)
{
    int status = 0;
    for (int i = 0; i < n; i++) {
        peri_err_t err = {0};
        char *word = peri_url_escape(words[i]);
        json_t *j = peri_client_send(c, &err, "DELETE", NULL, "%s/%s", path, word);
        if (!j)
            status = peri_cli_fail(&err);
        else if (json)
            peri_talk_print(j);
        else
            printf("%s %s %s\n", before, words[i], after);
        json_decref(j);
        free(word);
    }
    peri_client_free(c);
    return peri_cli_done(status);
}
