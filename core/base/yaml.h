/* yaml.h - libfyaml as descriptors and configurations need it: mappings with known keys,
 * texts, lists, and errors that say where in the file. Anchors, aliases and tags are
 * refused.
 */
#ifndef CORE_BASE_YAML_H
#define CORE_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <libfyaml.h>

#include "core/base/arena.h"
#include "perigee/err.h"

typedef struct fy_node peri_node_t;

typedef struct {
    const char *source; /* for messages */
    struct fy_parser *parser;
    struct fy_document *doc;
    struct fy_diag *diag;
} peri_yaml_t;

/* The text must outlive the yaml. One document, a mapping at its top. */
int peri_yaml_open(peri_yaml_t *y, const char *text, size_t len, const char *source,
                   peri_err_t *err);
void peri_yaml_close(peri_yaml_t *y); /* accepts a zeroed struct */
peri_node_t *peri_yaml_root(const peri_yaml_t *y);

/* Sets "SOURCE:LINE:COLUMN: ..." and returns -1. */
int peri_yaml_error(const peri_yaml_t *y, peri_node_t *at, peri_err_t *err,
                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Byte positions of a plain or quoted scalar, with its quotes, in the text that was
 * parsed (followed by a NUL). */
void peri_yaml_span(peri_node_t *scalar, const char *text, size_t *start, size_t *end);
/* Byte position of the first key of a mapping; 0 if it is empty. */
size_t peri_yaml_first_key(peri_node_t *mapping);

/* The values of a mapping, parallel to keys (n of them); NULL where a key is absent or
 * has no value. Any other key is an error. `what` says whose keys: "a table". */
int peri_yaml_fields(const peri_yaml_t *y, peri_node_t *node, const char *what,
                     const char *const *keys, size_t n, peri_node_t **values,
                     peri_err_t *err);
/* Keys and values of a mapping with any text as keys. */
typedef struct {
    const char *key;
    peri_node_t *at, *value; /* value may be NULL */
} peri_pair_t;
int peri_yaml_pairs(const peri_yaml_t *y, peri_node_t *node, const char *what,
                    peri_arena_t *arena, peri_pair_t **pairs, size_t *n, peri_err_t *err);

bool peri_yaml_is_mapping(peri_node_t *node);
bool peri_yaml_is_list(peri_node_t *node);
/* Items of a list. */
int peri_yaml_items(const peri_yaml_t *y, peri_node_t *node, const char *what,
                    peri_arena_t *arena, peri_node_t ***items, size_t *n,
                    peri_err_t *err);
int peri_yaml_text(const peri_yaml_t *y, peri_node_t *node, const char *what,
                   peri_arena_t *arena, const char **out, peri_err_t *err);
/* One text or a list of texts. */
int peri_yaml_texts(const peri_yaml_t *y, peri_node_t *node, const char *what,
                    peri_arena_t *arena, const char *const **out, size_t *n,
                    peri_err_t *err);
int peri_yaml_bool(const peri_yaml_t *y, peri_node_t *node, const char *what, bool *out,
                   peri_err_t *err);

#endif
