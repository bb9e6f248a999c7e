/* policy.c - which other files a file may lead to.
 *
 * External links, the sources of virtual datasets and external storage (sources.c) name
 * files; each is looked for in the places where HDF5 would look, and all that exist must
 * lie below the root (by realpath, so "../" and symbolic links don't help). Without a
 * root all may.
 */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/h5/private.h"

char *peri_h5_beside(const char *path, const char *name)
{
    char *copy = peri_xstrdup(path);
    char *out = peri_xasprintf("%s/%s", dirname(copy), name);
    free(copy);
    return out;
}

size_t peri_h5_places(const peri_h5file_t *f, const char *name, char *out[4])
{
    const char *slash = strrchr(name, '/');
    size_t n = 0;
    if (name[0] == '/') {
        out[n++] = peri_xstrdup(name);
        name = slash + 1;
    }
    out[n++] = peri_h5_beside(f->path, name);
    out[n++] = peri_xstrdup(name);
    out[n++] = peri_h5_beside(f->real, name);
    return n;
}

int peri_h5_denied(const peri_h5file_t *f, const char *real, peri_err_t *err)
{
    return peri_err_set(
        err, PERI_EDENIED,
        "%s is refused: it lies outside of %s, the folder that this query "
        "may read",
        real, f->root);
}

char *peri_h5_target(const peri_h5file_t *f, const char *name, peri_err_t *err)
{
    char *place[4], *real = NULL;
    size_t n = peri_h5_places(f, name, place);
    for (size_t i = 0; i < n; i++) {
        if (!real) real = realpath(place[i], NULL);
        free(place[i]);
    }
    if (!real) {
        peri_err_set(err, PERI_ENOTFOUND, "there is no file '%s' (named by %s)", name,
                     f->path);
    } else if (f->root && !peri_path_is_below(real, f->root)) {
        peri_h5_denied(f, real, err);
        free(real);
        real = NULL;
    }
    return real;
}
