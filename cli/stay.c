/* stay.c - see stay.h. What it does it does under the lock of `up` and `down`: while one
 * of them is at work, whatever seems to have ended is their business.
 */
#include "cli/stay.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/daemon.h"
#include "cli/door.h"
#include "core/base/util.h"
#include "jobs/store/db.h"

#define WATCH     2 /* seconds between two looks */
#define ROTATE    60.0
#define MAX_FALLS 5     /* that often in a row ... */
#define STEADY    60.0  /* ... within so many seconds of its start: give up */
#define ASIDE     2.0   /* a door that cannot be opened is tried again, ... */
#define ASIDE_MAX 300.0 /* ... each time twice as late */

typedef struct {
    const peri_config_t *conf;
    pid_t daemon, door;
    int falls;
    double started, rotated, door_at, aside;
} stay_t;

typedef enum { GO_ON, ASKED, GIVE_UP } verdict_t;

/* With 0 perigeed was asked to end, by 'perigee down'. */
static verdict_t watch_daemon(stay_t *s)
{
    int status;
    peri_err_t err = {0};
    if (waitpid(s->daemon, &status, WNOHANG) != s->daemon) return GO_ON;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ASKED;
    s->falls = peri_now() - s->started < STEADY ? s->falls + 1 : 1;
    if (s->falls > MAX_FALLS) {
        fputs("perigee: perigeed ends again and again\n", stderr);
        return GIVE_UP;
    }
    fputs("perigee: perigeed has ended unexpectedly; starting it again\n", stderr);
    s->daemon = peri_daemon_start(s->conf, false, &err);
    s->started = peri_now();
    if (s->daemon > 0) return GO_ON;
    (void)peri_cli_fail(&err);
    return GIVE_UP;
}

static void watch_postgres(const stay_t *s)
{
    peri_pgstatus_t pg = {0};
    peri_err_t err = {0};
    if (s->conf->database || peri_pg_status(s->conf->pg_dir, &pg, &err) || pg.running)
        return;
    fputs("perigee: PostgreSQL has ended unexpectedly; starting it again\n", stderr);
    if (peri_pg_start(s->conf->pg_dir, &err)) (void)peri_cli_fail(&err);
}

/* With the text that is there: a changed configuration waits for 'perigee reload'. */
static void watch_door(stay_t *s)
{
    peri_front_t f;
    peri_nginx_t n;
    peri_err_t err = {0};
    peri_front_init(&f, s->conf);
    if (peri_nginx_look(&f, &n, &err) == 0 && n.master) {
        if (peri_now() - s->rotated > ROTATE) {
            peri_nginx_rotate(&f, &n, false);
            s->rotated = peri_now();
        }
    } else if (access(f.file, F_OK) == 0 && peri_now() >= s->door_at) {
        fputs("perigee: nginx has ended unexpectedly; starting it again\n", stderr);
        if (peri_nginx_again(&f, &s->door, &err) == 0) {
            s->aside = 0;
        } else {
            (void)peri_cli_fail(&err);
            s->aside = s->aside > 0 ? fmin(2 * s->aside, ASIDE_MAX) : ASIDE;
            s->door_at = peri_now() + s->aside;
        }
    }
    peri_front_free(&f);
}

int peri_stay(const peri_config_t *conf, pid_t daemon, pid_t door, pid_t helper,
              const sigset_t *ours)
{
    const struct timespec period = {.tv_sec = WATCH};
    stay_t s = {.conf = conf, .daemon = daemon, .door = door, .started = peri_now()};
    verdict_t v = GO_ON;
    while (v == GO_ON) {
        int sig = sigtimedwait(ours, NULL, &period);
        if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP) v = ASKED;
        if (v != GO_ON) break;
        if (helper > 0 && waitpid(helper, NULL, WNOHANG) == helper) {
            helper = 0;
            fputs("perigee: perigee-helper has ended, which only root can start: run "
                  "'perigee up' as root\n",
                  stderr);
        }
        if (s.door > 0 && waitpid(s.door, NULL, WNOHANG) == s.door) s.door = 0;
        peri_err_t err = {0};
        int lock = peri_daemon_lock(conf, 0, &err);
        if (lock < 0) continue;
        v = watch_daemon(&s);
        if (v == GO_ON) watch_postgres(&s);
        if (v == GO_ON) watch_door(&s);
        close(lock);
    }
    return v == GIVE_UP;
}
