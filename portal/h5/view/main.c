/* main.c - perigee-h5: one question (JSON on stdin), one answer (stdout).
 *
 * The exit status is 0, or PERI_H5VIEW_STATUS + the code of the error, whose sentence is
 * then all that stdout has: a regular file, for it may be taken back. Started by perigeed
 * with an empty environment; by hand: perigee-h5 9 9<FILE <QUESTION >ANSWER.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/h5/h5.h"
#include "portal/h5/view/view.h"

#define QUESTION_MAX (64u << 10)

static const char usage[] = "usage: perigee-h5 DESCRIPTOR\n"
                            "Answers a question about the HDF5 file that is open as "
                            "DESCRIPTOR. The portal starts\n"
                            "it; the question is JSON on standard input:\n"
                            "  {\"ask\": \"meta|attr|data|paths|stats\", \"path\": "
                            "\"/x\", \"selection\": \"0:10,:\",\n"
                            "   \"format\": \"json|bin|npy|csv|tiff\", \"dtype\": "
                            "\"origin|safe\", \"flatten\": true}\n";

static const struct {
    const char *word;
    peri_h5answer_f answer;
} asks[] = {{"meta", peri_h5view_meta},
            {"attr", peri_h5view_attr},
            {"data", peri_h5view_data},
            {"paths", peri_h5view_paths},
            {"stats", peri_h5view_stats}};
#define NASKS (sizeof(asks) / sizeof(asks[0]))

static int one_of(const char *key, const char *value, const char *words, peri_err_t *err)
{
    char looked[40];
    snprintf(looked, sizeof(looked), "|%.30s|", value);
    if (strstr(words, looked)) return 0;
    return peri_err_set(err, PERI_EINVAL, "\"%s\" is one of %.*s, not \"%.40s\"", key,
                        (int)strlen(words) - 2, words + 1, value);
}

static int read_keys(json_t *keys, peri_h5ask_t *q)
{
    const char **v = peri_arena_calloc(q->arena, json_array_size(keys) + 1, sizeof(*v));
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *s = json_string_value(json_array_get(keys, i));
        if (s) v[q->nkeys++] = s;
    }
    q->keys = v;
    return 0;
}

static int read_question(json_t *j, peri_h5ask_t *q, peri_h5answer_f *answer,
                         peri_err_t *err)
{
    const char *ask = "", *links = "only_valid";
    json_t *keys = NULL;
    int flatten = 0;
    json_int_t depth = 1, from = 0, limit = PERI_H5VIEW_ENTRIES;
    json_error_t why;
    q->path = "/";
    q->file = "the file";
    if (json_unpack_ex(
            j, &why, 0,
            "{s:s, s?:s, s?:s, s?:s, s?:s, s?:s, s?:b, s?:s, s?:I, s?:I, s?:I, s?:o}",
            "ask", &ask, "file", &q->file, "path", &q->path, "selection", &q->selection,
            "format", &q->format, "dtype", &q->dtype, "flatten", &flatten,
            "resolve_links", &links, "depth", &depth, "from", &from, "limit", &limit,
            "attr_keys", &keys))
        return peri_err_set(err, PERI_EINVAL, "not a question: %s", why.text);
    if ((q->format && one_of("format", q->format, "|json|bin|npy|csv|tiff|", err)) ||
        (q->dtype && one_of("dtype", q->dtype, "|origin|safe|", err)) ||
        one_of("resolve_links", links, "|only_valid|all|none|", err))
        return -1;
    if (depth < 0 || depth > PERI_H5VIEW_DEPTH || from < 0 || limit < 1 ||
        limit > PERI_H5VIEW_ENTRIES)
        return peri_err_set(err, PERI_EINVAL, "depth is 0 to %d, limit 1 to %d",
                            PERI_H5VIEW_DEPTH, PERI_H5VIEW_ENTRIES);
    if (!*q->path) q->path = "/";
    q->links = !strcmp(links, "all")    ? PERI_H5LINKS_ALL
               : !strcmp(links, "none") ? PERI_H5LINKS_NONE
                                        : PERI_H5LINKS_VALID;
    q->flatten = flatten;
    q->depth = (int)depth;
    q->from = (uint64_t)from;
    q->limit = (uint64_t)limit;
    for (size_t i = 0; i < NASKS; i++)
        if (!strcmp(ask, asks[i].word)) *answer = asks[i].answer;
    if (!*answer) return peri_err_set(err, PERI_EINVAL, "not a question: \"%.40s\"", ask);
    return keys ? read_keys(keys, q) : 0;
}

static int slurp(char *text, size_t max, size_t *len, peri_err_t *err)
{
    ssize_t n;
    *len = 0;
    while (*len < max && (n = read(0, text + *len, max - *len)) != 0) {
        if (n < 0 && errno != EINTR)
            return peri_err_set(err, PERI_EIO, "cannot read the question: %m");
        if (n > 0) *len += (size_t)n;
    }
    if (*len < max) return 0;
    return peri_err_set(err, PERI_EINVAL, "the question is too long");
}

static int run(uint64_t size, peri_h5out_t *o, peri_err_t *err)
{
    static char text[QUESTION_MAX];
    peri_h5ask_t q = {.arena = peri_arena_new()};
    peri_h5answer_f answer = NULL;
    json_error_t why;
    size_t len;
    if (slurp(text, sizeof(text), &len, err)) return -1;
    json_t *j = json_loadb(text, len, 0, &why);
    if (!j) return peri_err_set(err, PERI_EINVAL, "not a question: %s", why.text);
    if (read_question(j, &q, &answer, err)) return -1;
    const hid_t file = peri_h5view_open(3, size, q.file, err);
    if (file < 0) return -1;
    /* What has failed for want of room says so at the end. */
    const int rc = answer(file, &q, o, err);
    return rc && !o->failed ? rc : peri_h5out_end(o, err);
}

int main(int argc, char **argv)
{
    peri_err_t err = {0};
    peri_h5out_t o;
    struct stat st;
    if (argc == 2 && !strcmp(argv[1], "--help")) {
        fputs(usage, stdout);
        return 0;
    }
    const int fd = argc == 2 ? atoi(argv[1]) : -1;
    if (fd < 3 || fstat(fd, &st)) {
        fputs(usage, stderr);
        return 2;
    }
    peri_h5out_init(&o, 1);
    peri_h5_init(NULL);
    /* Nothing of HDF5 closes the file tidily: the process ends. */
    if (peri_h5view_limits(fd, &err) == 0 && peri_h5view_wall(&err) == 0 &&
        run((uint64_t)st.st_size, &o, &err) == 0)
        _exit(0);
    const off_t back = lseek(1, 0, SEEK_SET);
    if (back == 0 && ftruncate(1, 0) == 0) (void)!write(1, err.text, strlen(err.text));
    _exit(PERI_H5VIEW_STATUS + (int)err.code);
}
