/* config_priv.h - what the files that read the configuration share. Private. */
#ifndef PORTAL_CONFIG_CONFIG_PRIV_H
#define PORTAL_CONFIG_CONFIG_PRIV_H

#include "core/base/arena.h"
#include "core/base/yaml.h"
#include "portal/config/config.h"

typedef struct {
    peri_config_t *c;
    peri_yaml_t yaml;
} peri_confload_t;

/* config_value.c; at NULL: *out stays. */
int peri_conf_text(peri_confload_t *l, peri_node_t *at, const char *what,
                   const char **out, peri_err_t *err);
int peri_conf_number(peri_confload_t *l, peri_node_t *at, const char *what, double min,
                     double max, double *out, peri_err_t *err);
int peri_conf_folder(peri_confload_t *l, peri_node_t *at, const char *what,
                     const char **out, peri_err_t *err);
/* One of several words: its place in `words` (ends with NULL). */
int peri_conf_word(peri_confload_t *l, peri_node_t *at, const char *what,
                   const char *const *words, int *out, peri_err_t *err);
/* "10GB", "512MiB" or a number of bytes. */
int peri_conf_size(peri_confload_t *l, peri_node_t *at, const char *what, int64_t *out,
                   peri_err_t *err);
int peri_conf_bool(peri_confload_t *l, peri_node_t *at, const char *what, bool *out,
                   peri_err_t *err);
/* A section's fields by name; v: one node a key. at NULL: all NULL. */
int peri_conf_fields(peri_confload_t *l, peri_node_t *at, const char *what,
                     const char *const *keys, size_t n, peri_node_t **v, peri_err_t *err);

/* config_web.c: the section web; at NULL: its defaults. */
int peri_conf_web(peri_confload_t *l, peri_node_t *at, peri_err_t *err);

/* config_quick.c: the section quick; at NULL: its defaults. */
int peri_conf_quick(peri_confload_t *l, peri_node_t *at, peri_err_t *err);

/* config_portal.c: the sections accounts, mail, oidc, storage, limits; identity. */
enum {
    PERI_CONF_ACCOUNTS,
    PERI_CONF_MAIL,
    PERI_CONF_OIDC,
    PERI_CONF_STORAGE,
    PERI_CONF_LIMITS,
    PERI_CONF_IDENTITY,
    PERI_CONF_IDENTITY_LEAST,
    PERI_CONF_IDENTITY_GROUP,
    PERI_CONF_DATASETS,
    PERI_CONF_QUICK,
    PERI_CONF_NPORTAL
};
extern const char *const peri_conf_portal_keys[PERI_CONF_NPORTAL];
int peri_conf_portal(peri_confload_t *l, peri_node_t *const *sections, peri_err_t *err);
void peri_conf_portal_defaults(peri_config_t *c);

#endif
