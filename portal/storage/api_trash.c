/* api_trash.c - what is in the trash of a volume: look, back, away. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/api.h"
#include "portal/storage/trash.h"

/* What was deleted may have lain anywhere: only who may write all of the volume sees it.
 */
static int begin(peri_request_t *r, unsigned rights, peri_spot_t *s, peri_err_t *err)
{
    return peri_spot_open(r, r->param[0], r->param[1], "",
                          &(peri_spotneed_t){.rights = rights, .write = true}, s, err);
}

static json_t *trashed_json(const peri_request_t *r, const peri_trashed_t *t)
{
    const double days = r->portal->config->storage.trash_days;
    json_t *j = json_pack(
        "{s:s, s:s?, s:s, s:s, s:f, s:o}", "id", t->id, "path", t->path, "kind",
        peri_entrykind_name(t->entry.kind), "by", t->by, "deleted", t->deleted, "expires",
        days > 0 ? json_real(t->deleted + days * 86400.0) : json_null());
    json_object_set_new(j, "amount",
                        t->counted ? peri_amount_json(&t->amount) : json_null());
    return j;
}

int peri_api_trash(peri_request_t *r, peri_err_t *err)
{
    peri_spot_t s;
    peri_trashed_t *list;
    size_t n;
    int64_t limit;
    const char *next, *after = peri_request_arg(r, "after");
    if (peri_request_number(r, "limit", 1, PERI_LIST_MAX, 200, &limit, err) ||
        begin(r, PERI_RIGHT_READ | PERI_RIGHT_WRITE, &s, err))
        return -1;
    int rc = peri_trash_list(s.root, after && *after ? after : NULL, (size_t)limit,
                             r->arena, &list, &n, &next, err);
    peri_spot_close(&s);
    if (rc) return -1;
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(out, trashed_json(r, &list[i]));
    r->json =
        json_pack("{s:s, s:o, s:s?}", "volume", s.v.label, "trash", out, "next", next);
    return 0;
}

/* To a path that she may write. */
int peri_file_restore(peri_request_t *r, const char *id, const char *to, peri_err_t *err)
{
    peri_spot_t s, goal = {.root = -1};
    peri_trashed_t t;
    peri_amount_t freed;
    peri_entry_t e;
    uint64_t made = 0;
    int rc = -1;
    /* Any right on the volume is enough here; what counts is the goal. */
    if (peri_spot_open(
            r, r->param[0], r->param[1], to ? to : "",
            &(peri_spotneed_t){.rights = to ? PERI_RIGHT_WRITE : 0, .write = true}, &s,
            err))
        return -1;
    if (peri_trash_get(s.root, id, r->arena, &t, err)) goto out;
    if (!to && !t.path) {
        peri_err_set(err, PERI_EINVAL,
                     "where it was is not known any more: say \"to\", a new path");
        goto out;
    }
    if (peri_spot_open(r, r->param[0], r->param[1], to ? to : t.path,
                       &(peri_spotneed_t){.rights = PERI_RIGHT_WRITE, .write = true},
                       &goal, err))
        goto out;
    rc = peri_trash_restore(s.root, id, goal.path, &made, &freed, err);
    if (made || freed.files)
        peri_spot_change(r->portal, s.v.id, (peri_amount_t){.files = made}, freed);
    if (!rc) rc = peri_ops_stat(goal.root, goal.path, &e, err);
    if (!rc) r->json = peri_entry_json(&goal, &e, goal.path);
out:
    peri_spot_close(&s);
    peri_spot_close(&goal);
    return rc;
}

int peri_api_trash_restore(peri_request_t *r, peri_err_t *err)
{
    const char *to;
    json_t *o = peri_request_json(r, "to", err);
    if (!o || peri_json_text(o, "to", false, PERI_PATH_MAX + 2, &to, err)) return -1;
    return peri_file_restore(r, r->param[2], to, err);
}

/* ---- away, for good ---- */

typedef struct {
    peri_portal_t *portal;
    int root;
    int64_t volume;
    char id[PERI_TRASH_ID + 1]; /* "": all */
    peri_amount_t freed;
} emptyjob_t;

static int empty_run(void *job, const peri_stop_t *stop, peri_err_t *err)
{
    emptyjob_t *e = job;
    bool more;
    int rc = e->id[0] ? peri_trash_delete(e->root, e->id, stop, &e->freed, err)
                      : peri_trash_empty(e->root, HUGE_VAL, stop, &e->freed, &more, err);
    peri_spot_change(e->portal, e->volume, (peri_amount_t){0}, e->freed);
    return rc;
}

static int empty_answer(peri_request_t *r, void *job, peri_err_t *err)
{
    (void)err;
    r->json = json_pack("{s:o}", "freed", peri_amount_json(&((emptyjob_t *)job)->freed));
    return 0;
}

static void empty_free(void *job)
{
    close(((emptyjob_t *)job)->root);
    free(job);
}

static int empty(peri_request_t *r, const char *id, peri_err_t *err)
{
    static const peri_worktype_t type = {empty_run, empty_answer, empty_free};
    peri_spot_t s;
    int rc;
    if (peri_work_again(r, &rc, err)) return rc;
    if (begin(r, PERI_RIGHT_WRITE, &s, err)) return -1;
    peri_trashed_t t;
    if (*id && peri_trash_get(s.root, id, r->arena, &t, err)) {
        peri_spot_close(&s);
        return -1;
    }
    emptyjob_t *e = peri_xcalloc(1, sizeof(*e));
    *e = (emptyjob_t){.portal = r->portal, .root = s.root, .volume = s.v.id};
    memcpy(e->id, id, strlen(id));
    return peri_work_start(r, &type, e, err);
}

int peri_api_trash_delete(peri_request_t *r, peri_err_t *err)
{
    return empty(r, r->param[2], err);
}

int peri_api_trash_empty(peri_request_t *r, peri_err_t *err)
{
    return empty(r, "", err);
}
