/* client.h - perigee-helper, asked by perigeed (and `perigee up`, `down`, `doctor`).
 *
 * A connection for each question, so that a helper that was started anew is simply asked.
 * Threads: all.
 */
#ifndef PORTAL_HELPER_CLIENT_H
#define PORTAL_HELPER_CLIENT_H

#include "core/base/buf.h"
#include "perigee/err.h"
#include "portal/config/config.h"
#include "portal/helper/message.h"
#include "scheduler/starter.h"

/* Its socket; the caller frees. */
char *peri_helper_socket(const peri_config_t *c);

/* One question. end_fd: goes along with it, -1: none. *pidfd (may be NULL): what came
 * back, -1: nothing. PERI_EDENIED: refused; PERI_EIO: it does not run, or could not. */
int peri_helper_ask(const char *socket, const void *packet, size_t len, int end_fd,
                    peri_helperanswer_t *answer, int *pidfd, peri_err_t *err);
int peri_helper_ping(const char *socket, peri_err_t *err);
int peri_helper_stop(const char *socket, peri_err_t *err);

/* What perigeed's local scheduler starts others' tasks with. Lives until the end of the
 * process; the configuration must, too. */
const peri_starter_t *peri_helper_starter(const peri_config_t *c);

/* ---- the folders of volumes that a submission's tasks see ---- */

/* The file in the submission's folder; only we can write it. One line a folder. */
#define PERI_HELPER_LIST "folders"
void peri_helper_list_put(peri_buf_t *out, int64_t volume, bool write, const char *path);
/* Appends the mounts of a request. */
int peri_helper_list_read(const char *text, size_t len, peri_buf_t *packet, uint32_t *n,
                          peri_err_t *err);

/* For a scheduler by name. */
#define PERI_HELPER_ONLY_LOCAL                                                           \
    "with \"identity: unix\" jobs run on the portal's own machine, not in \"%.60s\": "   \
    "send it with the scheduler \"local\""

/* ---- who ---- */

/* The Unix user that the jobs of the account of this name run as: PERI_EDENIED with the
 * sentence why there is none. */
int peri_helper_user(const peri_config_t *c, const char *name, uid_t *uid,
                     peri_err_t *err);
/* There is a Unix user of this name, or that cannot be found out. */
bool peri_helper_is_unix(const char *name);

#endif
