/* doctor_web.c - checks of the web door and of the user that all of it runs as; see
 * doctor.h.
 */
#include <stdlib.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/door.h"

#define DAYS_WARN 21

void peri_check_user(peri_doctor_t *d)
{
    if (d->rights->hint)
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "user", "docs/admin/web.md", "%s",
                        d->rights->hint);
    else if (d->rights->later)
        peri_doctor_say(d, PERI_DOCTOR_OK, "user", NULL,
                        "'perigee up' will run all of it as \"%s\"", d->rights->later);
    else if (d->rights->root)
        peri_doctor_say(d, PERI_DOCTOR_OK, "user", NULL,
                        "runs as root, as the configuration says");
}

static void check_pages(peri_doctor_t *d)
{
    if (access(d->conf->share, R_OK | X_OK))
        peri_doctor_say(
            d, PERI_DOCTOR_WARNING, "web", "install all of Perigee: cmake --install",
            "the pages in %s are missing, or closed to this user", d->conf->share);
}

static void check_certificate(peri_doctor_t *d, const peri_doorsight_t *s)
{
    if (!s->tls || !s->status) return;
    if (s->days < DAYS_WARN)
        peri_doctor_say(d, s->days < 0 ? PERI_DOCTOR_PROBLEM : PERI_DOCTOR_WARNING, "web",
                        "put a new one in place, then 'perigee reload'",
                        s->days < 0 ? "its certificate has expired %.0f days ago"
                                    : "its certificate expires in %.0f days",
                        s->days < 0 ? -s->days : s->days);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "web", NULL,
                        "its certificate is valid for %.0f days", s->days);
}

void peri_check_web(peri_doctor_t *d)
{
    peri_doorsight_t s;
    if (d->rights->hint) return; /* told already */
    if (access(d->conf->state, F_OK) == 0 && access(d->conf->state, R_OK | X_OK)) return;
    peri_door_look(d->conf, d->rights, &s);
    if (s.wanted == PERI_WANTED_CLOSED)
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "web", NULL, "%s", s.note);
    else if (s.wanted == PERI_WANTED_OFF)
        peri_doctor_say(d, PERI_DOCTOR_OK, "web", NULL, "off, as the configuration says");
    else if (!s.installed)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "web", "apt-get install nginx",
                        "nginx is not installed");
    else if (!s.answers)
        peri_doctor_say(d, s.status ? PERI_DOCTOR_PROBLEM : PERI_DOCTOR_WARNING, "web",
                        s.status ? "name another port with listen in the section web"
                                 : "'perigee up' starts it",
                        s.status ? "another program answers at %s" : "nginx does not run",
                        s.url);
    else if (!s.status || !s.ours)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "web", "see error.log in its folder web",
                        "nginx runs, but at %s %s", s.url,
                        s.status ? "another program answers" : s.why);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "web", NULL, "answers at %s", s.url);
    if (s.wanted == PERI_WANTED_OPEN) check_pages(d);
    if (s.answers) check_certificate(d, &s);
    peri_doorsight_free(&s);
}
