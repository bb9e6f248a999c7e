/* environ.c - the program's environment, and parameters in the words of its command.
 *
 * Later ones win: our own environment, that of the job, then what names the task.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "jobs/launch/command.h"
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

char *const *peri_command_environ(const peri_task_t *t)
{
    size_t inherited = 0;
    while (environ[inherited]) inherited++;
    env_t e = {.arena = t->arena, .cap = inherited + t->l.nenv + t->nparams + 16};
    e.vars = peri_arena_calloc(t->arena, e.cap + 1, sizeof(*e.vars));
    for (size_t i = 0; i < inherited; i++)
        /* Meant for this process, not for what it runs. */
        if (strncmp(environ[i], "PERIGEE_FAILPOINT", 17) != 0) put(&e, environ[i]);
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
    if (t->l.mpi && !t->in_slurm) { /* Open MPI asks before it runs as root */
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
