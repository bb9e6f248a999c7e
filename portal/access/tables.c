/* tables.c - see tables.h. */
#include "portal/access/tables.h"

#include <string.h>

bool peri_tables_are_in(bool team, const char *volume)
{
    if (team) return !strcmp(volume, "files") || !strcmp(volume, "lectures");
    return !strcmp(volume, PERI_SCHEMA_VOLUME);
}

bool peri_tables_file(const char *path)
{
    static const char at[] = PERI_SCHEMA_FOLDER "/";
    return !strncmp(path, at, sizeof(at) - 1) && !strchr(path + sizeof(at) - 1, '/');
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);
    return n > k && !strcmp(s + n - k, end);
}

bool peri_tables_table(const char *path)
{
    return peri_tables_file(path) &&
           (ends_with(path, ".h5") || ends_with(path, ".view.sql"));
}
