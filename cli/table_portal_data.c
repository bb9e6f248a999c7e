/* table_portal_data.c - the rows of a portal's tables: a file becomes one, one becomes a
 * file. See table_portal.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/harmless.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/stream.h"
#include "cli/table.h"
#include "cli/table_portal.h"
#include "cli/table_print.h"
#include "cli/talk.h"
#include "core/base/util.h"
#include "core/out/writer.h"

#define URL_MAX (64u << 10)

/* ---- load ---- */

enum { TYPES, UNITS, NULLS, LISTS };

typedef struct {
    const char *format, *path, *from, *description, *name;
    bool append, overwrite, preview, header, no_header, quiet, json;
    peri_optionlist_t lists[LISTS];
    const char *file, *table; /* file NULL: `from` */
} load_t;

typedef struct {
    peri_bar_t *bar;
    uint64_t size;
    bool all; /* of it is sent */
} moved_t;

static void on_moved(void *arg, uint64_t sent, uint64_t received)
{
    moved_t *m = arg;
    (void)received;
    /* What the portal makes of it takes its time, too, and is not told. */
    if (!m->all) peri_bar_update(m->bar, sent, m->size, sent);
    m->all = m->size && sent >= m->size;
}

static void put_value(peri_buf_t *b, const char *key, const char *value)
{
    char *word = peri_url_escape(value);
    peri_buf_printf(b, "%c%s=%s", memchr(b->data, '?', b->len) ? '&' : '?', key, word);
    free(word);
}

/* For its ending, which tells the format, and for sentences. */
static const char *name_of(const load_t *o)
{
    if (o->name || !o->file || !strcmp(o->file, "-")) return o->name;
    const char *slash = strrchr(o->file, '/');
    return slash ? slash + 1 : o->file;
}

/* --type id=BIGINT becomes type=id:BIGINT. */
static int put_pairs(peri_buf_t *b, const peri_optionlist_t *l, peri_err_t *err)
{
    for (size_t i = 0; i < l->n; i++) {
        const char *eq = strchr(l->v[i], '=');
        if (!eq || eq == l->v[i])
            return peri_err_set(
                err, PERI_EINVAL, "--%s \"%.100s\" is not possible: write COLUMN=%s",
                l->name, l->v[i], strcmp(l->name, "type") ? "UNIT" : "TYPE");
        char *pair = peri_xasprintf("%.*s:%s", (int)(eq - l->v[i]), l->v[i], eq + 1);
        put_value(b, l->name, pair);
        free(pair);
    }
    return 0;
}

/* The address of the request; NULL: an error. */
static char *load_path(const load_t *o, peri_err_t *err)
{
    peri_buf_t b;
    char *url = peri_table_url(o->table, err);
    if (!url) return NULL;
    peri_buf_init(&b, URL_MAX);
    peri_buf_puts(&b, url);
    free(url);
    if (o->format) put_value(&b, "format", o->format);
    if (o->path) put_value(&b, "path", o->path);
    if (o->append) put_value(&b, "append", "1");
    if (o->overwrite) put_value(&b, "overwrite", "1");
    if (o->preview) put_value(&b, "preview", "1");
    if (o->header || o->no_header) put_value(&b, "header", o->header ? "1" : "0");
    if (o->description) put_value(&b, "description", o->description);
    if (name_of(o)) put_value(&b, "name", name_of(o));
    for (size_t i = 0; i < o->lists[NULLS].n; i++)
        put_value(&b, "null", o->lists[NULLS].v[i]);
    if (put_pairs(&b, &o->lists[TYPES], err) || put_pairs(&b, &o->lists[UNITS], err)) {
        peri_buf_free(&b);
        return NULL;
    }
    char *path = peri_buf_check(&b, "the address of the table", err)
                     ? NULL
                     : peri_buf_take(&b, NULL);
    peri_buf_free(&b);
    return path;
}

/* Opens what is to be sent; size -1: as long as it comes. */
static int open_input(const char *file, int64_t *size, peri_err_t *err)
{
    struct stat st;
    int fd = !strcmp(file, "-") ? dup(0) : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        peri_err_set(err, errno == ENOENT ? PERI_ENOTFOUND : PERI_EIO,
                     "%s cannot be read: %s", file, strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        peri_err_set(err, PERI_EINVAL, "%s is a folder, not a file", file);
    } else {
        *size = S_ISREG(st.st_mode) ? st.st_size : -1;
        /* Standard input may stand in the middle of a file. */
        if (S_ISREG(st.st_mode) && !strcmp(file, "-")) *size = -1;
        return fd;
    }
    if (fd >= 0) close(fd);
    return -1;
}

static json_t *send_file(peri_client_t *c, const load_t *o, const char *path,
                         peri_err_t *err)
{
    int64_t size = -1;
    int fd = open_input(o->file, &size, err);
    if (fd < 0) return NULL;
    moved_t m = {.size = size > 0 ? (uint64_t)size : 0};
    if (peri_bar_wanted(o->quiet || o->json))
        m.bar = peri_bar_new(stderr, "load", "bytes");
    const peri_stream_t s = {.method = "PUT",
                             .path = path,
                             .type = "application/octet-stream",
                             .in = fd,
                             .in_size = size,
                             .moved = m.bar ? on_moved : NULL,
                             .arg = &m};
    peri_answer_t a;
    json_t *j = peri_stream(c, &s, &a, err) ? NULL : peri_answer_json(&a, err);
    peri_answer_free(&a);
    peri_bar_finish(m.bar);
    close(fd);
    return j;
}

/* A file that is in the portal's storage already. */
static json_t *send_place(peri_client_t *c, const load_t *o, const char *path,
                          peri_err_t *err)
{
    json_t *body = peri_body("{s:s}", "from", o->from);
    char *text = json_is_object(body) ? json_dumps(body, JSON_COMPACT) : NULL;
    json_t *j = NULL;
    json_decref(body);
    if (text) {
        const peri_stream_t s = {.method = "PUT",
                                 .path = path,
                                 .body = text,
                                 .body_len = strlen(text),
                                 .in = -1};
        peri_answer_t a;
        j = peri_stream(c, &s, &a, err) ? NULL : peri_answer_json(&a, err);
        peri_answer_free(&a);
    } else {
        peri_err_set(err, PERI_EINVAL, "names and texts are to be UTF-8");
    }
    free(text);
    return j;
}

static void print_notes(const json_t *j)
{
    const json_t *note;
    size_t i;
    fflush(stdout);
    json_array_foreach(json_object_get(j, "notes"), i, note)
    {
        fputs("Note: ", stderr);
        peri_harmless_print(stderr,
                            json_string_value(note) ? json_string_value(note) : "");
        fputc('\n', stderr);
    }
}

static int load(const load_t *o)
{
    peri_err_t err = {0};
    json_t *j = NULL;
    char *path = load_path(o, &err);
    peri_client_t *c = path ? peri_client_new(&err) : NULL;
    peri_cli_catch_interrupts();
    if (c) j = o->from ? send_place(c, o, path, &err) : send_file(c, o, path, &err);
    if (j && !o->json && o->preview)
        peri_table_print_preview(j);
    else if (j && !o->json)
        peri_table_print_line(j);
    if (j && !o->json && !o->preview && !o->quiet) print_notes(j);
    free(path);
    return peri_talk_end(c, j, &err, o->json, NULL);
}

int peri_table_portal_load(int argc, char **argv)
{
    load_t o = {.lists = {{.name = "type"}, {.name = "unit"}, {.name = "null"}}};
    const peri_option_t options[] = {{"format", NULL, &o.format, 0},
                                     {"path", NULL, &o.path, 0},
                                     {"from", NULL, &o.from, 0},
                                     {"append", &o.append, NULL, 0},
                                     {"overwrite", &o.overwrite, NULL, 0},
                                     {"preview", &o.preview, NULL, 0},
                                     {"header", &o.header, NULL, 0},
                                     {"no-header", &o.no_header, NULL, 0},
                                     {"description", NULL, &o.description, 0},
                                     {"name", NULL, &o.name, 0},
                                     {"quiet", &o.quiet, NULL, 'q'},
                                     {"json", &o.json, NULL, 0}};
    int status =
        peri_options_read_lists(argc, argv, peri_table_help, options, 12, o.lists, LISTS);
    if (status >= 0) return status;
    /* A preview needs no name. */
    const int n = o.from ? 0 : 1;
    status = peri_words_check(argc, argv, n + !o.preview, n + 1,
                              o.from ? "a table" : "a file and a table");
    if (status >= 0) return status;
    o.file = o.from ? NULL : argv[optind];
    o.table = optind + n < argc ? argv[optind + n] : "preview";
    return load(&o);
}

/* ---- get ---- */

int peri_table_portal_get(int argc, char **argv)
{
    const char *into = NULL, *format = NULL;
    bool overwrite = false, json = false;
    peri_err_t err = {0};
    peri_format_t f = PERI_FMT_CSV;
    const peri_option_t options[] = {{"into", NULL, &into, 'o'},
                                     {"format", NULL, &format, 0},
                                     {"overwrite", &overwrite, NULL, 0},
                                     {"json", &json, NULL, 0}};
    int status = peri_options_read(argc, argv, peri_table_help, options, 4);
    if (status < 0) status = peri_words_check(argc, argv, 1, 1, "a table");
    if (status >= 0) return status;
    if (json) format = "json";
    if (format ? peri_format_parse(format, &f, &err)
        : into ? peri_format_from_path(into, &f, &err)
               : 0)
        return peri_cli_fail(&err);
    char *url = peri_table_url(argv[optind], &err), *path = NULL;
    peri_client_t *c = url ? peri_client_new(&err) : NULL;
    peri_answer_t a = {0};
    int rc = -1;
    peri_cli_catch_interrupts();
    if (c) {
        path = peri_xasprintf("%s/data?format=%s", url, peri_format_name(f));
        const peri_stream_t s = {.method = "GET", .path = path, .in = -1, .out = stdout};
        rc = into ? peri_stream_into(c, &s, into, overwrite, &a, &err)
                  : peri_stream(c, &s, &a, &err);
        peri_answer_free(&a);
    }
    free(path);
    free(url);
    peri_client_free(c);
    return rc ? peri_cli_fail(&err) : peri_cli_done(0);
}
