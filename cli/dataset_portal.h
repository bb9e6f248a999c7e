/* dataset_portal.h - `perigee dataset search` and `show`: the portal's catalogue. */
#ifndef CLI_DATASET_PORTAL_H
#define CLI_DATASET_PORTAL_H

#include <stdbool.h>

/* Both return the exit status. text and tag may be NULL. */
int peri_dataset_search(const char *text, const char *tag, bool json);
int peri_dataset_show(const char *name, bool json);

#endif
