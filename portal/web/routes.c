/* routes.c - which handler a request is for. */
#include <stdio.h>
#include <string.h>

#include "portal/web/web_priv.h"

/* A * stands for one part, ** for all that follows, also nothing. */
static bool matches(const char *pattern, const char *path, peri_request_t *r)
{
    size_t n = 0;
    while (*pattern) {
        if (pattern[0] == '*' && n == sizeof(r->param) / sizeof(r->param[0]))
            return false;
        if (pattern[0] == '*' && pattern[1] == '*') {
            r->param[n] = peri_arena_strdup(r->arena, path);
            return true;
        }
        if (*pattern == '*') {
            size_t len = strcspn(path, "/");
            if (len == 0) return false;
            r->param[n++] = peri_arena_strndup(r->arena, path, len);
            path += len;
            pattern++;
        } else if (!*path && pattern[0] == '/' && pattern[1] == '*' &&
                   pattern[2] == '*') {
            pattern++; /* "/files/a/b" is "/files/a/b/" with nothing behind */
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return !*path;
}

void peri_route_find(const peri_routes_t *tables, peri_request_t *r)
{
    const char *head = !strcmp(r->method, "HEAD") ? "GET" : NULL;
    char text[256], allowed[64] = "";
    for (const peri_routes_t *t = tables; t->routes; t++)
        for (size_t i = 0; i < *t->n; i++) {
            const peri_route_t *route = &t->routes[i];
            if (!matches(route->path, r->path, r)) continue;
            if (!strcmp(route->method, r->method)) {
                r->route = route;
                return;
            }
            if (head && !strcmp(route->method, head)) r->route = route;
            size_t len = strlen(allowed);
            snprintf(allowed + len, sizeof(allowed) - len, "%s%s", len ? ", " : "",
                     route->method);
        }
    if (r->route) { /* GET for HEAD: the parameters again, others have overwritten them */
        matches(r->route->path, r->path, r);
        return;
    }
    snprintf(text, sizeof(text),
             allowed[0] ? "%.100s is not possible on %.120s; see docs/api.md"
                        : "%.100s %.120s does not exist; see docs/api.md",
             r->method, r->path);
    if (allowed[0]) peri_request_set_header(r, "Allow", allowed);
    peri_problem_make(r, allowed[0] ? 405 : 404, allowed[0] ? "invalid" : "not_found",
                      text);
}
