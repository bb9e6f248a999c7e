/* cp_plan.c - see cp_plan.h. */
#include "cli/cp_plan.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "core/base/util.h"

#define LEVELS 64

typedef struct {
    peri_client_t *c;
    const char *account;
    const peri_cpopts_t *o;
    peri_cpplan_t *plan;
} cp_t;

void peri_cp_plan_free(peri_cpplan_t *plan)
{
    for (size_t i = 0; i < plan->n; i++) peri_transfer_free(&plan->t[i]);
    free(plan->t);
    *plan = (peri_cpplan_t){0};
}

/* Takes `remote`. entry: what the portal says of it, or NULL. */
static void add(cp_t *cp, bool up, const char *local, peri_place_t *remote, int64_t size,
                const json_t *entry)
{
    peri_cpplan_t *p = cp->plan;
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 16;
        p->t = peri_xrealloc(p->t, p->cap, sizeof(*p->t));
    }
    p->t[p->n++] = (peri_transfer_t){
        .up = up, .local = peri_xstrdup(local), .remote = *remote, .size = size};
    if (entry)
        snprintf(p->t[p->n - 1].tag, sizeof(p->t->tag), "%s",
                 peri_json_str(entry, "etag"));
    *remote = (peri_place_t){0};
}

static void skip(cp_t *cp, const char *what, const char *why)
{
    fprintf(stderr, "perigee: %s: left out, %s\n", what, why);
    cp->plan->skipped++;
}

/* ---- the portal's side ---- */

typedef enum { KIND_NOTHING, KIND_FILE, KIND_FOLDER } kind_t;

static int remote_kind(cp_t *cp, const peri_place_t *p, kind_t *kind, int64_t *size,
                       peri_err_t *err)
{
    peri_answer_t a = {0};
    peri_err_t why = {0};
    char *url = peri_place_url(p, cp->account, "/files");
    json_t *j = peri_client_get(cp->c, 0, &a, &why, "%s?stat=1", url);
    free(url);
    int rc = 0;
    *kind = KIND_NOTHING;
    *size = peri_json_int(j, "size", -1);
    if (j) {
        *kind = strcmp(peri_json_str(j, "kind"), "folder") ? KIND_FILE : KIND_FOLDER;
    } else if (a.status != 404) {
        *err = why;
        rc = -1;
    }
    json_decref(j);
    return rc;
}

static int change(cp_t *cp, const peri_place_t *p, json_t *what, peri_err_t *err)
{
    char *url = peri_place_url(p, cp->account, "/files");
    char *body = json_dumps(what, JSON_COMPACT);
    json_decref(what);
    const peri_call_t call = {.method = "POST",
                              .path = url,
                              .body = body,
                              .body_len = strlen(body),
                              .timeout = 3600};
    peri_answer_t a = {0};
    int rc = peri_client_call(cp->c, &call, &a, err);
    peri_answer_free(&a);
    free(body);
    free(url);
    return rc;
}

static int make_remote(cp_t *cp, const peri_place_t *p, peri_err_t *err)
{
    if (!*p->path) return 0;
    return change(cp, p, json_pack("{s:s, s:b}", "action", "mkdir", "parents", 1), err);
}

/* Within the portal: it copies by itself. */
static int copy_there(cp_t *cp, const peri_place_t *from, const peri_place_t *to,
                      peri_err_t *err)
{
    char *volume =
        peri_xasprintf("%s/%s", to->owner ? to->owner : cp->account, to->volume);
    int rc = change(cp, from,
                    json_pack("{s:s, s:s, s:s, s:b}", "action", "copy", "volume", volume,
                              "to", to->path, "overwrite", (int)cp->o->overwrite),
                    err);
    free(volume);
    return rc;
}

/* ---- up ---- */

static int add_tree_up(cp_t *cp, const char *top, const peri_place_t *to, peri_err_t *err)
{
    char *const roots[] = {(char *)top, NULL};
    FTS *f = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int rc = f ? 0 : peri_err_set(err, PERI_EIO, "cannot read %s: %m", top);
    size_t cut = strlen(top);
    for (FTSENT *e; rc == 0 && (e = fts_read(f)) && !peri_cli_interrupted();) {
        const char *below = e->fts_path + cut;
        while (*below == '/') below++;
        if (!peri_utf8_valid(below, strlen(below))) {
            skip(cp, e->fts_path, "its name is not UTF-8");
            if (e->fts_info == FTS_D) fts_set(f, e, FTS_SKIP);
            continue;
        }
        peri_place_t p;
        peri_place_below(to, below, &p);
        /* "" below a folder is the folder. */
        size_t n = strlen(p.path);
        if (n && p.path[n - 1] == '/') p.path[n - 1] = '\0';
        if (e->fts_info == FTS_D)
            rc = make_remote(cp, &p, err);
        else if (e->fts_info == FTS_F)
            add(cp, true, e->fts_path, &p, e->fts_statp->st_size, NULL);
        else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR ||
                 e->fts_info == FTS_NS)
            skip(cp, e->fts_path, strerror(e->fts_errno));
        else if (e->fts_info != FTS_DP)
            skip(cp, e->fts_path, "it is a link or a device");
        peri_place_free(&p);
    }
    if (f) fts_close(f);
    return rc;
}

/* into: the goal is a folder that is there. */
static int plan_up(cp_t *cp, const char *src, const peri_place_t *dst, bool into,
                   peri_err_t *err)
{
    struct stat st;
    peri_place_t to;
    int rc = 0;
    if (stat(src, &st))
        return peri_err_set(err, PERI_ENOTFOUND, "cannot read %s: %m", src);
    char *plain = peri_xstrdup(src);
    for (size_t n = strlen(plain); n > 1 && plain[n - 1] == '/'; n--) plain[n - 1] = '\0';
    const char *slash = strrchr(plain, '/'),
               *name = slash && slash[1] ? slash + 1 : plain;
    const bool named = strcmp(name, ".") && strcmp(name, "..") && strcmp(name, "/");
    peri_place_below(dst, into && named ? name : "", &to);
    size_t n = strlen(to.path);
    if (n && to.path[n - 1] == '/') to.path[n - 1] = '\0';
    if (S_ISDIR(st.st_mode) && !cp->o->recursive)
        rc = peri_err_set(err, PERI_EINVAL, "%s is a folder: add --recursive", src);
    else if (S_ISDIR(st.st_mode))
        rc = add_tree_up(cp, plain, &to, err);
    else if (!peri_utf8_valid(name, strlen(name)) && into)
        rc = peri_err_set(err, PERI_EINVAL, "the name of %s is not UTF-8: name the goal",
                          src);
    else
        add(cp, true, src, &to, st.st_size, NULL);
    peri_place_free(&to);
    free(plain);
    return rc;
}

/* ---- down ---- */

static int add_tree_down(cp_t *cp, const peri_place_t *from, const char *to, int level,
                         peri_err_t *err);

static int add_entry_down(cp_t *cp, const peri_place_t *from, const char *to,
                          const json_t *e, int level, peri_err_t *err)
{
    const char *name = peri_json_str(e, "name"), *kind = peri_json_str(e, "kind");
    /* What a portal says is no path of this machine until it is looked at. */
    if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return peri_err_set(err, PERI_EFORMAT, "the portal told a wrong name of a file");
    peri_place_t p;
    int rc = 0;
    peri_place_below(from, name, &p);
    char *local = peri_xasprintf("%s/%s", to, name);
    if (!strcmp(kind, "folder"))
        rc = add_tree_down(cp, &p, local, level + 1, err);
    else if (!strcmp(kind, "file"))
        add(cp, false, local, &p, peri_json_int(e, "size", -1), e);
    else
        skip(cp, local, "it is a link or a device");
    free(local);
    peri_place_free(&p);
    return rc;
}

static int add_tree_down(cp_t *cp, const peri_place_t *from, const char *to, int level,
                         peri_err_t *err)
{
    char *url = peri_place_url(from, cp->account, "/files"), *after = NULL;
    int rc = level > LEVELS ? peri_err_set(err, PERI_ELIMIT, "%s has too many levels", to)
                            : peri_mkdirs(to, err);
    for (bool more = true; rc == 0 && more && !peri_cli_interrupted();) {
        json_t *j = peri_client_get(cp->c, 0, NULL, err, "%s?limit=1000%s%s", url,
                                    after ? "&after=" : "", after ? after : "");
        size_t i;
        json_t *e;
        rc = j ? 0 : -1;
        json_array_foreach(json_object_get(j, "files"), i, e) if (rc == 0) rc =
            add_entry_down(cp, from, to, e, level, err);
        const char *next = peri_json_str(j, "next");
        free(after);
        after = *next ? peri_url_escape(next) : NULL;
        more = after != NULL;
        json_decref(j);
    }
    free(after);
    free(url);
    return rc;
}

static int plan_down(cp_t *cp, const char *text, const char *dst, bool into,
                     peri_err_t *err)
{
    peri_place_t p;
    kind_t kind;
    int64_t size;
    if (peri_place_parse(text, false, &p, err)) return -1;
    int rc = remote_kind(cp, &p, &kind, &size, err);
    char *to =
        into ? peri_xasprintf("%s/%s", dst, peri_place_name(&p)) : peri_xstrdup(dst);
    if (rc == 0 && kind == KIND_NOTHING)
        rc = peri_err_set(err, PERI_ENOTFOUND,
                          "%s does not exist, or is not yours to see", text);
    else if (rc == 0 && kind == KIND_FOLDER && !cp->o->recursive)
        rc = peri_err_set(err, PERI_EINVAL, "%s is a folder: add --recursive", text);
    else if (rc == 0 && kind == KIND_FOLDER)
        rc = add_tree_down(cp, &p, to, 0, err);
    else if (rc == 0)
        add(cp, false, to, &p, size, NULL);
    free(to);
    peri_place_free(&p);
    return rc;
}

/* ---- all of it ---- */

static int plan_to_place(cp_t *cp, char *const *src, size_t nsrc, const char *dst,
                         peri_err_t *err)
{
    peri_place_t to, from, goal;
    kind_t kind;
    int64_t size;
    if (peri_place_parse(dst, false, &to, err)) return -1;
    int rc = remote_kind(cp, &to, &kind, &size, err);
    if (rc == 0 && nsrc > 1 && kind != KIND_FOLDER)
        rc = peri_err_set(err, PERI_EINVAL,
                          "%s is not a folder, and several things cannot have one name",
                          dst);
    if (rc == 0 && to.folder && kind != KIND_FOLDER)
        rc = peri_err_set(err, PERI_ENOTFOUND, "there is no folder %s", dst);
    for (size_t i = 0; rc == 0 && i < nsrc; i++) {
        if (!peri_place_is(src[i])) {
            rc = plan_up(cp, src[i], &to, kind == KIND_FOLDER, err);
            continue;
        }
        rc = peri_place_parse(src[i], false, &from, err);
        if (rc) break;
        peri_place_below(&to, kind == KIND_FOLDER ? peri_place_name(&from) : "", &goal);
        size_t n = strlen(goal.path);
        if (n && goal.path[n - 1] == '/') goal.path[n - 1] = '\0';
        rc = copy_there(cp, &from, &goal, err);
        peri_place_free(&goal);
        peri_place_free(&from);
    }
    peri_place_free(&to);
    return rc;
}

int peri_cp_plan(peri_client_t *c, char *const *src, size_t nsrc, const char *dst,
                 const peri_cpopts_t *o, peri_cpplan_t *plan, peri_err_t *err)
{
    cp_t cp = {.c = c, .o = o, .plan = plan, .account = peri_client_account(c, err)};
    struct stat st;
    int rc = 0;
    if (!cp.account) return -1;
    if (peri_place_is(dst)) return plan_to_place(&cp, src, nsrc, dst, err);
    const bool into = stat(dst, &st) == 0 && S_ISDIR(st.st_mode);
    const size_t len = strlen(dst);
    if (!into && (nsrc > 1 || (len && dst[len - 1] == '/')))
        return peri_err_set(err, PERI_ENOTFOUND, "there is no folder %s", dst);
    for (size_t i = 0; rc == 0 && i < nsrc; i++) {
        if (!peri_place_is(src[i]))
            rc = peri_err_set(
                err, PERI_EINVAL,
                "neither %s nor %s is in the portal's storage (VOLUME:PATH); "
                "use cp for files of this machine",
                src[i], dst);
        else
            rc = plan_down(&cp, src[i], dst, into, err);
    }
    return rc;
}
