/* environ.c - the program's environment, and parameters in the words of its command.
 *
 * Later ones win: our own environment, that of the job, then what names the task.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "jobs/launch/command.h"
#include "jobs/launch/srun.h"
#include "jobs/task/procs.h"

extern char **environ;

typedef struct {
    peri_arena_t *arena;
    char **vars;
    size_t n, cap;
} env_t;

static void put(env_t *e, char *var)
{
    const size_t name = (size_t)(strchrnul(var, '=') - var);
    for (size_t i = 0; i < e->n; i++)
        if (strncmp(e->vars[i], var, name) == 0 && e->vars[i][name] == '=') {
            e->vars[i] = var;
            return;
        }
    if (e->n < e->cap) e->vars[e->n++] = var;
}

static void set(env_t *e, const char *prefix, const char *name, const char *value)
{
    put(e, peri_arena_printf(e->arena, "%s%s=%s", prefix, name, value ? value : ""));
}

static void set_int(env_t *e, const char *name, long value)
{
    put(e, peri_arena_printf(e->arena, "%s=%ld", name, value));
}

static void set_in_folder(env_t *e, const peri_task_t *t, const char *name,
                          const char *file)
{
    put(e, peri_arena_printf(e->arena, "%s=%s/%s", name, t->folder, file));
}

static bool begins(const char *var, const char *const *with, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strncmp(var, with[i], strlen(with[i]))) return true;
    return false;
}

/* What a sandboxed program may know of the place. That of srun is for ranks only: others
 * would take it as a reason to ask Slurm, which is outside. */
static bool is_harmless(const peri_task_t *t, const char *var)
{
    static const char *const always[] = {
        "LANG=", "LC_", "TZ=", "OMP_", "SLURM_CPUS_PER_TASK=", "SLURM_ARRAY_TASK_ID="};
    static const char *const ranks[] = {"SLURM_", "PMIX_", "PMI_", "OMPI_"};
    static const char *const never[] = {"SLURM_JWT", "SLURM_CONF"};
    if (begins(var, never, sizeof(never) / sizeof(*never))) return false;
    return begins(var, always, sizeof(always) / sizeof(*always)) ||
           (t->srun && begins(var, ranks, sizeof(ranks) / sizeof(*ranks)));
}

static void put_walled(env_t *e, const peri_task_t *t)
{
    const peri_sandbox_t *s = t->l.sandbox;
    char bin[4096] = "";
    ssize_t n = readlink("/proc/self/exe", bin, sizeof(bin) - 1);
    if (n > 0) bin[n] = '\0';
    char *slash = strrchr(bin, '/');
    if (slash) *slash = '\0';
    const bool steps = peri_task_has_steps(t);
    set(e, "", "PATH",
        peri_arena_printf(e->arena, "%s%s%s/usr/local/bin:/usr/bin:/bin",
                          steps ? PERI_SRUN_AT ":" : "", bin, *bin ? ":" : ""));
    if (steps) set(e, "", "SLURM_JOB_ID", getenv("SLURM_JOB_ID"));
    set(e, "", "HOME", s->home ? s->home : "/tmp");
    set(e, "", "USER", s->user ? s->user : "user");
    set(e, "", "LOGNAME", s->user ? s->user : "user");
    set(e, "", "TMPDIR", "/tmp");
    /* Leaks are looked for by ptrace, which no sandbox allows. */
    if (PERIGEE_SANITIZED) set(e, "", "ASAN_OPTIONS", "detect_leaks=0");
    /* Each rank in a sandbox of its own may not look into the memory of another. */
    if (t->srun) set(e, "", "OMPI_MCA_btl_vader_single_copy_mechanism", "none");
}

char *const *peri_command_bare_environ(const peri_task_t *t)
{
    size_t n = 0;
    while (environ[n]) n++;
    env_t e = {.arena = t->arena, .cap = n + 1};
    e.vars = peri_arena_calloc(t->arena, e.cap + 1, sizeof(*e.vars));
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "PERIGEE_FAILPOINT", 17) != 0) put(&e, environ[i]);
    set(&e, "", PERI_MARK_ENV, t->mark);
    return e.vars;
}

char *const *peri_command_environ(const peri_task_t *t)
{
    size_t inherited = 0;
    while (environ[inherited]) inherited++;
    env_t e = {.arena = t->arena, .cap = inherited + t->l.nenv + t->nparams + 24};
    e.vars = peri_arena_calloc(t->arena, e.cap + 1, sizeof(*e.vars));
    for (size_t i = 0; i < inherited; i++)
        /* Meant for this process, not for what it runs. */
        if (t->l.sandbox ? is_harmless(t, environ[i])
                         : strncmp(environ[i], "PERIGEE_FAILPOINT", 17) != 0)
            put(&e, environ[i]);
    if (t->l.sandbox) put_walled(&e, t);
    for (size_t i = 0; i < t->l.nenv; i++)
        set(&e, "", t->l.env[i].name, t->l.env[i].value);
    for (size_t i = 0; i < t->nparams; i++)
        set(&e, "PERIGEE_PARAM_", t->params[i].name, t->params[i].value);
    set(&e, "", "PERIGEE_JOB", t->l.uuid);
    set(&e, "", "PERIGEE_STEP", t->l.step);
    set_int(&e, "PERIGEE_INDEX", t->index);
    set_int(&e, "PERIGEE_ATTEMPT", t->l.attempt);
    set(&e, "", "PERIGEE_RESULTS", t->l.results ? t->l.results : t->folder);
    set_in_folder(&e, t, "PERIGEE_PROGRESS", "progress");
    set_in_folder(&e, t, "PERIGEE_REPORT", "report");
    set(&e, "", PERI_MARK_ENV, t->mark);
    if (t->l.mpi && !t->srun) { /* Open MPI asks before it runs as root */
        set(&e, "", "OMPI_ALLOW_RUN_AS_ROOT", "1");
        set(&e, "", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
    return e.vars;
}

/* ---- words ---- */

static const char *value_of(const peri_task_t *t, const char *name, size_t n)
{
    if (n == 5 && strncmp(name, "index", 5) == 0)
        return peri_arena_printf(t->arena, "%d", (int)t->index);
    for (size_t i = 0; i < t->nparams; i++)
        if (strlen(t->params[i].name) == n && strncmp(t->params[i].name, name, n) == 0)
            return t->params[i].value;
    return NULL;
}

const char *peri_command_fill(const peri_task_t *t, const char *word)
{
    enum { WORD_MAX = 4 << 20 };
    if (!t->l.is_array || !strchr(word, '{')) return word;
    peri_buf_t out;
    peri_buf_init(&out, WORD_MAX);
    for (const char *s = word; *s;) {
        const size_t n = strcspn(s + 1, "{}");
        const char *value = *s == '{' && s[1 + n] == '}' ? value_of(t, s + 1, n) : NULL;
        if (value) {
            peri_buf_puts(&out, value);
            s += n + 2;
        } else {
            peri_buf_putc(&out, *s);
            s += s[0] == '{' && s[1] == '{' ? 2 : 1;
        }
    }
    const char *filled = peri_arena_strndup(t->arena, out.data ? out.data : "", out.len);
    peri_buf_free(&out);
    return filled;
}
