/* word.c - see word.h. What the command says is a user's as well: it is bounded and
 * checked. */
#include "portal/quick/word.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/util.h"
#include "jobs/task/text.h"

#define MARK '\x1e'
enum { TEXT_MAX = 900 };

typedef struct {
    const peri_childend_t *c;
    const peri_quickgiven_t *given;
    peri_arena_t *arena;
    peri_quickend_t *end;
} judge_t;

/* "..., its time limit (--timeout)": who asks here has no options. */
static const char *without_options(const char *text, peri_arena_t *a)
{
    const char *from = strchr(text, '(');
    while (from && !memmem(from, strcspn(from, ")"), "--", 2))
        from = strchr(from + 1, '(');
    const char *to = from ? strchr(from, ')') : NULL;
    if (!to) return text;
    const size_t n = (size_t)(from - text);
    return peri_arena_printf(a, "%.*s%s", (int)(n && text[n - 1] == ' ' ? n - 1 : n),
                             text, to + 1);
}

static void say(judge_t *j, peri_code_t code, const char *text)
{
    j->end->code = code;
    j->end->text = text;
    if (code == PERI_ELIMIT && *j->given->advice)
        j->end->text = peri_arena_printf(j->arena, "%s: %s", text, j->given->advice);
}

static json_t *find_word(const peri_childend_t *c)
{
    const char *from = c->nsaid ? memrchr(c->said, MARK, c->nsaid) : NULL;
    if (!from) return NULL;
    const char *end = c->said + c->nsaid;
    json_t *o =
        json_loadb(from + 1, (size_t)(end - from - 1), JSON_DISABLE_EOF_CHECK, NULL);
    if (json_is_object(o)) return o;
    json_decref(o);
    return NULL;
}

static int64_t number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) && json_integer_value(v) > 0 ? json_integer_value(v) : 0;
}

static const char *cut_of(const json_t *o)
{
    static const char *const kinds[] = {"rows", "time", "bytes"};
    const char *s = json_string_value(json_object_get(o, "cut"));
    for (size_t i = 0; s && i < sizeof(kinds) / sizeof(*kinds); i++)
        if (!strcmp(s, kinds[i])) return kinds[i];
    return NULL;
}

/* Lines stay: one may show where in the SQL something is wrong. */
static void clean_lines(const char *s, char *out, size_t max)
{
    size_t n = 0;
    for (;;) {
        const size_t len = strcspn(s, "\n");
        peri_text_clean(s, len, out + n, max - n);
        n += strlen(out + n);
        s += len;
        if (!*s || n + 1 >= max) return;
        out[n++] = *s++;
        out[n] = '\0';
    }
}

static void take_word(judge_t *j, const json_t *o)
{
    char text[TEXT_MAX + 1];
    const char *s = json_string_value(json_object_get(o, "text"));
    const json_int_t code = json_integer_value(json_object_get(o, "code"));
    const json_t *changed = json_object_get(o, "changed");
    clean_lines(s ? s : "", text, TEXT_MAX);
    s = peri_arena_strdup(j->arena, text);
    if (code == PERI_ELIMIT) s = without_options(s, j->arena);
    const bool known = code >= PERI_OK && code <= PERI_EINTERNAL;
    say(j, known ? (peri_code_t)code : PERI_EINTERNAL, s);
    j->end->rows = number(o, "rows");
    j->end->cut = cut_of(o);
    if (json_is_array(changed) && json_array_size(changed)) j->end->changed = changed;
}

static void say_killed(judge_t *j, int sig)
{
    char size[16];
    const peri_quickgiven_t *g = j->given;
    if (sig == SIGXCPU) {
        say(j, PERI_ELIMIT,
            peri_arena_printf(j->arena, "it took longer than %g seconds", g->seconds));
    } else if (sig == SIGXFSZ) {
        say(j, PERI_ELIMIT, "it needs more temporary space than is given");
    } else if (sig == SIGKILL) {
        say(j, PERI_ELIMIT,
            "it was ended from outside; if the machine was short of memory, a query that "
            "needs less of it may go through");
    } else if (sig == SIGABRT) {
        say(j, PERI_ELIMIT,
            peri_arena_printf(j->arena, "it needs more memory than the %s that are given",
                              peri_human_bytes(g->memory, size)));
    } else {
        say(j, PERI_EINTERNAL,
            peri_arena_printf(j->arena, "the command crashed (signal %d)", sig));
    }
}

/* Its last words, of one that does not know this convention. */
static void say_said(judge_t *j)
{
    char text[TEXT_MAX + 1];
    const peri_childend_t *c = j->c;
    size_t n = c->nsaid;
    while (n && c->said[n - 1] == '\n') n--;
    const char *nl = n ? memrchr(c->said, '\n', n) : NULL;
    const size_t from = nl ? (size_t)(nl - c->said) + 1 : 0;
    peri_text_clean(c->said + from, n - from, text, TEXT_MAX);
    say(j, PERI_EINTERNAL,
        *text ? peri_arena_strdup(j->arena, text) : "the command failed");
}

static void say_tale(judge_t *j)
{
    const char *t = j->given->tale;
    const char *text = *t == 'N' && t[1] ? strchr(t + 2, ' ') : t + 1;
    say(j, PERI_EINTERNAL, peri_arena_strdup(j->arena, text && *text ? text + 1 : t));
}

static void say_status(judge_t *j, bool has_word)
{
    const int status = j->c->status;
    if (WIFSIGNALED(status))
        say_killed(j, WTERMSIG(status));
    else if (*j->given->tale)
        say_tale(j);
    else if (!has_word && WEXITSTATUS(status))
        say_said(j);
}

void peri_quick_judge(const peri_childend_t *c, const peri_quickgiven_t *given,
                      peri_arena_t *arena, json_t **word, peri_quickend_t *end)
{
    judge_t j = {c, given, arena, end};
    char size[16];
    *word = find_word(c);
    *end = (peri_quickend_t){
        .text = "", .bytes = (int64_t)c->written, .seconds = c->seconds};
    if (*word) take_word(&j, *word);
    switch (c->why) {
    case PERI_CHILD_ENDED:
        say_status(&j, *word != NULL);
        break;
    case PERI_CHILD_STOPPED:
        /* It may have been quicker than that. */
        if (!*word || end->code) say(&j, PERI_ECANCEL, "cancelled");
        break;
    case PERI_CHILD_TOO_LONG:
        say(&j, PERI_ELIMIT,
            peri_arena_printf(arena, "it took longer than %g seconds", given->seconds));
        break;
    case PERI_CHILD_TOO_MUCH:
        say(&j, PERI_ELIMIT,
            peri_arena_printf(arena, "its answer is larger than %s",
                              peri_human_bytes(given->bytes, size)));
        break;
    case PERI_CHILD_NO_SPACE:
        say(&j, PERI_EFULL, PERI_QUICK_NO_ROOM);
        break;
    }
}
