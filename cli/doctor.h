/* doctor.h - the checks of `perigee doctor`. Each one looks at one thing, changes
 * nothing, and says ok, warning or problem, with what to do.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stddef.h>

#include "portal/front/rights.h"

typedef enum { PERI_DOCTOR_OK, PERI_DOCTOR_WARNING, PERI_DOCTOR_PROBLEM } peri_health_t;

typedef struct peri_doctor peri_doctor_t;
struct peri_doctor {
    const peri_config_t *conf;
    const peri_rights_t *rights;
    void (*say)(peri_doctor_t *d, peri_health_t health, const char *what,
                const char *text, const char *remedy);
    void *arg;
};

/* fmt is for the text; remedy may be NULL. */
void peri_doctor_say(peri_doctor_t *d, peri_health_t health, const char *what,
                     const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The folder, or the nearest one above it that exists; the caller frees. */
char *peri_doctor_existing(const char *path);
struct statfs;
/* How much room there is in it. */
void peri_doctor_space(peri_doctor_t *d, const char *what, const char *path,
                       const struct statfs *fs);
/* Warns if jobs go to other machines, which may not see it. */
void peri_doctor_shared(peri_doctor_t *d, const char *what, const char *path,
                        const struct statfs *fs);

typedef void peri_check_f(peri_doctor_t *d);

/* doctor_machine.c: programs, tools, filters, cores, clock. */
peri_check_f peri_check_programs, peri_check_parallel, peri_check_filters,
    peri_check_build, peri_check_machine, peri_check_clock;
/* doctor_service.c: folders, PostgreSQL, schedulers, the daemon. */
peri_check_f peri_check_state, peri_check_spool, peri_check_postgres,
    peri_check_schedulers, peri_check_sandbox, peri_check_daemon;
/* doctor_storage.c: files and tables of accounts, quick queries. */
peri_check_f peri_check_storage, peri_check_quick;
/* doctor_web.c: the user that it runs as, nginx, its address, its certificate. */
peri_check_f peri_check_user, peri_check_web;
/* doctor_helper.c: jobs as their Unix users. */
peri_check_f peri_check_helper;

#endif
