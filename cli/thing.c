/* thing.c - see thing.h. */
#include "cli/thing.h"

#include <stdlib.h>
#include <string.h>

#include "cli/place.h"
#include "core/base/util.h"

static json_t *job_json(const char *word, peri_err_t *err)
{
    size_t n = strspn(word + 4, "0123456789");
    const char *end = word + 4 + n;
    if (n == 0 || n > 18 || (*end && *end != ':')) {
        peri_err_set(err, PERI_EINVAL, "\"%.100s\" names no job: write job:42", word);
        return NULL;
    }
    return json_pack("{s:s, s:s%, s:s*}", "kind", "job", "thing", word + 4, n, "path",
                     *end && end[1] ? end + 1 : NULL);
}

json_t *peri_thing_json(peri_client_t *c, const char *word, peri_err_t *err)
{
    peri_place_t p = {0};
    json_t *j = NULL;
    if (!peri_utf8_valid(word, strlen(word))) {
        peri_err_set(err, PERI_EINVAL, "names and texts are to be UTF-8");
        return NULL;
    }
    if (!strncmp(word, "job:", 4)) return job_json(word, err);
    if (!strncmp(word, "dataset:", 8))
        return json_pack("{s:s, s:s}", "kind", "dataset", "thing", word + 8);
    if (peri_place_parse(word, false, &p, err)) return NULL;
    const char *owner = p.owner ? p.owner : peri_client_account(c, err);
    if (owner) {
        char *place = peri_xasprintf("%s/%s:%s", owner, p.volume, p.path);
        j = json_pack("{s:s, s:s}", "kind", "volume", "thing", place);
        free(place);
    }
    peri_place_free(&p);
    return j;
}

json_t *peri_thing_whom(const char *word, peri_err_t *err)
{
    if (!strcmp(word, "everyone")) return json_pack("{s:b}", "everyone", 1);
    if (!strncmp(word, "team:", 5) && word[5] && peri_utf8_valid(word, strlen(word)))
        return json_pack("{s:s}", "team", word + 5);
    if (*word && !strchr(word, ':') && peri_utf8_valid(word, strlen(word)))
        return json_pack("{s:s}", "account", word);
    peri_err_set(err, PERI_EINVAL,
                 "\"%.100s\" names nobody: --with takes a user, team:NAME or everyone",
                 word);
    return NULL;
}

char *peri_thing_text(const json_t *grant, const char *me)
{
    const char *kind = peri_json_str(grant, "kind"),
               *thing = peri_json_str(grant, "thing"),
               *path = peri_json_str(grant, "path");
    size_t n = strlen(me);
    if (!strcmp(kind, "volume"))
        return peri_xstrdup(!strncmp(thing, me, n) && thing[n] == '/' ? thing + n + 1
                                                                      : thing);
    return peri_xasprintf("%s:%s%s%s", kind, thing, *path ? ":" : "", path);
}

char *peri_thing_whom_text(const json_t *grant)
{
    const json_t *to = json_object_get(grant, "to");
    if (peri_json_true(to, "everyone")) return peri_xstrdup("everyone");
    if (*peri_json_str(to, "team"))
        return peri_xasprintf("team:%s", peri_json_str(to, "team"));
    return peri_xstrdup(peri_json_str(to, "account"));
}

char *peri_thing_rights(const json_t *rights)
{
    const json_t *r;
    size_t i;
    peri_buf_t b;
    peri_buf_init(&b, 4096);
    peri_buf_puts(&b, "");
    json_array_foreach(rights, i, r) peri_buf_printf(
        &b, "%s%s", i ? "," : "", json_is_string(r) ? json_string_value(r) : "?");
    char *s = peri_buf_take(&b, NULL);
    return s ? s : peri_xstrdup("");
}

bool peri_thing_same(const json_t *grant, const json_t *thing)
{
    return !strcmp(peri_json_str(grant, "thing"), peri_json_str(thing, "thing")) &&
           !strcmp(peri_json_str(grant, "kind"), peri_json_str(thing, "kind"));
}
