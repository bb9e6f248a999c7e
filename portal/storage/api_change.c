/* api_change.c - making, moving, copying and deleting files and folders.
 *
 * A name changes in the folder that holds it: to move or delete something one must be
 * allowed to write there, not only in the thing itself.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/api.h"
#include "portal/storage/trash.h"

#define INLINE_MAX ((uint64_t)8 << 20) /* bytes of a copy that a thread is not worth */

static const peri_spotneed_t change_name = {PERI_RIGHT_WRITE, true, true};
static const peri_spotneed_t write_here = {PERI_RIGHT_WRITE, false, true};

/* What is in the body of POST /files/... */
typedef struct {
    const char *action, *to, *volume, *name, *id;
    bool parents, overwrite;
} act_t;

/* ---- answers ---- */

static int answer_entry(peri_request_t *r, const peri_spot_t *s, int status,
                        peri_err_t *err)
{
    peri_entry_t e;
    if (peri_ops_stat(s->root, s->path, &e, err)) return -1;
    r->json = peri_entry_json(s, &e, s->path);
    json_object_set_new(r->json, "volume", json_string(s->v.label));
    r->status = status;
    return 0;
}

/* Where it goes to: "to" in the same volume or in "volume" (OWNER/NAME). */
static int target_open(peri_request_t *r, const act_t *a, peri_spot_t *out,
                       peri_err_t *err)
{
    const char *owner = r->param[0], *name = r->param[1];
    *out = (peri_spot_t){.root = -1};
    if (!a->to)
        return peri_err_set(err, PERI_EINVAL,
                            "\"to\" is missing: the new path, with its name");
    if (a->volume) {
        const char *slash = strchr(a->volume, '/');
        if (!slash)
            return peri_err_set(err, PERI_EINVAL,
                                "\"volume\" is OWNER/NAME, such as \"%s/scratch\"",
                                r->actor.name);
        owner = peri_arena_strndup(r->arena, a->volume, (size_t)(slash - a->volume));
        name = slash + 1;
    }
    return peri_spot_open(r, owner, name, a->to, &write_here, out, err);
}

/* ---- folders ---- */

static int act_mkdir(peri_request_t *r, const act_t *a, peri_err_t *err)
{
    peri_spot_t s;
    uint64_t made = 0;
    if (peri_spot_open(r, r->param[0], r->param[1], r->param[2], &write_here, &s, err))
        return -1;
    int rc = peri_ops_mkdir(s.root, s.path, a->parents, &made, err);
    if (made)
        peri_spot_change(r->portal, s.v.id, (peri_amount_t){.files = made},
                         (peri_amount_t){0});
    if (!rc) rc = answer_entry(r, &s, made ? 201 : 200, err);
    peri_spot_close(&s);
    return rc;
}

/* ---- copies, and moves to another volume ---- */

typedef struct {
    peri_portal_t *portal;
    int from, to;
    char *path, *goal, *label;
    int64_t volume, from_volume; /* from_volume 0: it stays there, too */
    bool overwrite;
    peri_copied_t done;
    peri_arena_t *arena; /* of what the answer needs */
    peri_spot_t spot;    /* the goal; strings in the arena */
} copyjob_t;

/* Room is reserved in the goal's volume for all that the thing is now. */
static int copy_run(void *job, const peri_stop_t *stop, peri_err_t *err)
{
    copyjob_t *c = job;
    peri_copying_t how = {.overwrite = c->overwrite, .stop = stop};
    const peri_amount_t none = {0};
    bool whole;
    if (peri_ops_amount(c->from, c->path, 0, stop, &how.most, &whole, err)) return -1;
    if (!*c->path) how.most.files++; /* the new folder; the old one was free */
    peri_db_t *db = peri_dbpool_get(c->portal->db, err);
    if (!db) return -1;
    int rc = peri_usage_reserve(db, &c->portal->config->storage, c->volume, c->label,
                                how.most, err);
    peri_dbpool_put(c->portal->db, db);
    if (rc) return -1;
    if (c->from_volume) {
        rc = peri_ops_move(c->from, c->path, c->to, c->goal, c->overwrite, &c->done.freed,
                           err);
        if (!rc) c->done.made = how.most;
    } else {
        rc = peri_ops_copy(c->from, c->path, c->to, c->goal, &how, &c->done, err);
    }
    db = peri_dbpool_get(c->portal->db, NULL);
    peri_usage_settle(db, c->volume, how.most, c->done.made, c->done.freed);
    if (!rc && c->from_volume) peri_usage_change(db, c->from_volume, none, how.most);
    if (db) peri_dbpool_put(c->portal->db, db);
    return rc;
}

static int copy_answer(peri_request_t *r, void *job, peri_err_t *err)
{
    copyjob_t *c = job;
    if (answer_entry(r, &c->spot, c->from_volume ? 200 : 201, err)) return -1;
    if (c->from_volume) return 0;
    json_object_set_new(r->json, "copied", peri_amount_json(&c->done.made));
    json_object_set_new(r->json, "left_out", json_integer((json_int_t)c->done.skipped));
    return 0;
}

static void copy_free(void *job)
{
    copyjob_t *c = job;
    close(c->from);
    close(c->to);
    free(c->path);
    free(c->goal);
    free(c->label);
    peri_arena_free(c->arena);
    free(c);
}

/* Takes the spots' descriptors. */
static copyjob_t *copy_new(peri_request_t *r, peri_spot_t *from, peri_spot_t *to,
                           const act_t *a)
{
    copyjob_t *c = peri_xcalloc(1, sizeof(*c));
    c->portal = r->portal;
    c->from = from->root;
    c->to = to->root;
    from->root = to->root = -1;
    c->path = peri_xstrdup(from->path);
    c->goal = peri_xstrdup(to->path);
    c->label = peri_xstrdup(to->v.label);
    c->volume = to->v.id;
    c->from_volume = !strcmp(a->action, "move") ? from->v.id : 0;
    c->overwrite = a->overwrite;
    c->arena = peri_arena_new();
    c->spot = (peri_spot_t){.v = {.id = to->v.id, .days = to->v.days},
                            .path = peri_arena_strdup(c->arena, to->path),
                            .root = c->to};
    c->spot.v.label = peri_arena_strdup(c->arena, to->v.label);
    return c;
}

/* At once if it is small. */
static int copy_start(peri_request_t *r, peri_spot_t *from, peri_spot_t *to,
                      const act_t *a, peri_err_t *err)
{
    static const peri_worktype_t type = {copy_run, copy_answer, copy_free};
    peri_entry_t e;
    if (peri_ops_stat(from->root, from->path, &e, err)) return -1;
    copyjob_t *c = copy_new(r, from, to, a);
    if (e.kind == PERI_ENTRY_FOLDER || (!c->from_volume && e.size > INLINE_MAX))
        return peri_work_start(r, &type, c, err);
    int rc = copy_run(c, NULL, err) || copy_answer(r, c, err) ? -1 : 0;
    copy_free(c);
    return rc;
}

static int act_copy(peri_request_t *r, const act_t *a, peri_err_t *err)
{
    peri_spot_t from, to = {.root = -1};
    if (peri_spot_open(r, r->param[0], r->param[1], r->param[2],
                       &(peri_spotneed_t){.rights = PERI_RIGHT_READ}, &from, err))
        return -1;
    int rc = target_open(r, a, &to, err);
    if (!rc) rc = copy_start(r, &from, &to, a, err);
    peri_spot_close(&from);
    peri_spot_close(&to);
    return rc;
}

/* ---- moving ---- */

static int move_within(peri_request_t *r, peri_spot_t *from, peri_spot_t *to,
                       bool overwrite, peri_err_t *err)
{
    peri_amount_t freed;
    if (peri_ops_move(from->root, from->path, to->root, to->path, overwrite, &freed, err))
        return -1;
    if (freed.files) peri_spot_change(r->portal, to->v.id, (peri_amount_t){0}, freed);
    return answer_entry(r, to, 200, err);
}

/* Somebody could read it there: so who moves it must be allowed to. */
static int move_away(peri_request_t *r, peri_spot_t *from, peri_spot_t *to,
                     const act_t *a, peri_err_t *err)
{
    peri_db_t *db = peri_request_system(r, err);
    if (!db) return -1;
    int rc = peri_access_need(r, db, "volume", from->v.id, from->path, PERI_RIGHT_READ,
                              from->label, err);
    peri_dbpool_put(r->portal->db, db);
    return rc ? -1 : copy_start(r, from, to, a, err);
}

static int act_move(peri_request_t *r, const act_t *a, peri_err_t *err)
{
    peri_spot_t from, to = {.root = -1};
    if (peri_spot_open(r, r->param[0], r->param[1], r->param[2], &change_name, &from,
                       err))
        return -1;
    int rc = target_open(r, a, &to, err);
    if (!rc)
        rc = from.v.id == to.v.id ? move_within(r, &from, &to, a->overwrite, err)
                                  : move_away(r, &from, &to, a, err);
    peri_spot_close(&from);
    peri_spot_close(&to);
    return rc;
}

static int act_rename(peri_request_t *r, const act_t *a, peri_err_t *err)
{
    act_t moved = *a;
    const char *path = r->param[2] + strspn(r->param[2], "/");
    size_t n = strlen(path);
    if (!a->name)
        return peri_err_set(err, PERI_EINVAL, "\"name\" is missing: the new name");
    if (peri_filename_check(a->name, strlen(a->name), err)) return -1;
    while (n && path[n - 1] == '/') n--;
    while (n && path[n - 1] != '/') n--;
    moved.to = peri_arena_printf(r->arena, "%.*s%s", (int)n, path, a->name);
    moved.volume = NULL;
    return act_move(r, &moved, err);
}

/* ---- deleting ---- */

static int to_trash(peri_request_t *r, peri_spot_t *s, peri_err_t *err)
{
    char id[PERI_TRASH_ID + 1];
    peri_amount_t extra;
    if (peri_trash_put(s->root, s->path, r->actor.name, id, &extra, err)) return -1;
    peri_spot_change(r->portal, s->v.id, extra, (peri_amount_t){0});
    r->json = json_pack("{s:s, s:s, s:s, s:f}", "volume", s->v.label, "path", s->path,
                        "trash", id, "until",
                        peri_epoch() + r->portal->config->storage.trash_days * 86400.0);
    return 0;
}

typedef struct {
    peri_portal_t *portal;
    int root;
    char *path;
    int64_t volume;
    peri_amount_t freed;
} deletejob_t;

static int delete_run(void *job, const peri_stop_t *stop, peri_err_t *err)
{
    deletejob_t *d = job;
    int rc = peri_ops_delete(d->root, d->path, stop, &d->freed, err);
    if (!rc) peri_spot_change(d->portal, d->volume, (peri_amount_t){0}, d->freed);
    return rc;
}

static int delete_answer(peri_request_t *r, void *job, peri_err_t *err)
{
    (void)err;
    const deletejob_t *d = job;
    r->json =
        json_pack("{s:s, s:o}", "path", d->path, "freed", peri_amount_json(&d->freed));
    return 0;
}

static void delete_free(void *job)
{
    deletejob_t *d = job;
    close(d->root);
    free(d->path);
    free(d);
}

static int for_good(peri_request_t *r, peri_spot_t *s, peri_err_t *err)
{
    static const peri_worktype_t type = {delete_run, delete_answer, delete_free};
    peri_entry_t e;
    if (peri_ops_stat(s->root, s->path, &e, err)) return -1;
    deletejob_t *d = peri_xcalloc(1, sizeof(*d));
    *d = (deletejob_t){.portal = r->portal,
                       .root = s->root,
                       .path = peri_xstrdup(s->path),
                       .volume = s->v.id};
    s->root = -1;
    if (e.kind == PERI_ENTRY_FOLDER) return peri_work_start(r, &type, d, err);
    int rc = delete_run(d, NULL, err) || delete_answer(r, d, err) ? -1 : 0;
    delete_free(d);
    return rc;
}

static int remove_it(peri_request_t *r, bool forever, peri_err_t *err)
{
    peri_spot_t s;
    peri_entry_t e;
    char tag[PERI_ETAG_LEN];
    if (peri_spot_open(r, r->param[0], r->param[1], r->param[2], &change_name, &s, err))
        return -1;
    int rc = 0;
    if (peri_request_header(r, "If-Match")) {
        rc = peri_ops_stat(s.root, s.path, &e, err);
        if (!rc) rc = peri_request_match(r, peri_etag(&e, tag), err);
    }
    if (!rc) rc = forever ? for_good(r, &s, err) : to_trash(r, &s, err);
    peri_spot_close(&s);
    return rc;
}

/* ---- requests ---- */

static int act_trash(peri_request_t *r, const act_t *a, peri_err_t *err)
{
    (void)a;
    return remove_it(r, false, err);
}

static int act_restore(peri_request_t *r, const act_t *a, peri_err_t *err)
{
    if (!a->id)
        return peri_err_set(err, PERI_EINVAL,
                            "\"id\" is missing: of what is in the trash");
    return peri_file_restore(r, a->id, a->to, err);
}

int peri_api_file_act(peri_request_t *r, peri_err_t *err)
{
    static const struct {
        const char *name;
        int (*run)(peri_request_t *r, const act_t *a, peri_err_t *err);
    } actions[] = {{"mkdir", act_mkdir}, {"move", act_move},   {"rename", act_rename},
                   {"copy", act_copy},   {"trash", act_trash}, {"restore", act_restore}};
    act_t a = {0};
    int rc;
    if (peri_work_again(r, &rc, err)) return rc;
    json_t *o = peri_request_json(r, "action to volume name id parents overwrite", err);
    if (!o || peri_json_text(o, "action", true, 20, &a.action, err) ||
        peri_json_text(o, "to", false, PERI_PATH_MAX + 2, &a.to, err) ||
        peri_json_text(o, "volume", false, 200, &a.volume, err) ||
        peri_json_text(o, "name", false, PERI_NAME_MAX, &a.name, err) ||
        peri_json_text(o, "id", false, 64, &a.id, err) ||
        peri_json_bool(o, "parents", &a.parents, err) ||
        peri_json_bool(o, "overwrite", &a.overwrite, err))
        return -1;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (!strcmp(a.action, actions[i].name)) return actions[i].run(r, &a, err);
    return peri_err_set(err, PERI_EINVAL,
                        "\"action\" is mkdir, move, rename, copy, trash or restore, not "
                        "\"%s\"",
                        a.action);
}

int peri_api_file_delete(peri_request_t *r, peri_err_t *err)
{
    int rc;
    const char *forever = peri_request_arg(r, "forever");
    if (peri_work_again(r, &rc, err)) return rc;
    return remove_it(r, forever && !strcmp(forever, "1"), err);
}
