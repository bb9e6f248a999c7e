/* keep.c - from what the reader of descriptors tells to a row of `dataset`. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/util.h"
#include "portal/catalogue/catalogue.h"

#define WORDS_MAX (1u << 20)
#define ABOUT_MAX (32u << 20)

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* {"a","b"} */
static const char *array_of(const json_t *list, peri_arena_t *a)
{
    size_t i;
    const json_t *v;
    peri_buf_t b;
    peri_buf_init(&b, WORDS_MAX);
    peri_buf_putc(&b, '{');
    json_array_foreach(list, i, v)
    {
        if (i) peri_buf_putc(&b, ',');
        peri_buf_putc(&b, '"');
        for (const char *s = json_is_string(v) ? json_string_value(v) : ""; *s; s++) {
            if (*s == '"' || *s == '\\') peri_buf_putc(&b, '\\');
            peri_buf_putc(&b, *s);
        }
        peri_buf_putc(&b, '"');
    }
    peri_buf_putc(&b, '}');
    const char *out = b.failed ? "{}" : peri_arena_strdup(a, b.data);
    peri_buf_free(&b);
    return out;
}

static void put_word(peri_buf_t *b, const char *s)
{
    peri_buf_puts(b, s);
    peri_buf_putc(b, '\n');
}

/* All that people may look for. What is more than the maximum is not found. */
static const char *words_of(const json_t *told, peri_arena_t *a)
{
    static const char *const keys[] = {"name",     "title",   "description",
                                       "citation", "contact", "licence"};
    size_t i, k;
    const json_t *t, *c;
    peri_buf_t b;
    peri_buf_init(&b, WORDS_MAX);
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        put_word(&b, text_of(told, keys[i]));
    json_array_foreach(json_object_get(told, "tags"), i, t) if (json_is_string(t))
        put_word(&b, json_string_value(t));
    json_array_foreach(json_object_get(told, "tables"), i, t)
    {
        put_word(&b, text_of(t, "name"));
        put_word(&b, text_of(t, "description"));
        json_array_foreach(json_object_get(t, "columns"), k, c)
        {
            put_word(&b, text_of(c, "name"));
            put_word(&b, text_of(c, "description"));
        }
    }
    const char *out = peri_arena_strdup(a, b.data ? b.data : "");
    peri_buf_free(&b);
    return out;
}

int peri_dataset_row(const json_t *told, peri_arena_t *a, peri_toldrow_t *out,
                     peri_err_t *err)
{
    char *about = json_dumps(told, JSON_COMPACT);
    if (!about) return peri_err_set(err, PERI_EINTERNAL, "no memory");
    /* PostgreSQL's jsonb has no NUL. */
    const bool ok = strlen(about) <= ABOUT_MAX && !strstr(about, "\\u0000");
    const char *folder = text_of(told, "folder");
    *out = (peri_toldrow_t){.name = peri_arena_strdup(a, text_of(told, "name")),
                            .title = peri_arena_strdup(a, text_of(told, "title")),
                            .tags = array_of(json_object_get(told, "tags"), a),
                            .reads = array_of(json_object_get(told, "reads"), a),
                            .teams = array_of(json_object_get(told, "teams"), a),
                            .about = peri_arena_strdup(a, about),
                            .words = words_of(told, a),
                            .folder = *folder ? peri_arena_strdup(a, folder) : NULL};
    free(about);
    if (ok) return 0;
    return peri_err_set(err, PERI_EINVAL,
                        "the dataset %s has more text than a catalogue takes, or text "
                        "with NUL bytes",
                        out->name);
}

static int keep_teams(peri_db_t *db, const char *id, const peri_toldrow_t *row,
                      peri_arena_t *a, const char **note, peri_err_t *err)
{
    const char *const v[] = {id, row->teams};
    if (peri_db_exec(db, err, "DELETE FROM dataset_team WHERE dataset = $1::bigint", 1,
                     v) < 0 ||
        peri_db_exec(db, err,
                     "INSERT INTO dataset_team SELECT $1::bigint, id FROM team WHERE "
                     "name = ANY ($2::text[])",
                     2, v) < 0)
        return -1;
    PGresult *q = peri_db_query(
        db, err,
        "SELECT string_agg(n, ', ') FROM unnest($1::text[]) AS n WHERE NOT EXISTS "
        "(SELECT 1 FROM team WHERE name = n)",
        1, (const char *const[]){row->teams});
    if (!q) return -1;
    if (!PQgetisnull(q, 0, 0))
        *note = peri_arena_printf(a, "\"access\" names teams that are not there: %s",
                                  PQgetvalue(q, 0, 0));
    PQclear(q);
    return 0;
}

static int keep(peri_db_t *db, const json_t *told, const char *file, peri_arena_t *a,
                const char **note, peri_err_t *err)
{
    peri_toldrow_t row;
    if (peri_dataset_row(told, a, &row, err)) return -1;
    const bool open = !json_is_true(json_object_get(told, "private"));
    const char *const v[] = {row.name,  row.title, row.tags,   row.reads,       row.about,
                             row.words, file,      row.folder, open ? "t" : "f"};
    PGresult *q = peri_db_query(
        db, err,
        "INSERT INTO dataset AS d (name, title, tags, reads, about, words, source, "
        "folder, "
        "public, harvested) VALUES ($1, $2, $3::text[], $4::text[], $5::jsonb, "
        "lower($6), "
        "$7, $8, $9::boolean, extract(epoch FROM now())) ON CONFLICT (name) DO UPDATE "
        "SET "
        "title = excluded.title, tags = excluded.tags, reads = excluded.reads, about = "
        "excluded.about, words = excluded.words, source = excluded.source, folder = "
        "excluded.folder, public = excluded.public, harvested = excluded.harvested, gone "
        "= NULL, version = d.version + 1 WHERE d.volume IS NULL AND d.account IS NULL "
        "AND "
        "d.team IS NULL RETURNING id",
        9, v);
    if (!q) return -1;
    const char *id = PQntuples(q) ? peri_arena_strdup(a, PQgetvalue(q, 0, 0)) : NULL;
    PQclear(q);
    if (!id)
        return peri_err_set(err, PERI_ECONFLICT,
                            "a user's dataset is called %s already: ask its owner, or "
                            "take another name",
                            row.name);
    if (!row.folder &&
        peri_db_exec(db, err, "DELETE FROM volume WHERE dataset = $1::bigint", 1, &id) <
            0)
        return -1;
    return keep_teams(db, id, &row, a, note, err);
}

int peri_dataset_keep(peri_db_t *db, const json_t *told, const char *file,
                      peri_arena_t *a, const char **note, peri_err_t *err)
{
    *note = NULL;
    if (peri_db_begin(db, err)) return -1;
    int rc = keep(db, told, file, a, note, err);
    if (rc == 0) rc = peri_db_commit(db, err);
    if (rc) peri_db_rollback(db);
    return rc;
}
