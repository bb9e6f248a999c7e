/* submit_input.c - see submit_input.h. */
#include "cli/submit_input.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcasecmp(s + n - m, end) == 0;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool peri_input_takes_words(const char *what)
{
    return is_file(what) && !ends_in(what, ".sql") && !ends_in(what, ".json");
}

static bool starts_word(const char *s, const char *word)
{
    size_t n = strlen(word);
    return strncasecmp(s, word, n) == 0 && !isalnum((unsigned char)s[n]) && s[n] != '_';
}

/* Where the statement begins: behind spaces and comments. */
static const char *skip_comments(const char *s)
{
    for (;;) {
        while (isspace((unsigned char)*s)) s++;
        if (s[0] == '-' && s[1] == '-') {
            s += strcspn(s, "\n");
        } else if (s[0] == '/' && s[1] == '*') {
            const char *end = strstr(s + 2, "*/");
            if (!end) return s;
            s = end + 2;
        } else {
            return s;
        }
    }
}

static bool looks_like_sql(const char *s)
{
    static const char *const words[] = {
        "SELECT",   "WITH",   "FROM",     "VALUES",    "TABLE",  "PIVOT",
        "DESCRIBE", "SHOW",   "EXPLAIN",  "SUMMARIZE", "CREATE", "INSERT",
        "UPDATE",   "DELETE", "TRUNCATE", "DROP",      "ALTER",  "COMMENT"};
    s = skip_comments(s);
    if (*s == '(') return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (starts_word(s, words[i])) return true;
    return false;
}

static int read_stdin(char **out, peri_err_t *err)
{
    peri_buf_t b;
    char chunk[8192];
    size_t n;
    peri_buf_init(&b, PERI_SPEC_MAX);
    while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0) peri_buf_append(&b, chunk, n);
    peri_buf_puts(&b, "");
    int rc = ferror(stdin) ? peri_err_set(err, PERI_EIO, "cannot read standard input: %m")
                           : peri_buf_check(&b, "standard input", err);
    *out = rc ? NULL : peri_buf_take(&b, NULL);
    peri_buf_free(&b);
    return *out ? 0 : rc ? rc : peri_err_set(err, PERI_EINVAL, "standard input is empty");
}

static int refuse_options(const char *given, const char *what, peri_err_t *err)
{
    if (!given) return 0;
    return peri_err_set(
        err, PERI_EINVAL,
        "--%s is for SQL, kernels, scripts and commands; %s says it itself", given, what);
}

static int from_file(const char *path, const peri_specopts_t *o, peri_buf_t *out,
                     peri_err_t *err)
{
    char *text = NULL;
    size_t len;
    if (strcmp(path, "-") == 0 ? read_stdin(&text, err)
                               : peri_file_slurp(path, PERI_SPEC_MAX, &text, &len, err))
        return -1;
    int rc = peri_spec_from_sql(text, o, out, err);
    free(text);
    return rc;
}

static int from_json(const char *path, const char *given, peri_buf_t *out,
                     peri_err_t *err)
{
    char *text = NULL;
    size_t len;
    if (refuse_options(given, path, err) ||
        peri_file_slurp(path, PERI_SPEC_MAX, &text, &len, err))
        return -1;
    int rc = peri_buf_append(out, text, len);
    free(text);
    return rc ? peri_buf_check(out, path, err) : 0;
}

/* SQL or a spec. */
static int from_stdin(const peri_specopts_t *o, const char *given, peri_buf_t *out,
                      peri_err_t *err)
{
    char *text = NULL;
    if (read_stdin(&text, err)) return -1;
    int rc;
    if (*skip_comments(text) != '{')
        rc = peri_spec_from_sql(text, o, out, err);
    else if ((rc = refuse_options(given, "the spec", err)) == 0)
        rc = peri_buf_puts(out, text);
    free(text);
    return rc;
}

static int from_script(const peri_input_t *in, const peri_specopts_t *o, peri_buf_t *out,
                       peri_err_t *err)
{
    char *text = NULL, *path = NULL;
    size_t len;
    int rc = -1;
    FILE *f = fopen(in->what, "re");
    char start[2] = "";
    if (!f) return peri_err_set(err, PERI_EIO, "cannot open %s: %m", in->what);
    size_t n = fread(start, 1, 2, f);
    fclose(f);
    if (n == 2 && start[0] == '#' && start[1] == '!') {
        if (peri_file_slurp(in->what, PERI_SPEC_MAX, &text, &len, err) == 0)
            rc = peri_spec_from_command((const char *const *)in->args, (size_t)in->nargs,
                                        text, o, out, err);
    } else if (access(in->what, X_OK) == 0 && (path = realpath(in->what, NULL))) {
        const char **argv = peri_xcalloc((size_t)in->nargs + 1, sizeof(*argv));
        argv[0] = path;
        for (int i = 0; i < in->nargs; i++) argv[i + 1] = in->args[i];
        rc = peri_spec_from_command(argv, (size_t)in->nargs + 1, NULL, o, out, err);
        free(argv);
    } else {
        peri_err_set(err, PERI_EINVAL,
                     "%s is neither a script, which begins with #! (as #!/bin/bash), nor "
                     "a program that may be executed",
                     in->what);
    }
    free(text);
    free(path);
    return rc;
}

static int not_understood(const char *what, peri_err_t *err)
{
    bool path = strchr(what, '/') || ends_in(what, ".sql") || ends_in(what, ".json") ||
                ends_in(what, ".sh") || ends_in(what, ".py");
    struct stat st;
    if (stat(what, &st) == 0)
        return peri_err_set(err, PERI_EINVAL, "%s is not a file", what);
    if (path && !strchr(what, ' '))
        return peri_err_set(err, PERI_ENOTFOUND, "there is no file %s", what);
    return peri_err_set(err, PERI_EINVAL,
                        "\"%.200s\" is neither SQL (SELECT ..., WITH ...) nor a file (a "
                        "script, .sql, .json) nor run KERNEL INPUT; a command goes "
                        "behind \"--\": perigee "
                        "submit -- COMMAND ARGUMENT...",
                        what);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int make_spec(const peri_input_t *in, peri_specopts_t *o, const char *given,
                     peri_buf_t *out, peri_err_t *err)
{
    if (in->kernel.wanted) return peri_submit_kernel_spec(&in->kernel, o, out, err);
    if (in->command) {
        if (in->nargs == 0)
            return peri_err_set(err, PERI_EINVAL, "no command behind \"--\"");
        if (!o->name) o->name = base_name(in->args[0]);
        return peri_spec_from_command((const char *const *)in->args, (size_t)in->nargs,
                                      NULL, o, out, err);
    }
    if (in->sql_file) {
        if (!o->name && strcmp(in->sql_file, "-") != 0) o->name = base_name(in->sql_file);
        return from_file(in->sql_file, o, out, err);
    }
    if (strcmp(in->what, "-") == 0) return from_stdin(o, given, out, err);
    if (is_file(in->what)) {
        if (ends_in(in->what, ".json")) return from_json(in->what, given, out, err);
        if (!o->name) o->name = base_name(in->what);
        if (ends_in(in->what, ".sql")) return from_file(in->what, o, out, err);
        return from_script(in, o, out, err);
    }
    if (looks_like_sql(in->what)) return peri_spec_from_sql(in->what, o, out, err);
    return not_understood(in->what, err);
}

int peri_input_spec(peri_input_t *in, peri_specopts_t *o, const char *given,
                    peri_buf_t *out, peri_err_t *err)
{
    if (make_spec(in, o, given, out, err)) return -1;
    return in->kernel.wanted
               ? 0
               : peri_submit_kernel_check(&in->kernel, out->data, out->len, err);
}

int peri_input_storage(const char *output, const char *const *volumes, size_t n,
                       peri_buf_t *spec, peri_err_t *err)
{
    if (!output && n == 0) return 0;
    json_t *o = json_loadb(spec->data, spec->len, 0, NULL), *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(volumes[i]));
    if (output) json_object_set_new(o, "output", json_string(output));
    if (n) json_object_set(o, "volumes", list);
    json_decref(list);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text) return peri_err_set(err, PERI_EINTERNAL, "the spec is no JSON");
    peri_buf_clear(spec);
    peri_buf_puts(spec, text);
    free(text);
    return peri_buf_check(spec, "the spec", err);
}
