/* table_load.c - `perigee table load` on this machine: a file becomes a table, or rows of
 * one, or is only looked at. The table changes as a whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/table_here.h"
#include "cli/table_load.h"
#include "cli/table_print.h"
#include "cli/talk.h"
#include "core/base/util.h"
#include "core/h5/h5.h"
#include "core/mydb/about.h"

#define CHECK_EVERY 64 /* chunks: about 130,000 rows */
#define NOTES_MAX                                                                        \
    ((size_t)256 << 10) /* of the history of a table that is appended to                 \
                         */

static int on_tick(double part, void *arg)
{
    if (arg) peri_bar_update(arg, (uint64_t)(part * 1e6), 1000000, 0);
    return peri_cli_interrupted();
}

static int on_copy(uint64_t done, uint64_t all, void *arg)
{
    return on_tick(all ? (double)done / (double)all : 1, arg);
}

/* ---- the file ---- */

const char *peri_load_name(const peri_load_t *o)
{
    if (o->name && *o->name) return o->name;
    return strcmp(o->file, "-") ? o->file : "standard input";
}

/* Standard input as a file that can be read twice: itself if it is one, else a copy
 * without a name. */
static int open_stdin(peri_err_t *err)
{
    struct stat st;
    if (fstat(0, &st) == 0 && S_ISREG(st.st_mode) && lseek(0, 0, SEEK_CUR) == 0) {
        int fd = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
        if (fd >= 0) return fd;
    }
    const char *dir = getenv("TMPDIR");
    int fd = peri_file_nameless(dir && *dir ? dir : "/tmp");
    char *block = peri_xmalloc(1 << 20);
    bool full = fd < 0;
    ssize_t n = 0;
    while (!full && !peri_cli_interrupted() && (n = read(0, block, 1 << 20)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        for (ssize_t done = 0, k; done < n && !full; done += k) {
            k = write(fd, block + done, (size_t)(n - done));
            full = k < 0;
        }
    }
    free(block);
    if (!full && n >= 0 && !peri_cli_interrupted()) return fd;
    if (full)
        peri_err_set(err, PERI_EIO,
                     "standard input cannot be kept in %s meanwhile: %s (set TMPDIR to "
                     "another folder)",
                     dir && *dir ? dir : "/tmp", strerror(errno));
    else if (n < 0)
        peri_err_set(err, PERI_EIO, "standard input cannot be read: %s", strerror(errno));
    else
        peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (fd >= 0) close(fd);
    return -1;
}

/* Its path, or NULL. *fd is the caller's to close. */
static char *open_file(const peri_load_t *o, int *fd, peri_err_t *err)
{
    *fd = -1;
    if (strcmp(o->file, "-") != 0) return peri_xstrdup(o->file);
    *fd = open_stdin(err);
    return *fd < 0 ? NULL : peri_xasprintf("/proc/self/fd/%d", *fd);
}

static void take_options(const peri_load_t *o, peri_importopts_t *to, peri_bar_t *bar)
{
    *to = (peri_importopts_t){.format = o->format,
                              .path_in_file = o->path,
                              .types = o->lists[PERI_LOAD_TYPES].v,
                              .ntypes = o->lists[PERI_LOAD_TYPES].n,
                              .units = o->lists[PERI_LOAD_UNITS].v,
                              .nunits = o->lists[PERI_LOAD_UNITS].n,
                              .nulls = o->lists[PERI_LOAD_NULLS].v,
                              .nnulls = o->lists[PERI_LOAD_NULLS].n,
                              .name = peri_load_name(o),
                              .header_said = o->header || o->no_header,
                              .header = o->header,
                              .tick = on_tick,
                              .tick_arg = bar};
}

/* What was guessed, for a person. */
static void print_columns(const peri_import_t *i)
{
    static const char *const titles[] = {"COLUMN", "TYPE", "UNIT", "DESCRIPTION"};
    size_t n, nnotes;
    const peri_outcol_t *cols = peri_import_columns(i, &n);
    const char *const *notes = peri_import_notes(i, &nnotes);
    peri_grid_t *g = peri_grid_new(titles, 4);
    for (size_t c = 0; c < n; c++) {
        char *type = peri_load_type(&cols[c]);
        peri_grid_add(g, cols[c].name);
        peri_grid_add(g, type);
        peri_grid_add(g, cols[c].unit);
        peri_grid_add(g, cols[c].description);
        free(type);
    }
    peri_grid_print(g, stderr);
    peri_grid_free(g);
    for (size_t k = 0; k < nnotes; k++) fprintf(stderr, "Note: %s\n", notes[k]);
    fputc('\n', stderr);
}

/* The same for programs: "notes" of the table's object. */
static void put_notes(const peri_import_t *i, json_t *o)
{
    size_t n;
    const char *const *notes = peri_import_notes(i, &n);
    json_t *list = json_array();
    for (size_t k = 0; k < n; k++) json_array_append_new(list, json_string(notes[k]));
    json_object_set_new(o, "notes", list);
}

/* ---- rows ---- */

typedef struct {
    peri_writer_t *writer;
    const peri_mydbchange_t *change;
    const peri_import_t *from;
    peri_bar_t *bar;
    uint64_t chunks;
} copy_t;

static int copy_chunk(duckdb_data_chunk chunk, void *arg, peri_err_t *err)
{
    copy_t *c = arg;
    if (on_tick(peri_import_progress(c->from), c->bar))
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    if (++c->chunks % CHECK_EVERY == 0 && peri_mydbchange_check(c->change, err))
        return -1;
    return peri_writer_chunk(c->writer, chunk, err);
}

static int copy_rows(copy_t *c, peri_import_t *from, const char *label, peri_err_t *err)
{
    if (!from) return 0;
    c->from = from;
    if (c->bar) peri_bar_relabel(c->bar, label, "");
    return peri_import_rows(from, copy_chunk, c, err);
}

/* Where the rows come from, in the file's attribute `query`: what was known, and this. */
static char *history(const peri_load_t *o, const char *old, const char *file)
{
    size_t n = old ? strlen(old) : 0;
    if (!n || n > NOTES_MAX) return peri_xasprintf("-- loaded from %s", file);
    return peri_xasprintf("%s\n-- %s %s", old, o->append ? "appended:" : "loaded from",
                          file);
}

static char *old_history(const char *path)
{
    char *text = NULL;
    peri_h5file_t *f = peri_h5file_open(path, NULL, NULL);
    if (f && peri_h5attr_string(f, "/", "query", &text, NULL)) text = NULL;
    peri_h5file_unref(f);
    return text;
}

typedef struct {
    peri_heretable_t table;
    peri_mydbchange_t *change;
    peri_import_t *old, *file; /* old: of a table that is appended to */
    char *extends;             /* its file, if rows can go into a copy of it; or NULL */
    char *old_query;
    peri_bar_t *bar;
    uint64_t rows; /* of the file */
} job_t;

static peri_writer_t *new_writer(const peri_load_t *o, job_t *j, peri_err_t *err)
{
    size_t n;
    const peri_outcol_t *cols = peri_import_columns(j->old ? j->old : j->file, &n);
    const char *name = peri_load_name(o);
    char *real = strcmp(o->file, "-") ? realpath(o->file, NULL) : NULL;
    char *query = history(o, j->old_query, name);
    struct stat st = {0};
    bool known = real && stat(real, &st) == 0;
    peri_outsource_t source = {real, (uint64_t)st.st_size,
                               st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
    const char *text = o->description
                           ? o->description
                           : peri_import_description(j->old ? j->old : j->file);
    peri_provenance_t prov = {.query = query,
                              .version = "perigee " PERIGEE_VERSION,
                              .description = text,
                              .sources = &source,
                              .nsources = known};
    if (j->bar && j->extends) peri_bar_relabel(j->bar, "copy", "");
    const peri_writeopts_t opts = {
        .draft = true, .extends = j->extends, .tick = on_copy, .tick_arg = j->bar};
    peri_writer_t *w = peri_writer_new(PERI_FMT_HDF5, peri_mydbchange_path(j->change),
                                       NULL, cols, n, &prov, &opts, err);
    free(real);
    free(query);
    return w;
}

static int write_table(const peri_load_t *o, job_t *j, peri_err_t *err)
{
    copy_t c = {.writer = new_writer(o, j, err), .change = j->change, .bar = j->bar};
    if (!c.writer) return -1;
    uint64_t before = 0;
    int rc = j->extends ? 0 : copy_rows(&c, j->old, "old rows", err);
    if (rc == 0) before = peri_writer_rows(c.writer);
    if (rc == 0) rc = copy_rows(&c, j->file, "load", err);
    if (rc == 0) rc = peri_writer_finish(c.writer, err);
    if (rc == 0) j->rows = peri_writer_rows(c.writer) - before;
    peri_writer_free(c.writer);
    if (rc == 0 && peri_cli_interrupted())
        rc = peri_err_set(err, PERI_ECANCEL, "cancelled");
    return rc ? rc : peri_mydbchange_commit(j->change, err);
}

/* ---- all of it ---- */

static int begin_change(const peri_load_t *o, job_t *j, peri_err_t *err)
{
    if (peri_heretable_find(o->table, &j->table, err)) return -1;
    unsigned flags = o->append      ? PERI_MYDB_MUST_EXIST
                     : o->overwrite ? 0
                                    : PERI_MYDB_MUST_BE_NEW;
    j->change = peri_mydbchange_new(j->table.schema, j->table.name, flags, err);
    if (!j->change && err->code == PERI_ECONFLICT && !o->append && !o->overwrite &&
        peri_mydb_kind(j->table.schema, j->table.name) == PERI_MYDB_TABLE)
        peri_err_set(err, PERI_ECONFLICT,
                     "there is a %s.%s already: append to it, or overwrite it",
                     j->table.schema->name, j->table.name);
    if (!j->change) return -1;
    if (!o->append) return 0;
    char *path = peri_mydb_path(j->table.schema, j->table.name);
    char *name = peri_xasprintf("%s.%s", j->table.schema->name, j->table.name);
    const peri_importopts_t as = {.format = "hdf5", .path_in_file = "/"};
    j->old = peri_import_open(path, &as, err);
    if (!j->old) peri_err_prefix(err, "%s cannot be read", name);
    free(name);
    if (j->old) {
        size_t n;
        const peri_outcol_t *cols = peri_import_columns(j->old, &n);
        j->old_query = old_history(path);
        if (peri_writer_can_extend(PERI_FMT_HDF5, path, cols, n)) {
            j->extends = path;
            return 0;
        }
    }
    free(path);
    return j->old ? 0 : -1;
}

static void end_job(job_t *j)
{
    peri_bar_finish(j->bar);
    peri_import_free(j->file);
    peri_import_free(j->old);
    peri_mydbchange_free(j->change);
    peri_heretable_free(&j->table);
    free(j->old_query);
    free(j->extends);
}

static int tell(const peri_load_t *o, const job_t *j, bool replaced, double seconds,
                peri_err_t *err)
{
    char count[32];
    json_t *now = peri_mydb_show(j->table.schema, j->table.name, err);
    if (!now) return -1;
    if (o->json) {
        put_notes(j->file, now);
        peri_talk_print(now);
    } else {
        peri_table_print_line(now);
    }
    char *text = peri_xasprintf("%s rows %s %s.%s", peri_human_count(j->rows, count),
                                o->append ? "added to" : "in", j->table.schema->name,
                                j->table.name);
    const char *what = o->append ? "inserted" : replaced ? "replaced" : "created";
    int status = peri_cli_done(0);
    if (status == 0)
        peri_cli_word(json_pack("{s:i, s:I, s:f, s:n, s:s, s:[o]}", "code", 0, "rows",
                                (json_int_t)j->rows, "seconds", seconds, "cut", "text",
                                text, "changed",
                                peri_table_changed(&j->table, what, (int64_t)j->rows)));
    free(text);
    json_decref(now);
    return status;
}

static int load(const peri_load_t *o, peri_err_t *err)
{
    job_t j = {0};
    int rc = -1, fd = -1;
    double started = peri_now();
    peri_importopts_t opts;
    char *path = NULL;
    if (peri_bar_wanted(o->quiet || o->json)) j.bar = peri_bar_new(stderr, "look", "");
    if (!o->preview && begin_change(o, &j, err)) goto out;
    path = open_file(o, &fd, err);
    if (!path) goto out;
    take_options(o, &opts, j.bar);
    if (j.old) opts.shape = peri_import_columns(j.old, &opts.nshape);
    j.file = peri_import_open(path, &opts, err);
    if (!j.file) goto out;
    if (o->preview) {
        peri_bar_finish(j.bar);
        j.bar = NULL;
        rc = peri_load_preview(j.file, o->json, err);
        goto out;
    }
    if (!o->quiet && !o->json && !j.old) print_columns(j.file);
    bool replaced = peri_mydbchange_replaces(j.change);
    rc = write_table(o, &j, err);
    peri_bar_finish(j.bar);
    j.bar = NULL;
    if (rc == 0) rc = tell(o, &j, replaced, peri_now() - started, err);
out:
    end_job(&j);
    if (fd >= 0) close(fd);
    free(path);
    return rc;
}

static int check_options(const peri_load_t *o, peri_err_t *err)
{
    static const char *const needs = "give one of them";
    if (o->append && o->overwrite)
        return peri_err_set(err, PERI_EINVAL, "\"append\" or \"overwrite\": %s", needs);
    if (o->header && o->no_header)
        return peri_err_set(err, PERI_EINVAL, "\"header\" or \"no-header\": %s", needs);
    if (o->append && (o->lists[PERI_LOAD_TYPES].n || o->lists[PERI_LOAD_UNITS].n))
        return peri_err_set(err, PERI_EINVAL,
                            "with \"append\" the table's own types and units hold: "
                            "leave out \"type\" and \"unit\"");
    if (o->append && o->preview)
        return peri_err_set(err, PERI_EINVAL,
                            "\"preview\" shows the file alone: leave out \"append\"");
    return 0;
}

int peri_table_here_load(int argc, char **argv)
{
    peri_load_t o = {.lists = {{.name = "type"}, {.name = "unit"}, {.name = "null"}}};
    peri_err_t err = {0};
    const peri_option_t options[] = {{"format", NULL, &o.format, 0},
                                     {"path", NULL, &o.path, 0},
                                     {"append", &o.append, NULL, 0},
                                     {"overwrite", &o.overwrite, NULL, 0},
                                     {"preview", &o.preview, NULL, 0},
                                     {"header", &o.header, NULL, 0},
                                     {"no-header", &o.no_header, NULL, 0},
                                     {"description", NULL, &o.description, 0},
                                     {"name", NULL, &o.name, 0},
                                     {"quiet", &o.quiet, NULL, 'q'},
                                     {"json", &o.json, NULL, 0}};
    int status = peri_options_read_lists(argc, argv, peri_table_help, options, 11,
                                         o.lists, PERI_LOAD_LISTS);
    /* A preview needs no name. */
    if (status < 0)
        status = peri_words_check(argc, argv, 2 - o.preview, 2, "a file and a table");
    if (status >= 0) return status;
    o.file = argv[optind];
    o.table = optind + 1 < argc ? argv[optind + 1] : NULL;
    peri_cli_catch_interrupts();
    status = check_options(&o, &err) ? -1 : load(&o, &err);
    return status < 0 ? peri_cli_fail(&err) : status;
}
