/* secret_file.c - see secret_file.h. */
#include "portal/account/secret_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"

#define SECRET_MAX 4096u

int peri_secretfile_read(const char *path, char **out, peri_err_t *err)
{
    struct stat st;
    char *s = NULL;
    size_t n;
    if (peri_file_slurp(path, SECRET_MAX, &s, &n, err)) return -1;
    s[strcspn(s, "\r\n")] = '\0';
    if (stat(path, &st) == 0 && (st.st_mode & (S_IRWXO | S_IWGRP)))
        peri_err_set(err, PERI_EDENIED,
                     "other users of this machine can read or change %s; chmod 600 it",
                     path);
    else if (!*s)
        peri_err_set(err, PERI_EINVAL, "%s is empty", path);
    else {
        *out = s;
        return 0;
    }
    peri_secretfile_free(s);
    return -1;
}

void peri_secretfile_free(char *secret)
{
    if (secret) explicit_bzero(secret, strlen(secret));
    free(secret);
}
