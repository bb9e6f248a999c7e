/* spec_template.c - `{name}` in an array's commands, SQL and file names.
 *
 * It is perigee-launch that fills in the words of a command (jobs/launch), task by task.
 * Here they are checked, so that a misspelt name is noticed when the job is submitted.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

#define NO_PARAM ((size_t)-1)

/* One piece of a template: text, or the parameter `param` (tasks[i].params[param]; the
 * index if is_index). */
typedef struct {
    const char *text;
    size_t len;
    bool is_ref, is_index;
    size_t param; /* NO_PARAM: unknown */
    char name[PERI_NAME_MAX + 1];
} piece_t;

/* Length of a name between braces, with them; 0: the brace means itself. */
static size_t reference(const char *s)
{
    size_t n = 1;
    if (!isalpha((unsigned char)s[1]) && s[1] != '_') return 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_') n++;
    return s[n] == '}' && n - 1 <= PERI_NAME_MAX ? n + 1 : 0;
}

static size_t find_param(const peri_step_t *step, const char *name)
{
    for (size_t i = 0; i < step->nparams; i++)
        if (!strcmp(step->params[i].name, name)) return i;
    return NO_PARAM;
}

/* False at the end of the text. */
static bool next_piece(const char **at, const peri_step_t *step, piece_t *p)
{
    const char *s = *at;
    *p = (piece_t){.text = s};
    if (!*s) return false;
    if (!step->tasks) {
        p->len = strlen(s);
        *at += p->len;
        return true;
    }
    size_t ref = *s == '{' ? reference(s) : 0;
    if (ref) {
        p->is_ref = true;
        memcpy(p->name, s + 1, ref - 2);
        p->is_index = !strcmp(p->name, "index");
        p->param = find_param(step, p->name);
        *at += ref;
    } else if (*s == '{') {
        p->len = 1;
        *at += s[1] == '{' ? 2 : 1;
    } else {
        p->len = strcspn(s, "{");
        *at += p->len;
    }
    return true;
}

static int unknown_name(const char *name, const peri_step_t *step, const peri_at_t *at,
                        peri_err_t *err)
{
    const char *names[PERI_PARAMS_MAX + 1];
    size_t n = 0;
    for (; n < step->nparams; n++) names[n] = step->params[n].name;
    names[n++] = "index";
    const char *near = peri_did_you_mean(name, names, n);
    return peri_at_error(at, err,
                         "{%s} is not a parameter of the array%s%s%s; to have the brace "
                         "itself, write {{%s}",
                         name, near ? "; did you mean {" : "", near ? near : "",
                         near ? "}?" : "", name);
}

static int check_values(const peri_param_t *p, bool after_minus, const peri_at_t *at,
                        peri_err_t *err)
{
    char shown[64];
    if (p->unsimple)
        return peri_at_error(at, err,
                             "{%s} would be \"%s\" in a task, but only numbers and words "
                             "of letters, digits and _ . + - can stand here",
                             p->name, peri_shown(p->unsimple, shown));
    if (after_minus && p->negative)
        return peri_at_error(at, err,
                             "-{%s} would be \"-%s\" in a task, and \"--\" begins a "
                             "comment: write -({%s})",
                             p->name, peri_shown(p->negative, shown), p->name);
    return 0;
}

int peri_template_check(const char *text, const peri_step_t *step, bool simple,
                        size_t max, const peri_at_t *at, peri_err_t *err)
{
    piece_t p;
    size_t total = 0;
    bool after_minus = false;
    for (const char *s = text; next_piece(&s, step, &p);) {
        size_t len = p.len;
        if (p.is_ref && p.is_index) {
            len = 6;
        } else if (p.is_ref) {
            if (p.param == NO_PARAM) return unknown_name(p.name, step, at, err);
            const peri_param_t *param = &step->params[p.param];
            if (simple && check_values(param, after_minus, at, err)) return -1;
            len = param->longest;
        }
        after_minus = !p.is_ref && p.text[p.len - 1] == '-';
        total += len;
    }
    if (total > max)
        return peri_at_error(at, err, "is too long: %zu bytes, at most %zu are possible",
                             total, max);
    return 0;
}

bool peri_template_uses(const char *text, const peri_step_t *step, const char *name)
{
    piece_t p;
    for (const char *s = text; next_piece(&s, step, &p);)
        if (p.is_ref && (!name || !strcmp(p.name, name))) return true;
    return false;
}

int peri_template_fill(const char *text, const peri_step_t *step,
                       const peri_launchtask_t *task, peri_buf_t *out)
{
    piece_t p;
    for (const char *s = text; next_piece(&s, step, &p);) {
        if (!p.is_ref)
            peri_buf_append(out, p.text, p.len);
        else if (p.is_index)
            peri_buf_printf(out, "%d", task->index);
        else if (p.param != NO_PARAM)
            peri_buf_puts(out, task->params[p.param].value);
    }
    return out->failed ? -1 : 0;
}

const char *peri_template_for_launch(const char *text, const peri_step_t *step,
                                     peri_arena_t *arena)
{
    if (!step->tasks) return text;
    /* A brace may become two. */
    char *out = peri_arena_alloc(arena, 2 * strlen(text) + 1), *o = out;
    piece_t p;
    for (const char *s = text; next_piece(&s, step, &p);) {
        if (p.is_ref) {
            o += sprintf(o, "{%s}", p.name);
            continue;
        }
        if (p.len == 1 && *p.text == '{') *o++ = '{';
        memcpy(o, p.text, p.len);
        o += p.len;
    }
    *o = '\0';
    return out;
}
