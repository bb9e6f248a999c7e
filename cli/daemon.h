/* daemon.h - starting and stopping perigeed on this machine.
 *
 * That it runs is known from its lock on the pidfile alone: a pid whose file nobody has
 * locked is history, and is never sent a signal. `up` and `down` exclude each other by a
 * lock of their own.
 */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

#include "perigee/err.h"
#include "portal/config/config.h"

typedef struct {
    bool running;
    pid_t pid; /* 0: it runs, but the file does not say it yet */
} peri_daemon_t;

/* A descriptor that holds the lock of `up` and `down`; waits so long for another one
 * (PERI_ELIMIT). */
int peri_daemon_lock(const peri_config_t *conf, double seconds, peri_err_t *err);
/* The following need that lock. */
int peri_daemon_look(const peri_config_t *conf, peri_daemon_t *d, peri_err_t *err);
/* It was a child of a `perigee up --foreground` that does not live any more. */
bool peri_daemon_orphaned(const peri_daemon_t *d);
/* The state folder, private: 0700, for root 0711 (jobs of other users lie below it). */
int peri_daemon_folder(const peri_config_t *conf, peri_err_t *err);
int peri_daemon_installed(const peri_config_t *conf, peri_err_t *err);
/* What perigeed says of the configuration before it takes it. */
int peri_daemon_check(const peri_config_t *conf, peri_err_t *err);
/* detach: in a session of its own, what it says into the log. Else it is a child in our
 * session with our stderr. */
pid_t peri_daemon_start(const peri_config_t *conf, bool detach, peri_err_t *err);
/* Until the API answers; child > 0: or it has ended (it is reaped then). */
int peri_daemon_ready(const peri_config_t *conf, pid_t child, peri_err_t *err);
/* If its program or configuration is another one than it was started with (or `always`),
 * perigeed hands over to its successor in the same process: requests under way are
 * answered, new ones wait for a moment. *renewed: it did. */
int peri_daemon_renew(const peri_config_t *conf, bool always, bool *renewed,
                      peri_err_t *err);
/* SIGTERM, then wait until it is gone; after half a minute SIGKILL, which it survives
 * without loss (*killed). Not running: nothing. */
int peri_daemon_stop(const peri_config_t *conf, bool *killed, peri_err_t *err);
/* The last lines of the log from the place `from` on, to stderr. */
void peri_daemon_tail(const peri_config_t *conf, off_t from);

#endif
