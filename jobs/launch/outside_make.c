/* outside_make.c - what the outer half makes before anything runs: the command line of
 * bubblewrap, and one file in memory with all that the inner half is to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/util.h"
#include "jobs/launch/command.h"
#include "jobs/launch/outside.h"
#include "jobs/sandbox/shm.h"

#define TMP_DEFAULT (1ull << 30)
#define TMP_LEAST   (64ull << 20)

typedef peri_outside_t outside_t;

/* ---- what the inner half gets ---- */

static int memory_file(const char *name, const char *text, size_t len, peri_err_t *err)
{
    int fd = memfd_create(name, 0);
    if (fd >= 0 && peri_write_all(fd, text, len) == 0 && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    if (fd >= 0) close(fd);
    return peri_err_set(err, PERI_EINTERNAL, "cannot make a file in memory: %m");
}

static int text_file(const char *name, const char *text, peri_err_t *err)
{
    return memory_file(name, text, strlen(text), err);
}

static json_t *words_json(const char *const *words, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_stringn_nocheck(words[i], strlen(words[i])));
    return list;
}

static json_t *check_json(const peri_places_in_t *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "to", p->v[i].to, "dev",
                                              (json_int_t)p->v[i].dev, "ino",
                                              (json_int_t)p->v[i].ino));
    return list;
}

static int make_request(outside_t *o, peri_err_t *err)
{
    const peri_launch_t *l = &o->t.l;
    char *const *env = peri_command_environ(&o->t);
    size_t nenv = 0;
    while (env[nenv]) nenv++;
    const char *program = l->script ? "the script" : o->words[o->nstarter];
    const int64_t rank = o->t.srun ? peri_env_int("SLURM_LOCALID", 0) : 0;
    const int err_fd = fcntl(2, F_DUPFD, 3);
    json_t *words = words_json((const char *const *)env, nenv);
    if (o->srun_inside >= 0)
        json_array_append_new(words,
                              json_sprintf("%s=%d", PERI_SRUN_ENV, o->srun_inside));
    json_t *j = json_pack("{s:s, s:o, s:o, s:s, s:I, s:I, s:s, s:o, s:i, s:i, s:i}",
                          "host", o->t.host, "argv", words_json(o->words, o->nwords),
                          "env", words, "dir", l->dir ? l->dir : o->t.folder, "starter",
                          (json_int_t)o->nstarter, "local_rank", (json_int_t)rank,
                          "program", program, "check", check_json(&o->places), "tale",
                          o->tale[1], "err", err_fd, "srun", o->srun_inside);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (!text || err_fd < 0) {
        free(text);
        return peri_err_set(err, PERI_EINVAL,
                            "a word or a value of the command is not valid UTF-8 text");
    }
    o->request = text_file("perigee-request", text, err);
    free(text);
    return o->request < 0 ? -1 : 0;
}

/* ---- the sandbox ---- */

/* Only the user: of others of this machine she sees numbers. */
static int make_accounts(outside_t *o, peri_err_t *err)
{
    const peri_sandbox_t *s = o->t.l.sandbox;
    const char *name = s->user ? s->user : "user", *home = s->home ? s->home : "/tmp";
    o->passwd = text_file("passwd",
                          peri_arena_printf(o->t.arena, "%s:x:%u:%u::%s:/bin/sh\n", name,
                                            geteuid(), getegid(), home),
                          err);
    if (o->passwd < 0) return -1;
    o->group = text_file(
        "group", peri_arena_printf(o->t.arena, "%s:x:%u:\n", name, getegid()), err);
    return o->group < 0 ? -1 : 0;
}

/* Folders that the PMIx server of slurmd shares with its ranks. */
static const char *const *server_folders(const outside_t *o)
{
    static const char *const names[] = {"PMIX_SERVER_TMPDIR", "PMIX_DSTORE_ESH_BASE_PATH",
                                        "PMIX_DSTORE_21_BASE_PATH", "PMIX_SYSTEM_TMPDIR"};
    const size_t n = sizeof(names) / sizeof(*names);
    const char **list = peri_arena_calloc(o->t.arena, n + 1, sizeof(*list));
    size_t m = 0;
    for (size_t i = 0; i < n && o->t.srun; i++) {
        const char *s = getenv(names[i]);
        /* Not all of /tmp: there may be others' files. */
        if (s && *s == '/' && strcmp(s, "/tmp") && strcmp(s, "/")) list[m++] = s;
    }
    return list;
}

static const char *const *own_folders(const outside_t *o)
{
    const char **list = peri_arena_calloc(o->t.arena, 3, sizeof(*list));
    list[0] = peri_outside_parent(o->self, o->t.arena);
    list[1] =
        peri_arena_printf(o->t.arena, "%s/lib", peri_outside_parent(list[0], o->t.arena));
    return list;
}

static const char *step_name(const outside_t *o)
{
    const char *step = getenv("SLURM_STEP_ID");
    return peri_arena_printf(o->t.arena, "%s-%s", o->t.mark, step ? step : "0");
}

int peri_outside_prepare(outside_t *o, peri_err_t *err)
{
    const peri_launch_t *l = &o->t.l;
    o->bwrap = peri_sandbox_bwrap(err);
    if (!o->bwrap) return -1;
    if (peri_sandbox_open(l->sandbox, o->t.folder, l->results, o->t.arena, &o->places,
                          err))
        return -1;
    if (o->t.srun) {
        o->shm_fd = peri_shm_take(step_name(o), o->t.arena, &o->shm, err);
        if (o->shm_fd < 0) return -1;
    }
    o->said = memfd_create("said", MFD_CLOEXEC);
    if (o->said < 0 || pipe(o->tale) || pipe(o->info) ||
        fcntl(o->tale[0], F_SETFD, FD_CLOEXEC) || fcntl(o->info[0], F_SETFD, FD_CLOEXEC))
        return peri_err_set(err, PERI_EINTERNAL, "cannot make a pipe: %m");
    return peri_sruns_open(&o->sruns, &o->t, &o->srun_inside, err) ||
                   make_accounts(o, err) || make_request(o, err)
               ? -1
               : 0;
}

const char *const *peri_outside_bwrap(const outside_t *o)
{
    const peri_launch_t *l = &o->t.l;
    const char *const inside[] = {o->self, PERI_INSIDE_ARG,
                                  peri_arena_printf(o->t.arena, "%d", o->request), NULL};
    const char **hide =
        peri_arena_calloc(o->t.arena, l->sandbox->nhide + 1, sizeof(*hide));
    memcpy(hide, l->sandbox->hide, l->sandbox->nhide * sizeof(*hide));
    const uint64_t tmp = l->memory ? l->memory : TMP_DEFAULT;
    const peri_sandbox_words_t in = {.bwrap = o->bwrap,
                                     .inside = inside,
                                     .places = &o->places,
                                     .own = own_folders(o),
                                     .servers = server_folders(o),
                                     .hide = hide,
                                     .shm = o->shm,
                                     .user = l->sandbox->user,
                                     .srun = o->srun_inside >= 0 ? PERI_SRUN_AT : NULL,
                                     .self = o->self,
                                     .tmp_max = tmp < TMP_LEAST ? TMP_LEAST : tmp,
                                     .network = l->sandbox->network || o->t.srun,
                                     .passwd = o->passwd,
                                     .group = o->group,
                                     .info = o->info[1]};
    return peri_sandbox_words(&in, o->t.arena);
}

void peri_outside_tidy(outside_t *o)
{
    peri_sandbox_close(&o->places);
    peri_shm_drop(o->shm_fd, o->shm);
    free(o->bwrap);
    o->bwrap = NULL;
}
