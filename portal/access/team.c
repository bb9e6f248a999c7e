/* team.c - see team.h. */
#include "portal/access/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char team[24], account[24], by[24];
} ids_t;

static void ids_of(ids_t *i, int64_t team, int64_t account, int64_t by)
{
    snprintf(i->team, sizeof(i->team), "%lld", (long long)team);
    snprintf(i->account, sizeof(i->account), "%lld", (long long)account);
    snprintf(i->by, sizeof(i->by), "%lld", (long long)by);
}

static int check_role(const char *role, peri_err_t *err)
{
    if (!strcmp(role, "owner") || !strcmp(role, "admin") || !strcmp(role, "member"))
        return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "a role is owner, admin or member, not \"%.40s\"", role);
}

/* ---- whole teams ---- */

int peri_team_make(peri_db_t *db, const peri_newteam_t *t, int64_t owner, int64_t *id,
                   peri_err_t *err)
{
    const size_t len = strlen(t->name);
    if (len < 2 || len > 32 || t->name[0] < 'a' || t->name[0] > 'z' ||
        strspn(t->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
        return peri_err_set(
            err, PERI_EINVAL,
            "the name of a team has 2 to 32 small letters, digits, _ and -, "
            "and starts with a letter; not \"%.60s\"",
            t->name);
    char who[24], number[24];
    snprintf(who, sizeof(who), "%lld", (long long)owner);
    const char *const v[] = {t->name, t->title ? t->title : "",
                             t->description ? t->description : "",
                             t->is_class ? "class" : "team", t->is_public ? "t" : "f"};
    PGresult *q = peri_db_query(db, err,
                                "INSERT INTO team (name, title, description, kind, "
                                "public) VALUES ($1, $2, $3, $4, "
                                "$5::boolean) ON CONFLICT DO NOTHING RETURNING id",
                                5, v);
    if (!q) return -1;
    if (PQntuples(q) == 0) {
        PQclear(q);
        return peri_err_set(err, PERI_ECONFLICT,
                            "there is a team \"%s\" already: choose another name",
                            t->name);
    }
    snprintf(number, sizeof(number), "%s", PQgetvalue(q, 0, 0));
    PQclear(q);
    *id = strtoll(number, NULL, 10);
    const char *const m[] = {number, who};
    const char *const volume[] = {number, t->is_class ? "lectures" : "files",
                                  t->is_class ? "lecture" : "team"};
    return peri_db_exec(db, err,
                        "INSERT INTO team_member (team, account, role, state) VALUES "
                        "($1::bigint, $2::bigint, 'owner', 'active')",
                        2, m) < 0 ||
                   peri_db_exec(
                       db, err,
                       "INSERT INTO volume (team, name, kind) VALUES ($1::bigint, "
                       "$2, $3)",
                       3, volume) < 0
               ? -1
               : 0;
}

int peri_team_delete(peri_db_t *db, int64_t id, bool with_files, peri_err_t *err)
{
    char number[24];
    snprintf(number, sizeof(number), "%lld", (long long)id);
    const char *const v[] = {number};
    PGresult *q = peri_db_query(
        db, err,
        "SELECT sum(files) FROM volume WHERE team = $1::bigint AND removed IS NULL", 1,
        v);
    if (!q) return -1;
    const long long files = strtoll(PQgetvalue(q, 0, 0), NULL, 10);
    PQclear(q);
    if (files > 0 && !with_files)
        return peri_err_set(
            err, PERI_ECONFLICT,
            "the team has %lld files: move them, or say that they go with it", files);
    if (peri_db_exec(db, err, "DELETE FROM team WHERE id = $1::bigint", 1, v) < 0)
        return -1;
    return peri_db_exec(db, err, "SELECT perigee_prune_grants()", 0, NULL) < 0 ? -1 : 0;
}

/* ---- members ---- */

/* role and state of an account in the team, "" if none. The team's row is locked: rules
 * about the last owner hold also when two act at once. */
static int look(peri_db_t *db, const ids_t *i, const char *account, char role[16],
                char state[16], peri_err_t *err)
{
    const char *const v[] = {i->team, account};
    PGresult *q = peri_db_query(
        db, err,
        "SELECT m.role, m.state FROM (SELECT id FROM team WHERE id = $1::bigint FOR "
        "UPDATE) "
        "t LEFT JOIN team_member m ON m.team = t.id AND m.account = $2::bigint",
        2, v);
    if (!q) return -1;
    const bool there = PQntuples(q) > 0;
    snprintf(role, 16, "%s", there ? PQgetvalue(q, 0, 0) : "");
    snprintf(state, 16, "%s", there ? PQgetvalue(q, 0, 1) : "");
    PQclear(q);
    return there ? 0 : peri_err_set(err, PERI_ENOTFOUND, "there is no such team");
}

/* A student has a volume of her own in the class; it stays when she leaves. */
static int give_volume(peri_db_t *db, const ids_t *i, peri_err_t *err)
{
    const char *const v[] = {i->team, i->account};
    return peri_db_exec(
               db, err,
               "INSERT INTO volume (team, account, name, kind) SELECT t.id, a.id, "
               "a.name, "
               "'student' FROM team t, account a, team_member m WHERE t.id = $1::bigint "
               "AND "
               "a.id = $2::bigint AND t.kind = 'class' AND m.team = t.id AND m.account = "
               "a.id AND m.role = 'member' ON CONFLICT DO NOTHING",
               2, v) < 0
               ? -1
               : 0;
}

int peri_team_invite(peri_db_t *db, int64_t team, int64_t account, const char *role,
                     int64_t by, peri_err_t *err)
{
    ids_t i;
    char mine[16], state[16];
    ids_of(&i, team, account, by);
    if (check_role(role, err) || look(db, &i, i.by, mine, state, err)) return -1;
    if (strcmp(role, "member") != 0 && strcmp(mine, "owner") != 0)
        return peri_err_set(err, PERI_EDENIED,
                            "only an owner of the team makes others owner or admin");
    const char *const v[] = {i.team, i.account, role, i.by};
    return peri_db_exec(
               db, err,
               "INSERT INTO team_member (team, account, role, state, invited_by) "
               "VALUES ($1::bigint, $2::bigint, $3, 'invited', $4::bigint) ON "
               "CONFLICT (team, account) DO UPDATE SET role = excluded.role WHERE "
               "team_member.state = 'invited'",
               4, v) < 0
               ? -1
               : 0;
}

int peri_team_answer(peri_db_t *db, int64_t team, int64_t account, bool accept,
                     peri_err_t *err)
{
    ids_t i;
    ids_of(&i, team, account, 0);
    const char *const v[] = {i.team, i.account};
    const int64_t n = peri_db_exec(
        db, err,
        accept
            ? "UPDATE team_member SET state = 'active', since = extract(epoch FROM "
              "now()) "
              "WHERE team = $1::bigint AND account = $2::bigint AND state = 'invited'"
            : "DELETE FROM team_member WHERE team = $1::bigint AND account = $2::bigint "
              "AND state = 'invited'",
        2, v);
    if (n < 0) return -1;
    if (n == 0) return peri_err_set(err, PERI_ENOTFOUND, "there is no such invitation");
    return accept ? give_volume(db, &i, err) : 0;
}

int peri_team_join(peri_db_t *db, int64_t team, int64_t account, peri_err_t *err)
{
    ids_t i;
    ids_of(&i, team, account, 0);
    const char *const v[] = {i.team, i.account};
    const int64_t n = peri_db_exec(
        db, err,
        "INSERT INTO team_member (team, account, role, state) SELECT id, $2::bigint, "
        "'member', 'active' FROM team WHERE id = $1::bigint AND public ON CONFLICT "
        "(team, "
        "account) DO UPDATE SET state = 'active'",
        2, v);
    if (n < 0) return -1;
    if (n == 0)
        return peri_err_set(err, PERI_EDENIED,
                            "this team is not public: ask its owner for an invitation");
    return give_volume(db, &i, err);
}

static int last_owner(peri_db_t *db, const ids_t *i, peri_err_t *err)
{
    const char *const v[] = {i->team, i->account};
    PGresult *q = peri_db_query(db, err,
                                "SELECT 1 FROM team_member WHERE team = $1::bigint AND "
                                "account <> $2::bigint AND role = 'owner' AND state = "
                                "'active' LIMIT 1",
                                2, v);
    if (!q) return -1;
    const bool others = PQntuples(q) > 0;
    PQclear(q);
    if (others) return 0;
    return peri_err_set(
        err, PERI_ECONFLICT,
        "a team needs an owner: make another member owner first, or delete "
        "the team");
}

/* Between roles: an owner may do all, an admin only to members, everybody to herself. A
 * portal's administrator who is not in the team acts as an owner. */
static int may_change(peri_db_t *db, const ids_t *i, char role[16], peri_err_t *err)
{
    char mine[16], state[16];
    if (look(db, i, i->account, role, state, err)) return -1;
    if (!role[0]) return peri_err_set(err, PERI_ENOTFOUND, "she is not in this team");
    if (strcmp(i->by, i->account) != 0) {
        if (look(db, i, i->by, mine, state, err)) return -1;
        if (!strcmp(mine, "admin") && strcmp(role, "member") != 0)
            return peri_err_set(err, PERI_EDENIED,
                                "an admin of a team may change members, not its %ss",
                                role);
    }
    return strcmp(role, "owner") == 0 ? last_owner(db, i, err) : 0;
}

int peri_team_remove(peri_db_t *db, int64_t team, int64_t account, int64_t by,
                     peri_err_t *err)
{
    ids_t i;
    char role[16];
    ids_of(&i, team, account, by);
    if (may_change(db, &i, role, err)) return -1;
    const char *const v[] = {i.team, i.account};
    return peri_db_exec(db, err,
                        "DELETE FROM team_member WHERE team = $1::bigint AND account = "
                        "$2::bigint",
                        2, v) < 0 ||
                   peri_db_exec(db, err, "SELECT perigee_prune_grants()", 0, NULL) < 0
               ? -1
               : 0;
}

int peri_team_role(peri_db_t *db, int64_t team, int64_t account, const char *role,
                   int64_t by, peri_err_t *err)
{
    ids_t i;
    char old[16], mine[16], state[16];
    ids_of(&i, team, account, by);
    if (check_role(role, err)) return -1;
    if (look(db, &i, i.by, mine, state, err)) return -1;
    if (mine[0] && strcmp(mine, "owner") != 0)
        return peri_err_set(err, PERI_EDENIED, "only an owner of the team gives roles");
    if (strcmp(role, "owner") != 0 ? may_change(db, &i, old, err)
                                   : look(db, &i, i.account, old, state, err))
        return -1;
    const char *const v[] = {i.team, i.account, role};
    const int64_t n = peri_db_exec(db, err,
                                   "UPDATE team_member SET role = $3 WHERE team = "
                                   "$1::bigint AND account = $2::bigint",
                                   3, v);
    if (n == 0) return peri_err_set(err, PERI_ENOTFOUND, "she is not in this team");
    if (n < 0 || peri_db_exec(db, err, "SELECT perigee_prune_grants()", 0, NULL) < 0)
        return -1;
    return give_volume(db, &i, err);
}
