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

static void pack_preds(const rel_t *r, peri_buf_t *out)
{
    peri_put_u64(out, r->npreds);
    for (size_t i = 0; i < r->npreds; i++) {
        const peri_pred_t *p = &r->preds[i];
        peri_put_str(out, p->column);
        peri_put_u64(out, (uint64_t)(p->component + 1));
        peri_put_u64(out, p->op);
        peri_put_u64(out, p->joint);
        peri_put_u64(out, p->nvalues);
        for (size_t k = 0; k < p->nvalues; k++) {
            const peri_const_t *c = &p->values[k];
            peri_put_u64(out, c->kind);
            peri_put_bytes(out, &c->i, sizeof(c->i));
            peri_put_bytes(out, &c->d, sizeof(c->d));
            peri_put_str(out, c->kind == PERI_CONST_STR ? c->s : "");
        }
    }
    peri_put_u64(out, r->nused);
    for (size_t i = 0; i < r->nused; i++) peri_put_u64(out, r->used[i]);
}

static void pack_ranges(const peri_ranges_t *v, peri_buf_t *out)
{
    peri_put_u64(out, v->n);
    for (size_t i = 0; i < v->n; i++) {
        peri_put_u64(out, v->v[i].file);
        peri_put_u64(out, v->v[i].row0);
        peri_put_u64(out, v->v[i].row1);
    }
}

/* The table as the rank's node sees it, and the rank's rows. */
static int pack_relation(const peri_query_t *q, const rel_t *r, int rank, int nranks,
                         peri_buf_t *out, peri_err_t *err)
{
    peri_buf_t table;
    peri_ranges_t share = {0};
    peri_buf_init(&table, out->max);
    peri_table_t *seen = r->placed
                             ? peri_table_for_host(r->table, q->where->host_of[rank])
                             : peri_table_ref(r->table);
    int rc = peri_table_pack(seen, &table, err);
    if (rc == 0) {
        peri_put_bytes(out, table.data, table.len);
        peri_put_u64(out, r->virtuals);
        /* Of files on nodes the root cannot tell whether there is an index. */
        peri_put_u64(out, r->placed ? q->spec.use_index : r->index != NULL);
        peri_put_u64(out, r->placed);
        pack_preds(r, out);
        if (r->placed) {
            pack_ranges(&r->shares[rank], out);
        } else {
            peri_ranges_share(&r->kept, r->align, rank, nranks, &share);
            pack_ranges(&share, out);
        }
    }
    peri_ranges_free(&share);
    peri_table_unref(seen);
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
        rc = pack_relation(q, &q->rels[i], rank, nranks, out, err);
    peri_buf_free(&spec);
    return rc ? rc : peri_buf_check(out, "the message to a rank", err);
}

static void unpack_pred(peri_query_t *q, peri_reader_t *r, peri_pred_t *p)
{
    p->column = peri_get_str(r, q->arena);
    p->component = (int)peri_get_u64(r) - 1;
    uint64_t op = peri_get_u64(r);
    p->op = (peri_op_t)op;
    p->joint = peri_get_u64(r) != 0;
    p->nvalues = peri_get_count(r, 56);
    /* What reads them takes the first value without asking. */
    if (op > PERI_OP_NEVER || (op < PERI_OP_IN && p->nvalues != 1)) r->failed = true;
    peri_const_t *values = peri_arena_calloc(q->arena, p->nvalues, sizeof(*values));
    for (size_t k = 0; k < p->nvalues && !r->failed; k++) {
        uint64_t kind = peri_get_u64(r);
        peri_get_exactly(r, &values[k].i, sizeof(values[k].i));
        peri_get_exactly(r, &values[k].d, sizeof(values[k].d));
        values[k].s = peri_get_str(r, q->arena);
        values[k].kind = (peri_constkind_t)kind;
        if (kind > PERI_CONST_BOOL) r->failed = true;
    }
    p->values = values;
}

static void unpack_preds(peri_query_t *q, rel_t *rel, peri_reader_t *r)
{
    rel->npreds = peri_get_count(r, 40);
    peri_pred_t *preds = peri_arena_calloc(q->arena, rel->npreds, sizeof(*preds));
    for (size_t i = 0; i < rel->npreds && !r->failed; i++) unpack_pred(q, r, &preds[i]);
    rel->preds = preds;
    rel->nused = peri_get_count(r, 8);
    uint32_t *used = peri_arena_calloc(q->arena, rel->nused, sizeof(*used));
    for (size_t i = 0; i < rel->nused; i++) {
        uint64_t column = peri_get_u64(r);
        if (column >= rel->table->ncolumns) r->failed = true;
        used[i] = (uint32_t)column;
    }
    rel->used = used;
}

static void unpack_ranges(const peri_table_t *t, peri_reader_t *r, peri_ranges_t *out)
{
    uint64_t n = peri_get_count(r, 24);
    const peri_range_t *last = NULL;
    for (uint64_t i = 0; i < n && !r->failed; i++) {
        uint64_t file = peri_get_u64(r), row0 = peri_get_u64(r), row1 = peri_get_u64(r);
        bool sorted =
            !last || file > last->file || (file == last->file && row0 >= last->row0);
        if (!sorted || file >= t->nfiles || row0 >= row1 || row1 > t->files[file].rows) {
            r->failed = true;
            return;
        }
        peri_ranges_push(out, (uint32_t)file, row0, row1);
        last = &out->v[out->n - 1];
    }
}

static int unpack_relation(peri_query_t *q, size_t id, peri_reader_t *r, peri_err_t *err)
{
    rel_t *rel = &q->rels[id];
    uint64_t n;
    const void *table = peri_get_bytes(r, &n);
    rel->table = peri_table_unpack(table, n, err);
    if (!rel->table || peri_query_hold(q, rel->table, err)) return -1;
    rel->virtuals = (unsigned)peri_get_u64(r);
    if (peri_get_u64(r)) rel->index = peri_index_open_table(rel->table);
    rel->placed = peri_get_u64(r) != 0;
    unpack_preds(q, rel, r);
    unpack_ranges(rel->table, r, rel->placed ? &rel->whole : &rel->kept);
    if (r->failed)
        return peri_err_set(err, PERI_EINTERNAL, "a message between ranks was damaged");
    if (rel->placed) peri_relation_prune(rel, q->spec.use_index);
    if (peri_session_add_relation(q->session, (int)id, rel->table, rel->index,
                                  rel->virtuals, err))
        return -1;
    if (q->spec.use_index &&
        peri_session_set_filter(q->session, (int)id, rel->preds, rel->npreds, err))
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
