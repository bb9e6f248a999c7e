/* formats.c - which format a file has: as said, by its name's ending, by its content. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/import/input.h"
#include "core/import/reader.h"

#define HEAD ((size_t)4096)

/* Those that tell themselves by a sure mark come first; csv takes any text. */
static const peri_readops_t *const formats[] = {
    &peri_read_fits,    &peri_read_hdf5, &peri_read_parquet,
    &peri_read_votable, &peri_read_mrt,  &peri_read_json,
    &peri_read_ndjson,  &peri_read_tsv,  &peri_read_csv,
};
#define NFORMATS (sizeof(formats) / sizeof(formats[0]))

const char *peri_import_formats(void)
{
    static _Thread_local char list[128];
    list[0] = '\0';
    for (size_t i = 0; i < NFORMATS; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", formats[i]->name);
    }
    return list;
}

static const peri_readops_t *by_name(const char *name, peri_err_t *err)
{
    const char *names[NFORMATS];
    for (size_t i = 0; i < NFORMATS; i++) {
        names[i] = formats[i]->name;
        if (!strcasecmp(name, names[i])) return formats[i];
    }
    const char *near = peri_did_you_mean(name, names, NFORMATS);
    peri_err_set(err, PERI_EINVAL,
                 "there is no format \"%s\" to read%s%s%s: choose one of %s", name,
                 near ? "; did you mean \"" : "", near ? near : "", near ? "\"" : "",
                 peri_import_formats());
    return NULL;
}

/* ".csv" of "x.csv" and of "x.csv.gz"; "" if there is none. */
static void ending_of(const char *name, char *out, size_t size)
{
    static const char *const packed[] = {".gz", ".bz2", ".xz", ".zst"};
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name, *end = base + strlen(base);
    for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
        size_t n = strlen(packed[i]);
        if ((size_t)(end - base) <= n || strcasecmp(end - n, packed[i])) continue;
        end -= n;
        break;
    }
    const char *dot = memrchr(base, '.', (size_t)(end - base));
    snprintf(out, size, "%.*s", dot ? (int)(end - dot) : 0, dot ? dot : "");
}

static const peri_readops_t *by_ending(const char *name)
{
    char dot[16];
    ending_of(name, dot, sizeof(dot));
    size_t n = strlen(dot);
    for (size_t i = 0; n > 1 && i < NFORMATS; i++)
        for (const char *p = formats[i]->endings; (p = strcasestr(p, dot)); p++)
            if (p[n] == ' ') return formats[i];
    return NULL;
}

/* The file's first bytes, decompressed. */
static int read_head(const peri_reader_t *r, char *head, size_t *n, bool *packed,
                     peri_err_t *err)
{
    unsigned char raw[8];
    ssize_t k = pread(r->fd, raw, sizeof(raw), 0);
    if (k < 0)
        return peri_err_set(err, PERI_EIO, "cannot read %s: %s", r->name,
                            strerror(errno));
    *packed = peri_input_packed(raw, (size_t)k);
    peri_input_t *in = peri_input_new(r->fd, r->name, err);
    if (!in) return -1;
    int more = peri_input_more(in, err);
    const char *p = peri_input_at(in, n);
    if (*n > HEAD) *n = HEAD;
    if (more >= 0 && *n) memcpy(head, p, *n);
    peri_input_free(in);
    return more < 0 ? -1 : 0;
}

static const peri_readops_t *by_content(const char *head, size_t n)
{
    for (size_t i = 0; i < NFORMATS; i++)
        if (formats[i]->sniff && formats[i]->sniff((const unsigned char *)head, n))
            return formats[i];
    return NULL;
}

/* What is no table, or none that can be read, and what to do about it. */
static int refuse_others(const char *name, const char *head, size_t n, peri_err_t *err)
{
    static const struct {
        const char *mark;
        size_t at, n;
        const char *what;
    } kinds[] = {
        {"PK\3\4", 0, 4, "a zip archive: unpack it, and load the files in it"},
        {"\xd0\xcf\x11\xe0", 0, 4, "an old Excel or Word file: save the sheet as CSV"},
        {"\x93NUMPY", 0, 6,
         "an array of numpy: write it with numpy.savetxt(..., delimiter=',', "
         "header=...), "
         "or as FITS with astropy"},
        {"\x80\4\x95", 0, 3, "a pickle of Python: write it with to_csv or to_parquet"},
        {"\x80\5\x95", 0, 3, "a pickle of Python: write it with to_csv or to_parquet"},
        {"\xd3"
         "CDF",
         0, 4, "a NetCDF file of the old kind: nccopy -k nc4 makes one that is HDF5"},
        {"CDF\1", 0, 4,
         "a NetCDF file of the old kind: nccopy -k nc4 makes one that is HDF5"},
        {"CDF\2", 0, 4,
         "a NetCDF file of the old kind: nccopy -k nc4 makes one that is HDF5"},
        {"SQLite format 3", 0, 15, "a database of SQLite: write its tables as CSV"},
        {"ARROW1", 0, 6, "an Arrow (Feather) file: write it with to_parquet"},
        {"%PDF-", 0, 5, "a PDF document"},
        {"ustar", 257, 5, "a tar archive: unpack it, and load the files in it"},
    };
    static const struct {
        const char *mark, *what;
    } texts[] = {
        {"<!doctype html", "a web page: it may tell why the download was not the table"},
        {"<html", "a web page: it may tell why the download was not the table"},
        {"\\begin{", "LaTeX: write it as CSV, for example with astropy"},
        {"\\fixlen", "an IPAC table: astropy reads it (ascii.ipac) and writes FITS"},
        {"\\documentclass", "LaTeX: write it as CSV, for example with astropy"},
    };
    const char *what = NULL, *p = head, *end = head + n;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (n >= kinds[i].at + kinds[i].n &&
            !memcmp(head + kinds[i].at, kinds[i].mark, kinds[i].n))
            what = kinds[i].what;
    while (p < end && strchr(" \t\r\n", *p) && *p) p++;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if ((size_t)(end - p) >= strlen(texts[i].mark) &&
            !strncasecmp(p, texts[i].mark, strlen(texts[i].mark)))
            what = texts[i].what;
    if (what && !memcmp(head, "PK\3\4", 4) && memmem(head, n, "[Content_Types].xml", 19))
        what = "an Excel workbook, or another document of Office: save the sheet as CSV";
    if (!what) return 0;
    return peri_err_set(err, PERI_EFORMAT, "%s is %s", name, what);
}

const peri_readops_t *peri_readops_choose(const peri_reader_t *r, bool *unpack,
                                          peri_err_t *err)
{
    char head[HEAD];
    size_t n = 0;
    bool packed = false;
    const char *said = r->opts->format;
    const peri_readops_t *ops = said ? by_name(said, err) : by_ending(r->name);
    if (said && !ops) return NULL;
    if (!r->size) {
        peri_err_set(err, PERI_EFORMAT, "%s is empty", r->name);
        return NULL;
    }
    if (read_head(r, head, &n, &packed, err)) return NULL;
    if (!n) {
        peri_err_set(err, PERI_EFORMAT, "%s has nothing in it", r->name);
        return NULL;
    }
    if (refuse_others(r->name, head, n, err)) return NULL;
    const peri_readops_t *seen = by_content(head, n);
    if (!ops && !seen) {
        peri_err_set(err, PERI_EFORMAT,
                     "%s is no table of a known format: say its format, one of %s",
                     r->name, peri_import_formats());
        return NULL;
    }
    /* csv is any text: also what is said, or named .dat, without a look into it. */
    if (!ops || (ops == &peri_read_csv && seen == &peri_read_mrt)) ops = seen;
    /* An ending that lies: what a mark says is sure. */
    if (!said && seen && seen != ops && seen->sure && !(seen->text && ops->text)) {
        peri_err_set(
            err, PERI_EFORMAT,
            "%s has the name of a %s file, but holds %s: say so (\"format\": %s)",
            r->name, ops->name, seen->name, seen->name);
        return NULL;
    }
    *unpack = packed && !ops->unpacks;
    return ops;
}
