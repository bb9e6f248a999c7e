/* front.h - the web door: what nginx is told, where its files lie, who all of it runs as.
 *
 *   STATE/web/          0700, of the user that perigee runs as
 *     nginx.conf        generated; written to another name, tested, renamed
 *     certificate.pem, key.pem   copies: who may read the originals is root alone
 *     control           a socket on which nginx tells which configuration it has
 *     data/             a link NUMBER to the folder of each data volume that was read
 * from lock              held by nginx while it lives; its process group is in it port
 * the port that was found free at the first start access.log, error.log, tmp/
 *
 * The life of the process is in cli/nginx.c. Used from one thread.
 */
#ifndef PORTAL_FRONT_FRONT_H
#define PORTAL_FRONT_FRONT_H

#include "core/base/buf.h"
#include "portal/config/config.h"
#include "portal/front/rights.h"

#define PERI_FRONT_PORT 8750 /* and the next ones, if it is somebody else's */
#define PERI_FRONT_LAST 8799

/* ---- conf.c: the text ---- */

/* All paths are absolute; a path that nginx cannot be told (with "$" or a control
 * character) is an error. */
typedef struct {
    const char *folder, *control; /* STATE/web and its socket */
    const char *web_socket, *transfer_socket;
    const char *share;   /* has web/ */
    const char *files;   /* of the volumes */
    const char *jobs;    /* their folders, with results/ in each */
    const char *data;    /* has a link to the folder of each data volume */
    const char *address; /* "127.0.0.1", "[::1]", "*" */
    int port, redirect;  /* redirect 0: none */
    const char *url;     /* no slash at its end */
    bool any_name;       /* answer to whatever name it is called by */
    bool tls;            /* with the copies in `folder` */
    uint64_t seal;       /* of the certificate: another one, another text */
    bool root;           /* the workers, too, are root */
    int workers, connections, nofile;
} peri_frontconf_t;

/* The text of nginx.conf, and the mark by which nginx tells that it has it. */
int peri_front_write(const peri_frontconf_t *c, peri_buf_t *out, char mark[17],
                     peri_err_t *err);

extern const char *const peri_front_template;

/* ---- plan.c: from the configuration of Perigee ---- */

typedef enum { PERI_WANTED_OPEN, PERI_WANTED_OFF, PERI_WANTED_CLOSED } peri_wanted_t;

/* Shall there be a door? OFF: the configuration says no. CLOSED: *why (a sentence) says
 * what keeps it shut. */
peri_wanted_t peri_front_wanted(const peri_config_t *c, const peri_rights_t *r,
                                const char **why);

typedef struct {
    peri_frontconf_t conf;
    char *folder, *file, *control, *lock, *port_file, *error_log, *access_log;
    char *address, *url, *host; /* host: what to connect to from here */
    char *files, *jobs, *data;
} peri_front_t;

/* The names only; free it in any case. The port is the configured or the kept one, or 0.
 */
void peri_front_init(peri_front_t *f, const peri_config_t *c);
void peri_front_free(peri_front_t *f); /* accepts a zeroed struct */
/* Makes the folder and finds a port unless there is one (`running`: nginx has it
 * already); 1: it is another one than before. */
int peri_front_choose_port(peri_front_t *f, const peri_config_t *c, bool running,
                           peri_err_t *err);
/* All else that nginx is told; puts the certificate there. */
int peri_front_prepare(peri_front_t *f, const peri_config_t *c, const peri_rights_t *r,
                       peri_err_t *err);

#endif
