/* fetch.c - see fetch.h. */
#include "cli/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client_curl.h"
#include "core/base/util.h"

#define PROBLEM_MAX (1u << 20)

/* An answer that is no success is a problem, kept to be told. */
typedef struct {
    CURL *easy;
    FILE *out;
    peri_answer_t a;
} fetch_t;

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    fetch_t *f = arg;
    long status = 0;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) return fwrite(data, 1, size * n, f->out);
    return peri_buf_append(&f->a.body, data, size * n) == 0 ? n : 0;
}

static int get(peri_client_t *c, const char *path, FILE *out, peri_err_t *err)
{
    struct curl_slist *headers = NULL;
    fetch_t f = {.out = out};
    char error[CURL_ERROR_SIZE] = "";
    bool interrupted = false;
    int rc;
    peri_buf_init(&f.a.body, PROBLEM_MAX);
    f.easy = peri_client_handle(c, path, &headers, err);
    if (!f.easy) return -1;
    curl_easy_setopt(f.easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(f.easy, CURLOPT_WRITEDATA, &f);
    curl_easy_setopt(f.easy, CURLOPT_ERRORBUFFER, error);
    CURLcode code = peri_client_perform(c, f.easy, &interrupted);
    curl_easy_getinfo(f.easy, CURLINFO_RESPONSE_CODE, &f.a.status);
    if (interrupted)
        rc = peri_err_set(err, PERI_ECANCEL, "interrupted");
    else if (code == CURLE_WRITE_ERROR)
        rc = errno == EPIPE
                 ? peri_err_set(err, PERI_ECLOSED, "the output is closed")
                 : peri_err_set(err, PERI_EIO, "the output cannot be written: %s",
                                strerror(errno));
    else if (code != CURLE_OK)
        rc = peri_client_no_answer(c, f.easy, code, error, &f.a, err);
    else
        rc = f.a.status == 200 ? 0 : peri_client_problem(c, &f.a, err);
    curl_easy_cleanup(f.easy);
    curl_slist_free_all(headers);
    peri_answer_free(&f.a);
    return rc;
}

int peri_fetch(peri_client_t *c, const char *path, const char *to, peri_err_t *err)
{
    if (!to) return get(c, path, stdout, err);
    char *tmp = peri_xasprintf("%s.%ld.XXXXXX", to, (long)getpid());
    int fd = mkstemp(tmp);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    mode_t mask = umask(0);
    umask(mask);
    int rc = out ? get(c, path, out, err)
                 : peri_err_set(err, PERI_EIO, "cannot write beside %s: %s", to,
                                strerror(errno));
    if (rc == 0 &&
        (fchmod(fd, 0666 & ~mask) || fflush(out) || fsync(fd) || rename(tmp, to)))
        rc = peri_err_set(err, PERI_EIO, "cannot write %s: %s", to, strerror(errno));
    if (out) fclose(out);
    if (rc && fd >= 0) unlink(tmp);
    free(tmp);
    return rc;
}
