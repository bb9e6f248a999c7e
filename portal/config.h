/* config.h - the configuration of a Perigee installation: one YAML file, everything in it
 * optional.
 *
 * Looked for in: --config, $PERIGEE_CONFIG, perigee.yaml in the state folder,
 * /etc/perigee/perigee.yaml. docs/admin/configuration.md is the reference. Errors carry
 * "FILE:LINE:COLUMN: ...". Used by the daemon and by `perigee up|down|status|doctor`.
 */
#ifndef PORTAL_CONFIG_H
#define PORTAL_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "perigee/err.h"

typedef struct {
    const char *name;   /* "local", "slurm" */
    const json_t *conf; /* its section; an object */
    double poll;        /* seconds between two looks at it */
    double grace;       /* seconds to wait for an exit record after it says "ended" */
} peri_confsched_t;

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
    bool all_users;     /* other users of this machine may use it (only as root) */
    const char *scheduler; /* the default one */
    peri_confsched_t *schedulers;
    size_t nschedulers;
    double keep_days;         /* of finished jobs; 0: for ever */
    struct peri_arena *arena; /* private */
    json_t *json;             /* private */
} peri_config_t;

/* path NULL: looked for as above. */
peri_config_t *peri_config_load(const char *path, peri_err_t *err);
void peri_config_free(peri_config_t *c);
const peri_confsched_t *peri_config_scheduler(const peri_config_t *c, const char *name);

#endif
