/* submit_unix.c - submissions that perigee-helper starts as Unix users; see submit.h.
 */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/helper/client.h"
#include "portal/jobs/submit.h"

#define SPACE 16384

int peri_subm_unix(const peri_portal_t *p, const peri_subm_t *s, const char *scheduler,
                   peri_err_t *err)
{
    if (p->config->identity != PERI_IDENTITY_UNIX || !s->row.sandbox)
        return peri_err_set(err, PERI_EDENIED,
                            "the job is to run as the Unix user %s, but perigee does not "
                            "start jobs of others any more (\"identity: unix\")",
                            s->row.user);
    if (strcmp(scheduler, "local"))
        return peri_err_set(err, PERI_EUNSUPP, PERI_HELPER_ONLY_LOCAL, scheduler);
    return 0;
}

int peri_subm_folders(const peri_portal_t *p, const peri_subm_t *s, peri_err_t *err)
{
    const peri_submissionrow_t *r = &s->row;
    if (!s->folders) return 0;
    char *folder = peri_folder_attempt(p->config->spool, r->uuid, r->step, r->attempt);
    char *list = peri_xasprintf("%s/" PERI_HELPER_LIST, folder);
    int rc = peri_file_write_private(list, s->folders, strlen(s->folders), err);
    free(list);
    free(folder);
    return rc;
}

const char *peri_subm_home(const peri_subm_t *s)
{
    struct passwd pw, *found = NULL;
    if (s->row.uid == geteuid() || geteuid() == 0) return NULL;
    char *space = peri_arena_alloc(s->arena, SPACE);
    getpwuid_r(s->row.uid, &pw, space, SPACE, &found);
    return found ? found->pw_dir : "/";
}
