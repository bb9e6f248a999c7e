/* config_portal.c - the sections of the configuration that concern the portal: accounts,
 * mail, OpenID Connect, storage, limits, identity, folders of datasets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "portal/config/config_priv.h"

#define GB            1000000000LL
#define MAX_DAYS      36500
#define PROVIDERS_MAX 16
#define DATASETS_MAX  64

const char *const peri_conf_portal_keys[PERI_CONF_NPORTAL] = {
    "accounts",         "mail",           "oidc",     "storage", "limits", "identity",
    "identity_min_uid", "identity_group", "datasets", "quick"};

static int read_accounts(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    enum { SIGN_UP, HOURS, TOTP, N };
    static const char *const keys[N] = {"sign_up", "session_hours",
                                        "admin_second_factor"};
    static const char *const modes[] = {"open", "invitation", "approval", "closed", NULL};
    peri_confaccounts_t *a = &l->c->accounts;
    peri_node_t *v[N];
    int mode = PERI_SIGNUP_INVITATION;
    *a = (peri_confaccounts_t){.session_hours = 168};
    if (peri_conf_fields(l, at, "accounts", keys, N, v, err) ||
        peri_conf_word(l, v[SIGN_UP], "sign_up", modes, &mode, err) ||
        peri_conf_number(l, v[HOURS], "session_hours", 0.01, 24 * 365, &a->session_hours,
                         err) ||
        peri_conf_bool(l, v[TOTP], "admin_second_factor", &a->admin_totp, err))
        return -1;
    a->sign_up = (peri_signup_t)mode;
    return 0;
}

static int read_mail(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    enum { SERVER, FROM, USER, PASSWORD, TLS, CA, N };
    static const char *const keys[N] = {"server",        "from", "user",
                                        "password_file", "tls",  "ca_file"};
    static const char *const ways[] = {"required", "try", "off", NULL};
    peri_confmail_t *m = &l->c->mail;
    peri_node_t *v[N];
    int tls = PERI_MAIL_TLS_REQUIRED;
    if (peri_conf_fields(l, at, "mail", keys, N, v, err) ||
        peri_conf_text(l, v[SERVER], "server", &m->server, err) ||
        peri_conf_text(l, v[FROM], "from", &m->from, err) ||
        peri_conf_text(l, v[USER], "user", &m->user, err) ||
        peri_conf_folder(l, v[PASSWORD], "password_file", &m->password_file, err) ||
        peri_conf_word(l, v[TLS], "tls", ways, &tls, err) ||
        peri_conf_folder(l, v[CA], "ca_file", &m->ca_file, err))
        return -1;
    m->tls = tls;
    if (at && (!m->server || !m->from))
        return peri_yaml_error(&l->yaml, at, err, "mail needs \"server\" and \"from\"");
    return 0;
}

static int read_provider(peri_confload_t *l, peri_node_t *at, peri_confoidc_t *p,
                         peri_err_t *err)
{
    enum { NAME, TITLE, ISSUER, CLIENT, SECRET, SCOPES, SIGN_UP, CA, N };
    static const char *const keys[N] = {
        "name",   "title",   "issuer", "client_id", "client_secret_file",
        "scopes", "sign_up", "ca_file"};
    peri_node_t *v[N];
    p->scopes = "openid profile email";
    if (peri_conf_fields(l, at, "a provider", keys, N, v, err) ||
        peri_conf_text(l, v[NAME], "name", &p->name, err) ||
        peri_conf_text(l, v[TITLE], "title", &p->title, err) ||
        peri_conf_text(l, v[ISSUER], "issuer", &p->issuer, err) ||
        peri_conf_text(l, v[CLIENT], "client_id", &p->client_id, err) ||
        peri_conf_folder(l, v[SECRET], "client_secret_file", &p->client_secret_file,
                         err) ||
        peri_conf_text(l, v[SCOPES], "scopes", &p->scopes, err) ||
        peri_conf_bool(l, v[SIGN_UP], "sign_up", &p->sign_up, err) ||
        peri_conf_folder(l, v[CA], "ca_file", &p->ca_file, err))
        return -1;
    if (!p->name || !p->issuer || !p->client_id)
        return peri_yaml_error(&l->yaml, at, err,
                               "a provider needs \"name\", \"issuer\" and \"client_id\"");
    if (!p->name[0] ||
        strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(p->name))
        return peri_yaml_error(&l->yaml, v[NAME], err,
                               "the name of a provider has small letters, digits and -, "
                               "not \"%.60s\"",
                               p->name);
    if (!p->title) p->title = p->name;
    return 0;
}

static int read_oidc(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    peri_config_t *c = l->c;
    peri_node_t **items = NULL;
    size_t n = 0;
    if (!at) return 0;
    if (peri_yaml_items(&l->yaml, at, "oidc", c->arena, &items, &n, err)) return -1;
    if (n > PROVIDERS_MAX)
        return peri_yaml_error(&l->yaml, at, err, "there can be %d providers at most",
                               PROVIDERS_MAX);
    c->oidc = peri_arena_calloc(c->arena, n + 1, sizeof(*c->oidc));
    for (size_t i = 0; i < n; i++)
        if (read_provider(l, items[i], &c->oidc[c->noidc++], err)) return -1;
    return 0;
}

static int read_storage(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    enum { FOLDER, PERSISTENT, SCRATCH, TEAM, SCRATCH_DAYS, TRASH, LINKS, LINK_DAYS, N };
    static const char *const keys[N] = {"folder",     "persistent_quota", "scratch_quota",
                                        "team_quota", "scratch_days",     "trash_days",
                                        "links",      "link_days"};
    peri_confstorage_t *s = &l->c->storage;
    peri_node_t *v[N];
    *s = (peri_confstorage_t){.persistent_quota = 10 * GB,
                              .scratch_quota = 100 * GB,
                              .team_quota = 100 * GB,
                              .scratch_days = 30,
                              .trash_days = 14,
                              .links = true,
                              .link_days = 30};
    return peri_conf_fields(l, at, "storage", keys, N, v, err) ||
                   peri_conf_folder(l, v[FOLDER], "folder", &s->folder, err) ||
                   peri_conf_size(l, v[PERSISTENT], "persistent_quota",
                                  &s->persistent_quota, err) ||
                   peri_conf_size(l, v[SCRATCH], "scratch_quota", &s->scratch_quota,
                                  err) ||
                   peri_conf_size(l, v[TEAM], "team_quota", &s->team_quota, err) ||
                   peri_conf_number(l, v[SCRATCH_DAYS], "scratch_days", 0.001, MAX_DAYS,
                                    &s->scratch_days, err) ||
                   peri_conf_number(l, v[TRASH], "trash_days", 0.001, MAX_DAYS,
                                    &s->trash_days, err) ||
                   peri_conf_bool(l, v[LINKS], "links", &s->links, err) ||
                   peri_conf_number(l, v[LINK_DAYS], "link_days", 0.001, MAX_DAYS,
                                    &s->link_days, err)
               ? -1
               : 0;
}

static int read_limits(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    static const char *const keys[] = {"requests_per_minute"};
    peri_node_t *v[1];
    l->c->requests_per_minute = 1200;
    if (peri_conf_fields(l, at, "limits", keys, 1, v, err)) return -1;
    return peri_conf_number(l, v[0], keys[0], 0, 1e6, &l->c->requests_per_minute, err);
}

static int read_datasets(peri_confload_t *l, peri_node_t *at, peri_err_t *err)
{
    peri_config_t *c = l->c;
    peri_node_t **items = NULL;
    size_t n = 0;
    if (!at) return 0;
    if (peri_yaml_items(&l->yaml, at, "datasets", c->arena, &items, &n, err)) return -1;
    if (n > DATASETS_MAX)
        return peri_yaml_error(&l->yaml, at, err, "there can be %d folders at most",
                               DATASETS_MAX);
    const char **v = peri_arena_calloc(c->arena, n + 1, sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        if (peri_conf_folder(l, items[i], "a folder of datasets", &v[i], err)) return -1;
        if (strchr(v[i], ':'))
            return peri_yaml_error(&l->yaml, items[i], err,
                                   "a folder of datasets has no \":\" in its name");
    }
    c->datasets = v;
    c->ndatasets = n;
    return 0;
}

/* As the command looks for them. */
static void usual_datasets(peri_config_t *c)
{
    const char *env = getenv("PERIGEE_DATASETS");
    char *rest = NULL, *all = peri_arena_strdup(c->arena, env ? env : "");
    const char **v = peri_arena_calloc(c->arena, DATASETS_MAX + 2, sizeof(*v));
    for (char *f = strtok_r(all, ":", &rest); f && c->ndatasets < DATASETS_MAX;
         f = strtok_r(NULL, ":", &rest))
        v[c->ndatasets++] = f;
    v[c->ndatasets++] = peri_arena_printf(c->arena, "%s/datasets", c->state);
    v[c->ndatasets++] = "/etc/perigee/datasets";
    c->datasets = v;
}

int peri_conf_portal(peri_confload_t *l, peri_node_t *const *s, peri_err_t *err)
{
    static const char *const identities[] = {"service", "unix", NULL};
    int identity = PERI_IDENTITY_SERVICE;
    double least = 1000;
    if (peri_conf_word(l, s[PERI_CONF_IDENTITY], "identity", identities, &identity,
                       err) ||
        peri_conf_number(l, s[PERI_CONF_IDENTITY_LEAST], "identity_min_uid", 100, 1e9,
                         &least, err) ||
        peri_conf_text(l, s[PERI_CONF_IDENTITY_GROUP], "identity_group",
                       &l->c->identity_group, err) ||
        read_accounts(l, s[PERI_CONF_ACCOUNTS], err) ||
        read_mail(l, s[PERI_CONF_MAIL], err) || read_oidc(l, s[PERI_CONF_OIDC], err) ||
        read_storage(l, s[PERI_CONF_STORAGE], err) ||
        read_limits(l, s[PERI_CONF_LIMITS], err) ||
        peri_conf_quick(l, s[PERI_CONF_QUICK], err) ||
        read_datasets(l, s[PERI_CONF_DATASETS], err))
        return -1;
    l->c->identity = (peri_identity_t)identity;
    l->c->identity_least = (uid_t)least;
    if (identity != PERI_IDENTITY_UNIX) return 0;
    /* Whoever takes the name of a Unix user would get her rights. */
    if (l->c->accounts.sign_up == PERI_SIGNUP_OPEN)
        return peri_yaml_error(
            &l->yaml, s[PERI_CONF_IDENTITY], err,
            "with \"identity: unix\" sign_up cannot be \"open\": "
            "anyone could take the name of a Unix user, and her rights");
    if (l->c->all_users)
        return peri_yaml_error(
            &l->yaml, s[PERI_CONF_IDENTITY], err,
            "\"identity: unix\" is for a perigee that is not root's, "
            "and \"users: all\" for one that is: remove one of the two");
    return 0;
}

void peri_conf_portal_defaults(peri_config_t *c)
{
    c->web_socket = peri_arena_printf(c->arena, "%s/web.sock", c->state);
    c->transfer_socket = peri_arena_printf(c->arena, "%s/transfer.sock", c->state);
    if (!c->datasets) usual_datasets(c);
    if (!c->storage.folder)
        c->storage.folder = peri_arena_printf(c->arena, "%s/volumes", c->state);
}
