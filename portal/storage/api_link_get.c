/* api_link_get.c - GET /l/TOKEN: one file for somebody without an account. Whether the
 * link still shows it is portal/access's to say. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/task/folder.h"
#include "portal/access/link.h"
#include "portal/storage/api.h"

/* The folder that the path of a link lies in: a volume's, or a job's results. */
static int open_root(peri_request_t *r, peri_db_t *db, const peri_thing_t *t,
                     const char **accel, peri_err_t *err)
{
    char number[24];
    *accel = NULL;
    snprintf(number, sizeof(number), "%lld", (long long)t->id);
    const bool volume = !strcmp(t->kind, "volume");
    PGresult *q = peri_db_query(
        db, err,
        volume ? "SELECT d.folder, v.dataset FROM volume v LEFT JOIN dataset d ON d.id = "
                 "v.dataset WHERE v.id = $1::bigint AND v.removed IS NULL"
               : "SELECT uuid::text FROM job WHERE number = $1::bigint",
        1, (const char *const[]){number});
    if (!q) return -1;
    int fd = -1;
    if (!PQntuples(q)) {
        peri_err_set(err, PERI_ENOTFOUND, "what this link showed is gone");
    } else if (!volume) {
        char *folder = peri_folder_results(r->portal->config->spool, PQgetvalue(q, 0, 0));
        fd = peri_path_open_root(folder, err);
        free(folder);
    } else if (!PQgetisnull(q, 0, 1)) {
        fd = peri_path_open_root(PQgetvalue(q, 0, 0), err);
    } else {
        fd = peri_volume_open_id(&r->portal->config->storage, t->id, err);
        *accel = peri_arena_printf(r->arena, "/_files/%s", number);
    }
    PQclear(q);
    return fd;
}

int peri_api_link_get(peri_request_t *r, peri_err_t *err)
{
    peri_thing_t t;
    const char *accel = NULL;
    int root = -1, fd;
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    if (peri_link_open(r, db, r->param[0], &t, err) == 0)
        root = open_root(r, db, &t, &accel, err);
    peri_dbpool_put(r->portal->db, db);
    if (root < 0) return -1;
    const char *path = peri_path_clean(r->arena, t.path, strlen(t.path), err);
    fd = path ? peri_path_open_file(root, path, O_RDONLY, err) : -1;
    close(root);
    if (fd < 0) return -1;
    if (accel && !r->actor.local) accel = peri_send_accel(r->arena, accel, path);
    return peri_send_file(r, fd, peri_path_name(path), r->actor.local ? NULL : accel,
                          err);
}
