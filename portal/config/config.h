/* config.h - the configuration of a Perigee installation: one YAML file, everything in it
 * optional.
 *
 * Looked for in: --config, $PERIGEE_CONFIG, perigee.yaml in the state folder,
 * /etc/perigee/perigee.yaml. docs/admin/configuration.md is the reference. Errors carry
 * "FILE:LINE:COLUMN: ...". Used by the daemon and by `perigee up|down|status|doctor`.
 */
#ifndef PORTAL_CONFIG_CONFIG_H
#define PORTAL_CONFIG_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "perigee/err.h"
#include "portal/config/config_web.h"

typedef struct {
    const char *name;   /* "local", "slurm" */
    const json_t *conf; /* its section; an object */
    double poll;        /* seconds between two looks at it */
    double grace;       /* seconds to wait for an exit record after it says "ended" */
} peri_confsched_t;

typedef enum {
    PERI_IDENTITY_SERVICE, /* jobs of portal accounts run as the daemon's user, in a
                              sandbox */
    PERI_IDENTITY_UNIX     /* ... as the Unix user of the same name */
} peri_identity_t;

typedef enum {
    PERI_SIGNUP_OPEN,
    PERI_SIGNUP_INVITATION,
    PERI_SIGNUP_APPROVAL,
    PERI_SIGNUP_CLOSED
} peri_signup_t;

typedef struct {
    peri_signup_t sign_up; /* invitation */
    double session_hours;  /* idle; 168 */
    bool admin_totp;       /* administrators need a second factor */
} peri_confaccounts_t;

typedef struct {
    const char *server; /* "smtp://host:587" or "smtps://..."; NULL: no mail */
    const char *from;
    const char *user, *password_file; /* NULL: none */
    enum { PERI_MAIL_TLS_REQUIRED, PERI_MAIL_TLS_TRY, PERI_MAIL_TLS_OFF } tls;
    const char *ca_file; /* certificates that are trusted; NULL: the system's */
} peri_confmail_t;

typedef struct {
    const char *name, *title; /* of the provider: in paths, for people */
    const char *issuer, *client_id, *client_secret_file;
    const char *scopes;  /* "openid profile email" */
    bool sign_up;        /* a first sign-in makes an account */
    const char *ca_file; /* certificates that are trusted; NULL: the system's */
} peri_confoidc_t;

typedef struct {
    const char *folder;       /* of volumes; STATE/volumes */
    int64_t persistent_quota; /* bytes an account; 10 GB */
    int64_t scratch_quota;    /* 100 GB */
    int64_t team_quota;       /* a team's volume; 100 GB */
    double scratch_days;      /* 30 */
    double trash_days;        /* 14 */
    bool links;               /* links for people without an account; true */
    double link_days;         /* the longest; 30 */
} peri_confstorage_t;

/* What one command of a quick query may use, and how many run. */
typedef struct {
    double seconds;      /* 60 */
    int64_t rows;        /* 100000; 0: any number */
    int64_t memory;      /* bytes; 2 GB */
    int64_t bytes;       /* of an answer; 1 GB */
    int processes;       /* at once, and half as many that take long; 2 for each core */
    int per_account;     /* 2 */
    int64_t upload;      /* bytes of a file that becomes a table; 10 GB */
    double history_days; /* what was asked is kept so long; 90; 0: for ever */
} peri_confquick_t;

typedef struct {
    const char *source;  /* the file, or NULL: all defaults */
    const char *state;   /* absolute folder */
    const char *spool;   /* folder of the jobs, seen by all nodes; STATE/jobs */
    const char *socket;  /* of the API; STATE/perigeed.sock */
    const char *log;     /* STATE/perigeed.log */
    const char *pidfile; /* STATE/perigeed.pid; locked while it runs */
    const char
        *database;      /* libpq's conninfo; NULL: the private server in STATE/postgres */
    const char *pg_dir; /* STATE/postgres */
    const char *bin;    /* folder of our programs */
    const char *share;  /* folder of the files that go with them; may be missing */
    const char *user;   /* who it runs as when root starts it; NULL: not said */
    peri_confweb_t web;
    bool all_users;        /* other users of this machine may use it (only as root) */
    const char *scheduler; /* the default one */
    peri_confsched_t *schedulers;
    size_t nschedulers;
    double keep_days;            /* of finished jobs; 0: for ever */
    const char *web_socket;      /* nginx's door, short requests; STATE/web.sock */
    const char *transfer_socket; /* ... long ones; STATE/transfer.sock */
    peri_identity_t identity;
    uid_t identity_least;       /* the lowest uid of people; 1000 */
    const char *identity_group; /* whose members' jobs are run; NULL: everybody's */
    peri_confaccounts_t accounts;
    peri_confmail_t mail;
    peri_confoidc_t *oidc; /* providers */
    size_t noidc;
    peri_confstorage_t storage;
    peri_confquick_t quick;
    const char *const *datasets; /* folders of descriptors, the first of a name counts */
    size_t ndatasets;
    double requests_per_minute; /* of an account; a quarter for an address; 0: any */
    struct peri_arena *arena;   /* private */
    json_t *json;               /* private */
} peri_config_t;

/* path NULL: looked for as above. */
peri_config_t *peri_config_load(const char *path, peri_err_t *err);
void peri_config_free(peri_config_t *c);
const peri_confsched_t *peri_config_scheduler(const peri_config_t *c, const char *name);

#endif
