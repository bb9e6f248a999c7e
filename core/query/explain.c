/* explain.c - the plan in words: tables and what of them is read, stages, who does what.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "core/query/private.h"

static void put_columns(peri_buf_t *out, const rel_t *r, const peri_relation_t *planned)
{
    const char *sep = "";
    peri_buf_puts(out, "    columns: ");
    for (size_t i = 0; i < planned->nused; i++, sep = ", ")
        peri_buf_printf(out, "%s%s", sep, r->table->columns[planned->used[i]].name);
    for (unsigned i = 0; i < PERI_NVIRTUALS; i++) {
        if (!(planned->virtuals & 1u << i)) continue;
        peri_buf_printf(out, "%s%s (virtual)", sep, peri_virtual_name(i));
        sep = ", ";
    }
    peri_buf_puts(out, *sep ? "\n" : "none\n");
}

static void put_ranges(peri_buf_t *out, const peri_pred_t *p)
{
    const peri_const_t *v = p->values;
    if (p->nvalues == 3)
        peri_buf_printf(out, " [%.15g, %.15g]", v[1].d, v[2].d);
    else
        peri_buf_printf(out, " %zu ranges", p->nvalues / 2);
    if (v[0].d > 0) peri_buf_printf(out, " (periodic: %.15g)", v[0].d);
}

static void put_preds(peri_buf_t *out, const peri_relation_t *planned)
{
    static const char *const ops[] = {
        [PERI_OP_LT] = "<",      [PERI_OP_LE] = "<=",
        [PERI_OP_EQ] = "=",      [PERI_OP_GE] = ">=",
        [PERI_OP_GT] = ">",      [PERI_OP_IN] = "IN",
        [PERI_OP_WITHIN] = "in", [PERI_OP_NEVER] = "is never true"};
    if (!planned->npreds) return;
    peri_buf_puts(out, "    can skip by: ");
    for (size_t i = 0; i < planned->npreds; i++) {
        const peri_pred_t *p = &planned->preds[i];
        if (!*p->column) { /* only a sub-query's that has been run */
            peri_buf_puts(out, "having been read while planning");
            continue;
        }
        peri_buf_printf(out, "%s%s", i ? " and " : "", p->column);
        if (p->component >= 0) peri_buf_printf(out, "[%d]", p->component + 1);
        peri_buf_printf(out, " %s", ops[p->op]);
        if (p->op == PERI_OP_IN)
            peri_buf_printf(out, " (%zu values)", p->nvalues);
        else if (p->op == PERI_OP_WITHIN)
            put_ranges(out, p);
        else if (p->nvalues == 1 && p->values[0].kind == PERI_CONST_STR)
            peri_buf_printf(out, " '%s'", p->values[0].s);
        else if (p->nvalues == 1 && p->values[0].kind == PERI_CONST_REAL)
            peri_buf_printf(out, " %.15g", p->values[0].d);
        else if (p->nvalues == 1)
            peri_buf_printf(out, " %lld", (long long)p->values[0].i);
    }
    peri_buf_putc(out, '\n');
}

static void put_read(peri_buf_t *out, const cost_t *c)
{
    char a[32], b[32], d[32], e[32];
    peri_buf_printf(out, "    reads %s rows, %s of %s chunks (%s skipped), %s of %s%s\n",
                    peri_human_count(c->rows, a), peri_human_count(c->chunks, b),
                    peri_human_count(c->chunks_all, d),
                    peri_human_count(c->chunks_all - c->chunks, e),
                    peri_human_bytes(c->bytes, (char[16]){0}),
                    peri_human_bytes(c->bytes_all, (char[16]){0}),
                    c->files_left_out ? " (first files only)" : "");
}

static void put_index(peri_buf_t *out, const peri_query_t *q, const cost_t *c, bool any)
{
    if (any)
        peri_buf_printf(out, "    index: fresh for %llu of %llu files\n",
                        (unsigned long long)c->fresh, (unsigned long long)c->seen);
    else
        peri_buf_printf(out, "    index: %s\n",
                        q->spec.use_index ? "none (perigee index makes one)"
                                          : "not used");
}

static void put_ranks(peri_buf_t *out, const rel_t *r, int nranks)
{
    for (int rank = 0; nranks > 1 && rank < nranks && rank < 16; rank++) {
        char a[32];
        peri_ranges_t share = {0};
        peri_ranges_share(&r->kept, r->align, rank, nranks, &share);
        size_t files = 0;
        for (size_t k = 0; k < share.n; k++)
            files += k == 0 || share.v[k].file != share.v[k - 1].file;
        peri_buf_printf(out, "    rank %d: %s rows from %zu file%s\n", rank,
                        peri_human_count(peri_ranges_rows(&share), a), files,
                        files == 1 ? "" : "s");
        peri_ranges_free(&share);
    }
}

/* ---- files on nodes ---- */

static void add_cost(cost_t *sum, const cost_t *c)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)c;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++) to[i] += from[i];
}

/* A file that several ranks of a host read counts once. */
static size_t files_of_host(const peri_query_t *q, const rel_t *r, size_t host,
                            int nranks)
{
    uint8_t *seen = peri_xcalloc(r->table->nfiles, 1);
    size_t n = 0;
    for (int rank = 0; rank < nranks; rank++) {
        if ((size_t)q->where->host_of[rank] != host) continue;
        for (size_t k = 0; k < r->shares[rank].n; k++) {
            uint32_t file = r->shares[rank].v[k].file;
            n += !seen[file];
            seen[file] = 1;
        }
    }
    free(seen);
    return n;
}

static void put_host(peri_buf_t *out, const char *name, size_t files, int ranks,
                     const cost_t *c)
{
    char a[32], b[32];
    peri_buf_printf(out, "    %s: %s file%s, %s rows", name, peri_human_count(files, a),
                    files == 1 ? "" : "s", peri_human_count(c->rows, b));
    if (ranks > 1) peri_buf_printf(out, " for %d ranks", ranks);
    peri_buf_printf(out, ", %s local", peri_human_bytes(c->local, (char[16]){0}));
    if (c->shared)
        peri_buf_printf(out, ", %s shared", peri_human_bytes(c->shared, (char[16]){0}));
    peri_buf_putc(out, '\n');
}

static int put_placed(peri_buf_t *out, const peri_query_t *q, size_t i, int nranks,
                      const peri_buf_t *costs, peri_err_t *err)
{
    const peri_locator_t *w = q->where;
    cost_t all = {0}, c, *hosts = peri_xcalloc(w->nhosts, sizeof(*hosts));
    int rc = 0, *ranks = peri_xcalloc(w->nhosts, sizeof(*ranks));
    for (int rank = 0; rank < nranks && rc == 0; rank++) {
        size_t h = (size_t)w->host_of[rank];
        rc = peri_cost_read(q, &costs[rank], i, &c, err);
        if (rc) break;
        /* All ranks of a host see the same files and index. */
        if (ranks[h]++) c.seen = c.fresh = 0;
        add_cost(&hosts[h], &c);
        add_cost(&all, &c);
    }
    if (rc == 0) {
        put_index(out, q, &all, all.fresh > 0);
        put_read(out, &all);
        for (size_t h = 0; h < w->nhosts; h++)
            put_host(out, w->hosts[h], files_of_host(q, &q->rels[i], h, nranks), ranks[h],
                     &hosts[h]);
    }
    free(ranks);
    free(hosts);
    return rc;
}

static int put_relation(peri_buf_t *out, const peri_query_t *q, size_t i, int nranks,
                        const peri_buf_t *costs, peri_err_t *err)
{
    const rel_t *r = &q->rels[i];
    const peri_relation_t *planned = &q->plan->relations[i];
    const peri_table_t *t = r->table;
    char a[32], b[32];
    peri_buf_printf(out, "  peri_r%zu: %s, %s rows in %s file%s\n", i, planned->display,
                    peri_human_count(t->rows, a), peri_human_count(t->nfiles, b),
                    t->nfiles == 1 ? "" : "s");
    put_columns(out, r, planned);
    put_preds(out, planned);
    if (r->placed && costs) return put_placed(out, q, i, nranks, costs, err);
    const cost_t c = peri_relation_cost(r);
    put_index(out, q, &c, r->index != NULL);
    put_read(out, &c);
    if (!r->placed) put_ranks(out, r, nranks);
    return 0;
}

static void put_stage(peri_buf_t *out, const peri_query_t *q, size_t i, int nranks)
{
    const peri_stage_t *s = &q->stages[i];
    peri_buf_printf(out, "  %zu. ", i + 1);
    if (nranks == 1)
        peri_buf_puts(out, "in one process");
    else if (s->on_all_ranks)
        peri_buf_printf(out, "on all %d ranks", nranks);
    else
        peri_buf_puts(out, "on rank 0");
    if (s->what && *s->what) peri_buf_printf(out, ": %s", s->what);
    if (s->dest == PERI_DEST_OUTPUT)
        peri_buf_puts(out, " -> the result\n");
    else
        peri_buf_printf(out, " -> peri_s%zu on %s\n", i,
                        s->dest == PERI_DEST_ALL ? "every rank" : "rank 0");
    peri_buf_printf(out, "     %s\n", s->sql);
}

int peri_query_explain(const peri_query_t *q, int nranks, const peri_buf_t *costs,
                       peri_buf_t *out, peri_err_t *err)
{
    peri_buf_printf(out, "Plan: %s\n", q->plan->strategy);
    if (q->nrels) peri_buf_puts(out, "Tables\n");
    for (size_t i = 0; i < q->nrels; i++)
        if (put_relation(out, q, i, nranks, costs, err)) return -1;
    peri_buf_puts(out, "Stages\n");
    for (size_t i = 0; i < q->nstages; i++) put_stage(out, q, i, nranks);
    return peri_buf_check(out, "the explanation", err);
}
