/* pack.c - a query as bytes for one worker rank: its tables, its rows, the stages' SQL.
 *
 * Rank 0 alone decides which rows exist and who reads them, so that ranks can never
 * disagree about what an index or a file system says.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/util.h"
#include "core/query/private.h"

#define PACK_MAGIC 0x31514b4341504950ull /* "PIPACKQ1" */

static int pack_relation(const rel_t *r, int rank, int nranks, peri_buf_t *out,
                         peri_err_t *err)
{
    peri_buf_t table;
    peri_ranges_t share = {0};
    peri_buf_init(&table, out->max);
    int rc = peri_table_pack(r->table, &table, err);
    if (rc == 0) {
        peri_ranges_share(&r->kept, r->align, rank, nranks, &share);
        peri_put_bytes(out, table.data, table.len);
        peri_put_u64(out, r->virtuals);
        peri_put_u64(out, r->index != NULL);
        peri_put_u64(out, share.n);
        for (size_t i = 0; i < share.n; i++) {
            peri_put_u64(out, share.v[i].file);
            peri_put_u64(out, share.v[i].row0);
            peri_put_u64(out, share.v[i].row1);
        }
    }
    peri_ranges_free(&share);
    peri_buf_free(&table);
    return rc;
}

int peri_query_pack(const peri_query_t *q, int rank, int nranks, peri_buf_t *out,
                    peri_err_t *err)
{
    peri_buf_t spec;
    peri_buf_init(&spec, 16u << 20);
    peri_put_u64(out, PACK_MAGIC);
    int rc = peri_queryspec_to_json(&q->spec, &spec, err);
    peri_put_bytes(out, spec.data, spec.len);
    peri_put_u64(out, (uint64_t)nranks);
    peri_put_u64(out, q->nstages);
    for (size_t i = 0; i < q->nstages; i++) {
        const peri_stage_t *s = &q->stages[i];
        peri_put_str(out, s->sql);
        peri_put_str(out, s->what);
        peri_put_u64(out, s->dest);
        peri_put_u64(out, s->on_all_ranks);
    }
    peri_put_u64(out, q->nrels);
    for (size_t i = 0; i < q->nrels && rc == 0; i++)
        rc = pack_relation(&q->rels[i], rank, nranks, out, err);
    peri_buf_free(&spec);
    return rc ? rc : peri_buf_check(out, "the message to a rank", err);
}

static int unpack_relation(peri_query_t *q, size_t id, peri_reader_t *r, peri_err_t *err)
{
    rel_t *rel = &q->rels[id];
    uint64_t n;
    const void *table = peri_get_bytes(r, &n);
    rel->table = peri_table_unpack(table, n, err);
    if (!rel->table) return -1;
    rel->virtuals = (unsigned)peri_get_u64(r);
    if (peri_get_u64(r)) {
        char *path = peri_index_path(rel->table, false);
        rel->index = path ? peri_index_open(path, NULL) : NULL;
        free(path);
    }
    n = peri_get_count(r, 24);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t file = peri_get_u64(r), row0 = peri_get_u64(r), row1 = peri_get_u64(r);
        if (file >= rel->table->nfiles || row0 >= row1 ||
            row1 > rel->table->files[file].rows)
            r->failed = true;
        else
            peri_ranges_push(&rel->kept, (uint32_t)file, row0, row1);
    }
    if (r->failed)
        return peri_err_set(err, PERI_EINTERNAL, "a message between ranks was damaged");
    if (peri_session_add_relation(q->session, (int)id, rel->table, rel->index,
                                  rel->virtuals, err))
        return -1;
    return peri_session_set_share(q->session, (int)id, &rel->kept, err);
}

peri_query_t *peri_query_unpack(const void *data, size_t len, peri_err_t *err)
{
    peri_h5_init(NULL);
    peri_reader_t r = {data, (const char *)data + len, false};
    peri_arena_t *arena = peri_arena_new();
    peri_query_t *q = NULL;
    peri_queryspec_t spec;
    uint64_t n;
    bool ours = peri_get_u64(&r) == PACK_MAGIC;
    const char *json = peri_get_bytes(&r, &n);
    if (!ours || r.failed) {
        peri_err_set(err, PERI_EINTERNAL, "a message between ranks was damaged");
        goto out;
    }
    if (peri_queryspec_from_json(json, n, arena, &spec, err)) goto out;
    uint64_t nranks = peri_get_u64(&r);
    q = peri_query_start(&spec, nranks && nranks < (1u << 24) ? (int)nranks : 1, err);
    if (!q) goto out;
    q->nstages = peri_get_count(&r, 32);
    peri_stage_t *stages = peri_arena_calloc(q->arena, q->nstages, sizeof(*stages));
    for (size_t i = 0; i < q->nstages; i++) {
        stages[i].sql = peri_get_str(&r, q->arena);
        stages[i].what = peri_get_str(&r, q->arena);
        stages[i].dest = (peri_dest_t)peri_get_u64(&r);
        stages[i].on_all_ranks = peri_get_u64(&r) != 0;
    }
    q->stages = stages;
    q->nrels = peri_get_count(&r, 32);
    q->rels = peri_arena_calloc(q->arena, q->nrels, sizeof(*q->rels));
    for (size_t i = 0; i < q->nrels; i++) {
        if (unpack_relation(q, i, &r, err)) {
            peri_query_free(q);
            q = NULL;
            goto out;
        }
    }
out:
    peri_arena_free(arena);
    return q;
}
