/* doctor_helper.c - `perigee doctor` on jobs as their Unix users. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "core/base/util.h"
#include "portal/helper/client.h"

/* The folder lets others pass, and so do those above it. */
static char *closed_part(const char *path)
{
    char *part = peri_xstrdup(path);
    struct stat st;
    for (size_t i = 1; i <= strlen(path); i++) {
        if (path[i] && path[i] != '/') continue;
        part[i] = '\0';
        if (stat(part, &st) == 0 && !(st.st_mode & S_IXOTH)) return part;
        part[i] = path[i];
    }
    free(part);
    return NULL;
}

void peri_check_helper(peri_doctor_t *d)
{
    const peri_config_t *c = d->conf;
    peri_err_t err = {0};
    if (c->identity != PERI_IDENTITY_UNIX) return;
    char *socket = peri_helper_socket(c);
    char *program = peri_xasprintf("%s/perigee-helper", c->bin);
    char *closed = closed_part(c->spool);
    if (access(program, X_OK))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "helper", "install perigee anew",
                        "%s is missing", program);
    else if (closed)
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "helper",
                        "let all pass (chmod o+x), or name another spool",
                        "jobs cannot enter their folders: %s is closed to their users",
                        closed);
    else if (access(socket, F_OK))
        peri_doctor_say(d, PERI_DOCTOR_WARNING, "helper",
                        "'perigee up' of root starts it",
                        "perigee-helper does not run: no job starts as its Unix user");
    else if (peri_helper_ping(socket, &err))
        peri_doctor_say(d, PERI_DOCTOR_PROBLEM, "helper",
                        "'perigee up' of root starts it", "%s", err.text);
    else
        peri_doctor_say(d, PERI_DOCTOR_OK, "helper", NULL,
                        "jobs run as Unix users with uids from %u on%s%s",
                        (unsigned)c->identity_least,
                        c->identity_group ? " in the group " : "",
                        c->identity_group ? c->identity_group : "");
    free(closed);
    free(program);
    free(socket);
}
