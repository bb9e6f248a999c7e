/* Paths as clients send them: what is taken is clean, stays clean, and opens nothing
 * outside of an empty volume. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/path.h"

#define REQUIRE(x)                                                                       \
    do {                                                                                 \
        if (!(x)) abort();                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int root = -1;
    if (root < 0) {
        char dir[] = "/tmp/peri-fuzz-path-XXXXXX";
        REQUIRE(mkdtemp(dir));
        root = peri_path_open_root(dir, NULL);
        REQUIRE(root >= 0 && rmdir(dir) == 0);
    }
    peri_arena_t *a = peri_arena_new();
    peri_err_t err = {0};
    const char *path = peri_path_clean(a, (const char *)data, size, &err);
    if (path) {
        size_t n = strlen(path);
        REQUIRE(n <= size && n <= PERI_PATH_MAX && peri_utf8_valid(path, n));
        REQUIRE(n == 0 || (path[0] != '/' && path[n - 1] != '/'));
        REQUIRE(!strstr(path, "//") && strcmp(path, "..") && strncmp(path, "../", 3));
        REQUIRE(!strstr(path, "/../") && (n < 3 || strcmp(path + n - 3, "/..")));
        REQUIRE(!peri_path_within(path, PERI_PATH_PRIVATE));
        const char *again = peri_path_clean(a, path, n, &err);
        REQUIRE(again && strcmp(again, path) == 0);
        struct stat st;
        if (n) REQUIRE(peri_path_stat(root, path, &st, &err) == -1);
    } else {
        REQUIRE(err.code == PERI_EINVAL && err.text[0]);
        REQUIRE(peri_utf8_valid(err.text, strlen(err.text)));
    }
    peri_arena_free(a);
    return 0;
}
