/* client.c - tasks of others, as the local scheduler wants them started; see client.h. */
#include "portal/helper/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/helper/user.h"

#define LIST_MAX (1u << 20)

/* ---- the list of folders ---- */

void peri_helper_list_put(peri_buf_t *out, int64_t volume, bool write, const char *path)
{
    peri_buf_printf(out, "%lld %c %s\n", (long long)volume, write ? 'w' : 'r', path);
}

static int bad_list(peri_err_t *err)
{
    return peri_err_set(err, PERI_EFORMAT,
                        "the list of the task's folders is damaged: send the job again");
}

int peri_helper_list_read(const char *text, size_t len, peri_buf_t *packet, uint32_t *n,
                          peri_err_t *err)
{
    *n = 0;
    for (const char *s = text, *end = text + len; s < end; ++*n) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        /* Numbers are read no further than the line: it is not over before its end. */
        if (!nl || *s < '0' || *s > '9') return bad_list(err);
        char *at;
        const unsigned long long volume = strtoull(s, &at, 10);
        if (at + 3 > nl || at[0] != ' ' || at[2] != ' ' || *n == PERI_HELPER_MOUNTS)
            return bad_list(err);
        const peri_helpermount_t m = {volume, at[1] == 'w', (uint32_t)(nl - at - 3) + 1};
        peri_buf_append(packet, &m, sizeof(m));
        peri_buf_append(packet, at + 3, m.len - 1);
        peri_buf_putc(packet, '\0');
        s = nl + 1;
    }
    return peri_buf_check(packet, "the task's folders", err);
}

/* ---- the starter ---- */

/* FOLDER is SPOOL/UUID/STEP/ATTEMPT. */
static int fill(const peri_config_t *c, const peri_startask_t *ask, peri_helperask_t *out,
                peri_err_t *err)
{
    const size_t n = strlen(c->spool);
    const char *at = ask->folder + n;
    char rest[16] = "";
    if (strncmp(ask->folder, c->spool, n) != 0 ||
        sscanf(at, "/%39[^/]/%199[^/]/%d%15s", out->uuid, out->step, &out->attempt,
               rest) != 3 ||
        strlen(ask->user) >= sizeof(out->user))
        return peri_err_set(err, PERI_EDENIED,
                            "the folder %s is not one of the spool %s: was it moved?",
                            ask->folder, c->spool);
    strcpy(out->user, ask->user);
    out->magic = PERI_HELPER_MAGIC;
    out->index = ask->index < 0 ? 0 : ask->index;
    out->array = ask->array;
    return 0;
}

static int start(void *self, const peri_startask_t *what, int end_fd, pid_t *pid,
                 uint64_t *began, int *pidfd, peri_err_t *err)
{
    const peri_config_t *c = self;
    peri_helperask_t ask = {.verb = PERI_HELPER_START};
    peri_helperanswer_t answer = {0};
    peri_buf_t packet, mounts;
    char *text = NULL, *socket = peri_helper_socket(c);
    char *list = peri_xasprintf("%s/" PERI_HELPER_LIST, what->folder);
    size_t len = 0;
    int rc = -1;
    peri_buf_init(&packet, PERI_HELPER_MAX);
    peri_buf_init(&mounts, PERI_HELPER_MAX);
    if (fill(c, what, &ask, err) || peri_file_slurp(list, LIST_MAX, &text, &len, err) ||
        peri_helper_list_read(text, len, &mounts, &ask.nmounts, err))
        goto out;
    peri_buf_append(&packet, &ask, sizeof(ask));
    if (mounts.len) peri_buf_append(&packet, mounts.data, mounts.len);
    if (peri_buf_check(&packet, "the request to perigee-helper", err)) {
        err->code = PERI_EDENIED;
        goto out;
    }
    rc = peri_helper_ask(socket, packet.data, packet.len, end_fd, &answer, pidfd, err);
    *pid = answer.pid;
    *began = answer.start;
out:
    peri_buf_free(&packet);
    peri_buf_free(&mounts);
    free(text);
    free(list);
    free(socket);
    return rc;
}

static int send_signal(void *self, const peri_startask_t *what, pid_t pid, uint64_t began,
                       int sig, pid_t *first)
{
    const peri_config_t *c = self;
    peri_helperask_t ask = {.verb = PERI_HELPER_KILL};
    peri_helperanswer_t answer = {0};
    peri_err_t err = {0};
    *first = 0;
    if (fill(c, what, &ask, &err)) return 0;
    ask.signal = sig;
    ask.pid = pid;
    ask.start = began;
    char *socket = peri_helper_socket(c);
    int rc = peri_helper_ask(socket, &ask, sizeof(ask), -1, &answer, NULL, &err);
    free(socket);
    /* Of a user who is none any more nothing can be told, now or later. */
    if (rc) return err.code == PERI_EDENIED ? 0 : -1;
    *first = answer.pid;
    return answer.found;
}

const peri_starter_t *peri_helper_starter(const peri_config_t *c)
{
    static peri_starter_t starter;
    starter = (peri_starter_t){(void *)(uintptr_t)c, start, send_signal};
    return &starter;
}

/* ---- who ---- */

int peri_helper_user(const peri_config_t *c, const char *name, uid_t *uid,
                     peri_err_t *err)
{
    const peri_userrules_t rules = {
        .least = c->identity_least, .service = geteuid(), .group = c->identity_group};
    peri_unixuser_t *u = peri_xcalloc(1, sizeof(*u));
    char text[256];
    bool gone;
    const char *why = peri_helper_name_ok(name)
                          ? peri_user_find(name, &rules, u, text, sizeof(text), &gone)
                          : "the name of the account cannot be that of a Unix user";
    if (!why) *uid = u->pw.pw_uid;
    free(u);
    if (!why) return 0;
    return peri_err_set(
        err, PERI_EDENIED,
        "jobs run as the Unix user of the account's name here, and %s: ask "
        "the administrator of the portal",
        why);
}

bool peri_helper_is_unix(const char *name)
{
    struct passwd pw, *found = NULL;
    char *space = peri_xmalloc(PERI_USER_SPACE);
    int e = getpwnam_r(name, &pw, space, PERI_USER_SPACE, &found);
    free(space);
    return found || (e != 0 && e != ENOENT && e != ESRCH);
}
