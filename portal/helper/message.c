/* message.c - see message.h. */
#include "portal/helper/message.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

/* As useradd has them, and capitals. */
bool peri_helper_name_ok(const char *name)
{
    const size_t n = strlen(name);
    if (n == 0 || n > 32 || !(isalpha((unsigned char)name[0]) || name[0] == '_'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i])) return false;
    return true;
}

bool peri_helper_uuid_ok(const char *uuid)
{
    if (strlen(uuid) != 36) return false;
    for (size_t i = 0; i < 36; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? uuid[i] != '-' : !strchr("0123456789abcdef", uuid[i])) return false;
    }
    return true;
}

const char *peri_helper_step_ok(const char *step, size_t space)
{
    const size_t n = strlen(step);
    if (n == 0 || n >= space || step[0] == '.') return "the step has no proper name";
    for (size_t i = 0; i < n; i++)
        if (step[i] == '/' || iscntrl((unsigned char)step[i]))
            return "the step has no proper name";
    return NULL;
}

bool peri_helper_path_ok(const char *path)
{
    if (!*path) return true;
    for (const char *s = path;; s++) {
        const size_t n = strcspn(s, "/");
        if (n == 0 || (n <= 2 && strspn(s, ".") >= n)) return false;
        for (size_t i = 0; i < n; i++)
            if (iscntrl((unsigned char)s[i])) return false;
        s += n;
        if (!*s) return true;
    }
}

void peri_helper_slot(uint64_t volume, const char *path, char out[PERI_HELPER_SLOT])
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *s = path; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    if (*path)
        snprintf(out, PERI_HELPER_SLOT, "%llu-%016llx", (unsigned long long)volume,
                 (unsigned long long)h);
    else
        snprintf(out, PERI_HELPER_SLOT, "%llu", (unsigned long long)volume);
}

/* ---- packets ---- */

static bool ends(const char *text, size_t space)
{
    return memchr(text, '\0', space) != NULL;
}

static const char *check_task(const peri_helperask_t *a)
{
    if (!ends(a->user, sizeof(a->user)) || !peri_helper_name_ok(a->user))
        return "the user has no proper name";
    if (!ends(a->uuid, sizeof(a->uuid)) || !peri_helper_uuid_ok(a->uuid))
        return "the job has no proper uuid";
    if (!ends(a->step, sizeof(a->step))) return "the step has no proper name";
    if (a->attempt < 0 || a->index < 0 || a->array > 1)
        return "the number of the attempt or of the task is none";
    return peri_helper_step_ok(a->step, sizeof(a->step));
}

static const char *check_kill(const peri_helperask_t *a)
{
    if (a->signal != 0 && a->signal != SIGTERM && a->signal != SIGKILL)
        return "this signal is not sent";
    if (a->pid < 0 || a->pid == 1) return "this process is not signalled";
    return NULL;
}

static const char *read_mounts(const char *at, size_t left, peri_helperrequest_t *out)
{
    for (uint32_t i = 0; i < out->ask.nmounts; i++) {
        peri_helpermount_t m;
        if (left < sizeof(m)) return "a folder is cut off";
        memcpy(&m, at, sizeof(m));
        at += sizeof(m);
        left -= sizeof(m);
        if (m.len == 0 || m.len > PERI_HELPER_PATH || m.len > left)
            return "the path of a folder is cut off or too long";
        if (memchr(at, '\0', m.len) != at + m.len - 1)
            return "the path of a folder does not end where it should";
        if (m.volume == 0 || m.volume > INT64_MAX || m.write > 1 ||
            !peri_helper_path_ok(at))
            return "a folder is not one of a volume";
        out->binds[i] = (peri_helperbind_t){m.volume, m.write == 1, at};
        at += m.len;
        left -= m.len;
    }
    return left ? "there is more than was announced" : NULL;
}

const char *peri_helper_parse(const void *data, size_t len, peri_helperrequest_t *out)
{
    peri_helperask_t *a = &out->ask;
    const char *why = NULL;
    if (len < sizeof(*a) || len > PERI_HELPER_MAX) return "the request has a wrong size";
    memcpy(a, data, sizeof(*a));
    if (a->magic != PERI_HELPER_MAGIC) return "it is no request of this version";
    if (a->verb < PERI_HELPER_PING || a->verb > PERI_HELPER_STOP)
        return "nothing like that is done here";
    if (a->nmounts > PERI_HELPER_MOUNTS) return "too many folders";
    if (a->nmounts && a->verb != PERI_HELPER_START) return "folders are only for a start";
    if (a->verb == PERI_HELPER_START || a->verb == PERI_HELPER_KILL) why = check_task(a);
    if (!why && a->verb == PERI_HELPER_KILL) why = check_kill(a);
    if (why) return why;
    return read_mounts((const char *)data + sizeof(*a), len - sizeof(*a), out);
}
