/* replicas.h - which files of a dataset this machine sees, and telling perigeed, so that
 * jobs run where their data is. Looks at no file's contents.
 */
#ifndef CLI_REPLICAS_H
#define CLI_REPLICAS_H

#include "cli/client.h"
#include "core/table/dataset.h"

/* {"dataset", "node", "local": [FILE...], "shared": [FILE...]}, a new reference; FILE is
 * {"file", "path", "size", "mtime_ns"}. table NULL: all of the dataset's. */
json_t *peri_replicas_look(const peri_dataset_t *d, const char *table, peri_err_t *err);
/* What the node holds replaces what was known of it. Of an empty list of shared files
 * nothing is told: another node may see them. *absent (may be NULL): nobody listens. */
int peri_replicas_tell(peri_client_t *c, const json_t *seen, bool *absent,
                       peri_err_t *err);
/* As FOLDER/NODE.json, for somebody who can reach perigeed. */
int peri_replicas_save(const json_t *seen, const char *folder, peri_err_t *err);

typedef struct {
    const char *const *words; /* of a perigee command that takes --save FOLDER */
    size_t nwords;
    const char *scheduler; /* NULL: the configuration's */
    uint32_t threads;      /* on each node; 0: 1 */
} peri_everywhere_t;
/* Run it as a job, once on each node, and tell perigeed what all have saved. An exit
 * status. */
int peri_replicas_everywhere(const peri_everywhere_t *e);

#endif
