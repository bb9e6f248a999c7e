/* yaml.c - see yaml.h. */
#include "core/base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"

/* ---- where ---- */

static struct fy_token *first_token(peri_node_t *node, int depth)
{
    void *it = NULL;
    if (!node || depth > 64) return NULL;
    if (fy_node_is_scalar(node)) return fy_node_get_scalar_token(node);
    if (fy_node_is_sequence(node))
        return first_token(fy_node_sequence_iterate(node, &it), depth + 1);
    struct fy_node_pair *pair = fy_node_mapping_iterate(node, &it);
    return pair ? first_token(fy_node_pair_key(pair), depth + 1) : NULL;
}

/* Where a token starts. The mark of a quoted text lies behind its quote. */
static struct fy_mark start_of(struct fy_token *token)
{
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    if (!mark) return (struct fy_mark){0};
    struct fy_mark m = *mark;
    enum fy_scalar_style style = fy_scalar_token_get_style(token);
    bool quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    if (quoted && m.column > 0 && m.input_pos > 0) {
        m.column--;
        m.input_pos--;
    }
    return m;
}

/* An empty list or mapping has no token: then the key that it belongs to, or its parent.
 */
static struct fy_token *token_of(peri_node_t *node)
{
    for (int depth = 0; node && depth < 64; depth++, node = fy_node_get_parent(node)) {
        struct fy_token *token = first_token(node, 0);
        if (token) return token;
        peri_node_t *parent = fy_node_get_parent(node);
        if (!parent || !fy_node_is_mapping(parent)) continue;
        void *it = NULL;
        for (struct fy_node_pair *p; (p = fy_node_mapping_iterate(parent, &it));)
            if (fy_node_pair_value(p) == node &&
                (token = first_token(fy_node_pair_key(p), 0)))
                return token;
    }
    return NULL;
}

int peri_yaml_error(const peri_yaml_t *y, peri_node_t *at, peri_err_t *err,
                    const char *fmt, ...)
{
    char text[800];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct fy_mark mark = start_of(token_of(at));
    return peri_err_set(err, PERI_EINVAL, "%s:%d:%d: %s", y->source, mark.line + 1,
                        mark.column + 1, text);
}

void peri_yaml_span(peri_node_t *scalar, const char *text, size_t *start, size_t *end)
{
    struct fy_token *token = fy_node_get_scalar_token(scalar);
    const struct fy_mark *mark = token ? fy_token_end_mark(token) : NULL;
    *start = start_of(token).input_pos;
    *end = mark ? mark->input_pos : *start;
    bool quoted = text[*start] == '"' || text[*start] == '\'';
    if (quoted && text[*end] == text[*start]) ++*end; /* the mark lies before the quote */
}

size_t peri_yaml_first_key(peri_node_t *mapping)
{
    return start_of(first_token(mapping, 0)).input_pos;
}

/* ---- parsing ---- */

/* The first error that libfyaml collected, as a sentence. */
static int syntax_error(const peri_yaml_t *y, peri_err_t *err)
{
    void *it = NULL;
    const struct fy_diag_error *e = fy_diag_errors_iterate(y->diag, &it);
    if (!e) return peri_err_set(err, PERI_EINVAL, "%s: not a YAML document", y->source);
    return peri_err_set(err, PERI_EINVAL, "%s:%d:%d: not valid YAML: %.500s", y->source,
                        e->line > 0 ? e->line : 1, e->column > 0 ? e->column : 1,
                        e->msg ? e->msg : "syntax error");
}

static int refuse_references(const peri_yaml_t *y, peri_node_t *node, int depth,
                             peri_err_t *err)
{
    if (!node) return 0;
    if (depth > 32) return peri_yaml_error(y, node, err, "nested too deeply.");
    if (fy_node_is_alias(node))
        return peri_yaml_error(y, node, err, "aliases (*name) are not used here.");
    if (fy_node_get_tag_token(node))
        return peri_yaml_error(y, node, err, "tags (!name) are not used here.");
    void *it = NULL;
    if (fy_node_is_sequence(node)) {
        for (peri_node_t *n; (n = fy_node_sequence_iterate(node, &it));)
            if (refuse_references(y, n, depth + 1, err) < 0) return -1;
    } else if (fy_node_is_mapping(node)) {
        for (struct fy_node_pair *p; (p = fy_node_mapping_iterate(node, &it));)
            if (refuse_references(y, fy_node_pair_key(p), depth + 1, err) < 0 ||
                refuse_references(y, fy_node_pair_value(p), depth + 1, err) < 0)
                return -1;
    }
    return 0;
}

static int check_bytes(const char *text, size_t len, const char *source, peri_err_t *err)
{
    /* YAML forbids control characters, and libfyaml 0.7 stumbles over some of them. */
    bool plain = peri_utf8_valid(text, len);
    for (size_t i = 0; i < len && plain; i++) {
        unsigned char c = (unsigned char)text[i];
        plain = (c >= ' ' && c != 0x7f) || c == '\n' || c == '\r' || c == '\t';
    }
    if (!plain)
        return peri_err_set(err, PERI_EINVAL, "%s is not a text file in UTF-8", source);
    return 0;
}

static int open_document(peri_yaml_t *y, const char *text, size_t len, peri_err_t *err)
{
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    y->diag = fy_diag_create(&diag_cfg);
    if (!y->diag)
        return peri_err_set(err, PERI_EINTERNAL, "libfyaml could not be set up");
    fy_diag_set_collect_errors(y->diag, true);
    const struct fy_parse_cfg cfg = {.flags = FYPCF_COLLECT_DIAG, .diag = y->diag};
    y->parser = fy_parser_create(&cfg);
    if (!y->parser || fy_parser_set_string(y->parser, text, len) != 0)
        return peri_err_set(err, PERI_EINTERNAL, "libfyaml could not be set up");
    y->doc = fy_parse_load_document(y->parser);
    if (!y->doc && fy_diag_got_error(y->diag)) return syntax_error(y, err);
    peri_node_t *root = y->doc ? fy_document_root(y->doc) : NULL;
    if (!root || fy_node_is_null(root))
        return peri_err_set(err, PERI_EINVAL, "%s:1:1: the descriptor is empty",
                            y->source);
    struct fy_document *second = fy_parse_load_document(y->parser);
    bool more = second != NULL;
    if (second) fy_parse_document_destroy(y->parser, second);
    if (fy_diag_got_error(y->diag)) return syntax_error(y, err);
    if (more)
        return peri_yaml_error(y, root, err,
                               "the file holds more than one YAML document (\"---\").");
    return refuse_references(y, root, 0, err);
}

int peri_yaml_open(peri_yaml_t *y, const char *text, size_t len, const char *source,
                   peri_err_t *err)
{
    *y = (peri_yaml_t){.source = source};
    if (check_bytes(text, len, source, err) == 0 && open_document(y, text, len, err) == 0)
        return 0;
    peri_yaml_close(y);
    return -1;
}

void peri_yaml_close(peri_yaml_t *y)
{
    if (y->doc) fy_parse_document_destroy(y->parser, y->doc);
    if (y->parser) fy_parser_destroy(y->parser);
    if (y->diag) fy_diag_destroy(y->diag);
    *y = (peri_yaml_t){0};
}

peri_node_t *peri_yaml_root(const peri_yaml_t *y)
{
    return fy_document_root(y->doc);
}

/* ---- values ---- */

static bool has_value(peri_node_t *node)
{
    return node && !fy_node_is_null(node);
}

bool peri_yaml_is_mapping(peri_node_t *node)
{
    return fy_node_is_mapping(node);
}

bool peri_yaml_is_list(peri_node_t *node)
{
    return fy_node_is_sequence(node);
}

int peri_yaml_pairs(const peri_yaml_t *y, peri_node_t *node, const char *what,
                    peri_arena_t *arena, peri_pair_t **pairs, size_t *n, peri_err_t *err)
{
    if (!fy_node_is_mapping(node))
        return peri_yaml_error(y, node, err, "%s must be a mapping (key: value).", what);
    int count = fy_node_mapping_item_count(node);
    *pairs = peri_arena_calloc(arena, count > 0 ? (size_t)count : 0, sizeof(**pairs));
    *n = 0;
    void *it = NULL;
    for (struct fy_node_pair *p; (p = fy_node_mapping_iterate(node, &it));) {
        peri_node_t *key = fy_node_pair_key(p), *value = fy_node_pair_value(p);
        size_t len = 0;
        const char *s =
            key && fy_node_is_scalar(key) ? fy_node_get_scalar(key, &len) : NULL;
        if (!s || len == 0)
            return peri_yaml_error(y, key ? key : node, err, "a key of %s is not a name.",
                                   what);
        (*pairs)[(*n)++] = (peri_pair_t){.key = peri_arena_strndup(arena, s, len),
                                         .at = key,
                                         .value = has_value(value) ? value : NULL};
    }
    return 0;
}

static int unknown_key(const peri_yaml_t *y, const peri_pair_t *pair, const char *what,
                       const char *const *keys, size_t n, peri_err_t *err)
{
    const char *near = peri_did_you_mean(pair->key, keys, n);
    char list[300] = "";
    for (size_t i = 0; !near && i < n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s",
                 i ? ", " : " It may have: ", keys[i]);
    }
    return peri_yaml_error(y, pair->at, err, "%s has no key \"%.60s\"%s%s%s%s%s", what,
                           pair->key, near ? "; did you mean \"" : ".", near ? near : "",
                           near ? "\"?" : "", list, *list ? "." : "");
}

int peri_yaml_fields(const peri_yaml_t *y, peri_node_t *node, const char *what,
                     const char *const *keys, size_t n, peri_node_t **values,
                     peri_err_t *err)
{
    peri_arena_t *arena = peri_arena_new();
    peri_pair_t *pairs;
    size_t npairs;
    int rc = peri_yaml_pairs(y, node, what, arena, &pairs, &npairs, err);
    memset(values, 0, n * sizeof(*values));
    for (size_t i = 0; rc == 0 && i < npairs; i++) {
        size_t k = 0;
        while (k < n && strcmp(keys[k], pairs[i].key) != 0) k++;
        if (k == n)
            rc = unknown_key(y, &pairs[i], what, keys, n, err);
        else
            values[k] = pairs[i].value;
    }
    peri_arena_free(arena);
    return rc;
}

int peri_yaml_items(const peri_yaml_t *y, peri_node_t *node, const char *what,
                    peri_arena_t *arena, peri_node_t ***items, size_t *n, peri_err_t *err)
{
    if (!fy_node_is_sequence(node))
        return peri_yaml_error(y, node, err, "%s must be a list (- item).", what);
    int count = fy_node_sequence_item_count(node);
    *items = peri_arena_calloc(arena, count > 0 ? (size_t)count : 0, sizeof(**items));
    *n = 0;
    void *it = NULL;
    for (peri_node_t *item; (item = fy_node_sequence_iterate(node, &it));)
        (*items)[(*n)++] = item;
    return 0;
}

int peri_yaml_text(const peri_yaml_t *y, peri_node_t *node, const char *what,
                   peri_arena_t *arena, const char **out, peri_err_t *err)
{
    size_t len = 0;
    const char *s = fy_node_is_scalar(node) ? fy_node_get_scalar(node, &len) : NULL;
    if (!s) return peri_yaml_error(y, node, err, "%s must be one text.", what);
    while (len > 0 && (s[len - 1] == '\n' || s[len - 1] == ' ')) len--;
    *out = peri_arena_strndup(arena, s, len);
    if (strlen(*out) != len) /* "\0" in double quotes */
        return peri_yaml_error(y, node, err, "%s has a NUL character in it.", what);
    return 0;
}

int peri_yaml_texts(const peri_yaml_t *y, peri_node_t *node, const char *what,
                    peri_arena_t *arena, const char *const **out, size_t *n,
                    peri_err_t *err)
{
    peri_node_t **items = &node;
    *n = 1;
    if (fy_node_is_sequence(node) &&
        peri_yaml_items(y, node, what, arena, &items, n, err) < 0)
        return -1;
    const char **texts = peri_arena_calloc(arena, *n, sizeof(*texts));
    for (size_t i = 0; i < *n; i++)
        if (peri_yaml_text(y, items[i], what, arena, &texts[i], err) < 0) return -1;
    *out = texts;
    return 0;
}

int peri_yaml_bool(const peri_yaml_t *y, peri_node_t *node, const char *what, bool *out,
                   peri_err_t *err)
{
    size_t len = 0;
    const char *s = fy_node_is_scalar(node) ? fy_node_get_scalar(node, &len) : NULL;
    bool yes = s && len == 4 && memcmp(s, "true", 4) == 0;
    bool no = s && len == 5 && memcmp(s, "false", 5) == 0;
    if (!yes && !no)
        return peri_yaml_error(y, node, err, "%s must be true or false.", what);
    *out = yes;
    return 0;
}
