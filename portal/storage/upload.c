/* upload.c - see upload.h. */
#include "portal/storage/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/path.h"
#include "portal/storage/upload_priv.h"

#define SWEEP_AT_ONCE 100
#define DISK_MARGIN   ((uint64_t)64 << 20) /* left for the database and others */

/* ---- places ---- */

int peri_upload_dir(const peri_uploads_t *u, int64_t volume, peri_err_t *err)
{
    int root = peri_volume_open_id(u->conf, volume, err);
    if (root < 0) return -1;
    int dir = peri_path_open_private(root, PERI_PATH_UPLOADS, err);
    close(root);
    return dir;
}

static peri_uploadfile_t file_of(const peri_upload_t *up, int dir)
{
    return (peri_uploadfile_t){
        .id = up->id, .dir = dir, .length = up->size, .whole = up->sum.kind};
}

static int room_at(int fd, int64_t bytes, peri_err_t *err)
{
    struct statvfs fs;
    char left[16], want[16];
    if (fstatvfs(fd, &fs)) return 0;
    const uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
    const uint64_t margin = (uint64_t)fs.f_blocks * fs.f_frsize / 64 < DISK_MARGIN
                                ? (uint64_t)fs.f_blocks * fs.f_frsize / 64
                                : DISK_MARGIN;
    if (bytes == 0 || room >= (uint64_t)bytes + margin) return 0;
    return peri_err_set(err, PERI_EFULL,
                        "the portal's disk has room for %s, and %s are to come: tell its "
                        "administrator, or wait; the upload can go on later",
                        peri_human_bytes(room > margin ? room - margin : 0, left),
                        peri_human_bytes((uint64_t)bytes, want));
}

int peri_upload_room(peri_uploads_t *u, const peri_upload_t *up, int64_t bytes,
                     peri_err_t *err)
{
    int root = peri_volume_open_id(u->conf, up->volume, err);
    if (root < 0) return -1;
    int rc = room_at(root, bytes, err);
    close(root);
    return rc;
}

/* ---- a new one ---- */

/* Is the path free for it? */
static int look(int root, const peri_upload_t *in, peri_err_t *err)
{
    struct stat st;
    const char *name;
    peri_err_t why = {0};
    if (!*in->path)
        return peri_err_set(err, PERI_EINVAL, "the name of the file is missing");
    if (peri_path_stat(root, in->path, &st, &why) == 0) {
        if (S_ISDIR(st.st_mode))
            return peri_err_set(err, PERI_ECONFLICT, "\"%.300s\" is a folder", in->path);
        if (!in->overwrite)
            return peri_err_set(err, PERI_ECONFLICT,
                                "\"%.300s\" exists already: choose another name, or ask "
                                "for it to be overwritten",
                                in->path);
        return 0;
    }
    if (why.code != PERI_ENOTFOUND) {
        if (err) *err = why;
        return -1;
    }
    int folder = peri_path_open_parent(root, in->path, &name, err);
    if (folder < 0) return -1;
    close(folder);
    return 0;
}

static bool same(const peri_upload_t *a, const peri_upload_t *b)
{
    return a->account == b->account && a->volume == b->volume && a->size == b->size &&
           strcmp(a->path, b->path) == 0;
}

/* One with the id that the client chose: 1: it is there and the same. */
static int find_old(peri_db_t *db, const peri_upload_t *in, peri_arena_t *a,
                    peri_upload_t *out, peri_err_t *err)
{
    peri_err_t why = {0};
    if (peri_upload_find(db, in->id, a, out, &why) == 0) {
        if (same(in, out)) return 1;
        return peri_err_set(err, PERI_ECONFLICT, "there is another upload with this id");
    }
    if (why.code == PERI_ENOTFOUND) return 0;
    if (err) *err = why;
    return -1;
}

int peri_upload_create(peri_uploads_t *u, const peri_upload_t *in, const char *label,
                       peri_arena_t *a, peri_upload_t *out, bool *old, peri_err_t *err)
{
    char id[PERI_UPLOAD_ID + 1];
    int rc = -1, found = 0, root = -1;
    *old = false;
    if (*in->id && !peri_upload_id_ok(in->id))
        return peri_err_set(err, PERI_EINVAL,
                            "the id of an upload is a UUID in small letters");
    peri_db_t *db = peri_dbpool_get(u->db, err);
    if (!db) return -1;
    if (*in->id) found = find_old(db, in, a, out, err);
    if (found == 0) {
        root = peri_volume_open_id(u->conf, in->volume, err);
        if (root < 0 || look(root, in, err) || room_at(root, in->size, err)) goto out;
        rc = peri_uploadrow_insert(db, u->conf, in, label, id, err);
        /* Two with the same id at once: the other one made it. */
        if (rc == 0) found = find_old(db, in, a, out, err);
        if (rc == 1) found = peri_upload_find(db, id, a, out, err) ? -1 : 2;
    }
    *old = found == 1;
    rc = found > 0 ? 0 : -1;
out:
    if (root >= 0) close(root);
    peri_dbpool_put(u->db, db);
    return rc;
}

/* ---- its bytes ---- */

int peri_upload_offset(peri_uploads_t *u, const peri_upload_t *up, int64_t *offset,
                       peri_err_t *err)
{
    *offset = up->size;
    if (up->done) return 0;
    int dir = peri_upload_dir(u, up->volume, err);
    if (dir < 0) return -1;
    const peri_uploadfile_t f = file_of(up, dir);
    int rc = peri_uploadfile_offset(u->table, &f, offset, err);
    close(dir);
    return rc;
}

int64_t peri_upload_received(const peri_uploads_t *u, const peri_upload_t *up)
{
    struct stat st = {0};
    int dir = peri_upload_dir(u, up->volume, NULL);
    if (dir < 0) return 0;
    if (fstatat(dir, up->id, &st, AT_SYMLINK_NOFOLLOW)) st.st_size = 0;
    close(dir);
    return st.st_size < up->size ? st.st_size : up->size;
}

/* Is it (still) not done? Asked when its file is not there: it has its name then, or
 * never got a byte, and "done" is written before a file gets its name. */
static int is_new(peri_uploads_t *u, const peri_upload_t *up, int64_t *actual,
                  peri_err_t *err)
{
    peri_upload_t now;
    peri_arena_t *a = peri_arena_new();
    peri_db_t *db = peri_dbpool_get(u->db, err);
    int rc = db ? peri_upload_find(db, up->id, a, &now, err) : -1;
    if (rc == 0 && now.done) {
        *actual = up->size;
        rc = peri_err_set(err, PERI_ECONFLICT, "the upload is complete");
    }
    if (db) peri_dbpool_put(u->db, db);
    peri_arena_free(a);
    return rc;
}

peri_writer_t *peri_upload_write(peri_uploads_t *u, const peri_upload_t *up,
                                 int64_t offset, const peri_sum_t *chunk, int64_t *actual,
                                 peri_err_t *err)
{
    peri_err_t why = {0};
    *actual = -1;
    int dir = peri_upload_dir(u, up->volume, err);
    if (dir < 0) return NULL;
    peri_uploadfile_t f = file_of(up, dir);
    peri_writer_t *w = peri_writer_open(u->table, &f, offset, chunk, actual, &why);
    if (!w && why.code == PERI_ENOTFOUND && is_new(u, up, actual, &why) == 0) {
        f.create = true;
        w = peri_writer_open(u->table, &f, offset, chunk, actual, &why);
    }
    if (!w && err) *err = why;
    close(dir);
    return w;
}

int peri_upload_remove(peri_uploads_t *u, const peri_upload_t *up, peri_err_t *err)
{
    peri_err_t why = {0};
    int dir = peri_upload_dir(u, up->volume, &why);
    int rc = 0;
    bool reserved = !up->done;
    if (dir >= 0) {
        const peri_uploadfile_t f = file_of(up, dir);
        /* "done" and then a crash: it has no name yet, and will not get it. */
        reserved = reserved || faccessat(dir, up->id, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        rc = peri_uploadfile_remove(u->table, &f, err);
        close(dir);
    } else if (why.code != PERI_ENOTFOUND) { /* a volume that is gone has no file */
        if (err) *err = why;
        rc = -1;
    }
    peri_db_t *db = rc == 0 ? peri_dbpool_get(u->db, err) : NULL;
    if (!db) return -1;
    rc = peri_uploadrow_delete(db, up, reserved, err);
    peri_dbpool_put(u->db, db);
    return rc;
}

/* ---- what nobody went on with ---- */

/* One request that lasts for days is not over because no other one came. */
static bool still_grows(peri_uploads_t *u, const peri_upload_t *up)
{
    struct stat st;
    int dir = peri_upload_dir(u, up->volume, NULL);
    if (dir < 0) return false;
    bool grows = fstatat(dir, up->id, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                 (double)st.st_mtime > (double)time(NULL) - PERI_UPLOAD_DAYS * 86400.0;
    close(dir);
    return grows && !up->done;
}

void peri_upload_sweep(peri_uploads_t *u)
{
    peri_upload_t *list = peri_xcalloc(SWEEP_AT_ONCE, sizeof(*list));
    peri_arena_t *a = peri_arena_new();
    peri_db_t *db = peri_dbpool_get(u->db, NULL);
    int n = db ? peri_uploadrow_expired(db, a, list, SWEEP_AT_ONCE, NULL) : 0;
    for (int i = 0; i < n; i++)
        if (still_grows(u, &list[i])) {
            peri_upload_touch(db, &list[i], NULL);
            list[i].id[0] = '\0';
        }
    if (db) peri_dbpool_put(u->db, db);
    for (int i = 0; i < n && !atomic_load(&u->stop); i++)
        if (list[i].id[0]) {
            peri_upload_remove(u, &list[i], NULL);
            /* After a crash the volume may be counted at the same moment. */
            peri_usage_doubt(list[i].volume);
        }
    peri_arena_free(a);
    free(list);
}
