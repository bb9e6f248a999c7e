/* user.c - see user.h. */
#include "portal/helper/user.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GROUPS 65536

/* 1: she is in it, 0: not, -1: there is no such group. */
static int is_member(const struct passwd *pw, const char *group)
{
    struct group gr, *found = NULL;
    char *space = malloc(PERI_USER_SPACE);
    gid_t *list = malloc(MAX_GROUPS * sizeof(*list));
    int n = MAX_GROUPS, in = -1;
    if (space && list && getgrnam_r(group, &gr, space, PERI_USER_SPACE, &found) == 0 &&
        found && getgrouplist(pw->pw_name, pw->pw_gid, list, &n) >= 0) {
        in = 0;
        for (int i = 0; i < n; i++) in |= list[i] == gr.gr_gid;
    }
    free(space);
    free(list);
    return in;
}

const char *peri_user_find(const char *name, const peri_userrules_t *rules,
                           peri_unixuser_t *out, char *why, size_t space, bool *gone)
{
    struct passwd *found = NULL;
    int e = getpwnam_r(name, &out->pw, out->space, sizeof(out->space), &found), in;
    if (gone) *gone = !found && e != 0 && e != ENOENT && e != ESRCH;
    if (!found && e && gone && *gone)
        snprintf(why, space, "the user database cannot be asked for \"%.40s\": %s", name,
                 strerror(e));
    else if (!found)
        snprintf(why, space, "there is no Unix user \"%.40s\" on this machine", name);
    else if (strcmp(out->pw.pw_name, name) != 0)
        snprintf(why, space, "the Unix user \"%.40s\" has another name", name);
    else if (out->pw.pw_uid == 0 || out->pw.pw_gid == 0)
        snprintf(why, space, "nothing is run as root or in its group (\"%.40s\")", name);
    else if (out->pw.pw_uid == rules->service)
        snprintf(why, space, "nothing is run as \"%.40s\", who perigeed runs as", name);
    else if (out->pw.pw_uid < rules->least)
        snprintf(why, space,
                 "\"%.40s\" (uid %u) is a user of the system: only uids from %u on are "
                 "people",
                 name, (unsigned)out->pw.pw_uid, (unsigned)rules->least);
    else if (rules->group && (in = is_member(&out->pw, rules->group)) != 1)
        snprintf(why, space,
                 in ? "whether \"%.40s\" is in the group \"%.40s\" cannot be found out"
                    : "\"%.40s\" is not in the group \"%.40s\", whose members may use it",
                 name, rules->group);
    else
        return NULL;
    return why;
}
