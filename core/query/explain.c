/* explain.c - the plan in words: tables and what of them is read, stages, who does what.
 */
#include <string.h>

#include "core/base/util.h"
#include "core/query/private.h"

/* Files opened to count chunks; more of them would make an explanation slow. */
#define MAX_FILES_OPENED 500

typedef struct {
    uint64_t chunks, chunks_all, bytes, bytes_all;
    size_t files, files_left_out;
} cost_t;

/* Chunks (or, for contiguous sets, zones) of one set that the kept ranges touch. */
static void add_set(const peri_h5set_t *s, const peri_range_t *v, size_t n, cost_t *c)
{
    uint64_t rows = peri_h5set_rows(s), step = peri_h5set_chunk_rows(s);
    if (!rows) return;
    if (!step) step = PERI_ZONE_ROWS;
    uint64_t all = (rows + step - 1) / step, touched = 0, next = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t first = v[i].row0 / step, last = (v[i].row1 - 1) / step;
        if (first < next) first = next;
        if (last >= first) touched += last - first + 1;
        if (last + 1 > next) next = last + 1;
    }
    uint64_t stored = peri_h5set_stored_bytes(s);
    c->chunks += touched;
    c->chunks_all += all;
    c->bytes += (uint64_t)((double)stored * (double)touched / (double)all);
    c->bytes_all += stored;
}

static void add_file(const peri_table_t *t, const peri_relation_t *planned, uint32_t file,
                     const peri_range_t *v, size_t n, cost_t *c)
{
    peri_h5file_t *f = peri_h5file_open(t->files[file].path, t->root, NULL);
    for (size_t i = 0; f && i < planned->nused; i++) {
        const peri_column_t *col = &t->columns[planned->used[i]];
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = strcmp(t->columns[planned->used[k]].dataset, col->dataset) == 0;
        peri_h5set_t *s = seen ? NULL : peri_h5set_open(f, col->dataset, NULL);
        if (s) add_set(s, v, n, c);
        peri_h5set_unref(s);
    }
    peri_h5file_unref(f);
}

static cost_t cost_of(const rel_t *r, const peri_relation_t *planned)
{
    cost_t c = {0};
    size_t i = 0;
    for (uint32_t file = 0; file < r->table->nfiles; file++) {
        size_t first = i;
        while (i < r->kept.n && r->kept.v[i].file == file) i++;
        if (r->table->files[file].rows == 0) continue;
        if (c.files == MAX_FILES_OPENED) {
            c.files_left_out++;
            continue;
        }
        c.files++;
        add_file(r->table, planned, file, r->kept.v + first, i - first, &c);
    }
    return c;
}

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

static void put_preds(peri_buf_t *out, const peri_relation_t *planned)
{
    static const char *const ops[] = {[PERI_OP_LT] = "<",
                                      [PERI_OP_LE] = "<=",
                                      [PERI_OP_EQ] = "=",
                                      [PERI_OP_GE] = ">=",
                                      [PERI_OP_GT] = ">",
                                      [PERI_OP_IN] = "IN",
                                      [PERI_OP_NEVER] = "is never true"};
    if (!planned->npreds) return;
    peri_buf_puts(out, "    can skip by: ");
    for (size_t i = 0; i < planned->npreds; i++) {
        const peri_pred_t *p = &planned->preds[i];
        peri_buf_printf(out, "%s%s", i ? " and " : "", p->column);
        if (p->component >= 0) peri_buf_printf(out, "[%d]", p->component + 1);
        peri_buf_printf(out, " %s", ops[p->op]);
        if (p->op == PERI_OP_IN)
            peri_buf_printf(out, " (%zu values)", p->nvalues);
        else if (p->nvalues == 1 && p->values[0].kind == PERI_CONST_STR)
            peri_buf_printf(out, " '%s'", p->values[0].s);
        else if (p->nvalues == 1 && p->values[0].kind == PERI_CONST_REAL)
            peri_buf_printf(out, " %.15g", p->values[0].d);
        else if (p->nvalues == 1)
            peri_buf_printf(out, " %lld", (long long)p->values[0].i);
    }
    peri_buf_putc(out, '\n');
}

static void put_relation(peri_buf_t *out, const peri_query_t *q, size_t i, int nranks)
{
    const rel_t *r = &q->rels[i];
    const peri_relation_t *planned = &q->plan->relations[i];
    const peri_table_t *t = r->table;
    char a[32], b[32], c[32], d[32];
    cost_t cost = cost_of(r, planned);
    peri_buf_printf(out, "  peri_r%zu: %s, %s rows in %s file%s\n", i, planned->display,
                    peri_human_count(t->rows, a), peri_human_count(t->nfiles, b),
                    t->nfiles == 1 ? "" : "s");
    put_columns(out, r, planned);
    put_preds(out, planned);
    if (r->index) {
        size_t fresh = peri_index_fresh_files(r->index, t);
        peri_buf_printf(out, "    index: fresh for %zu of %zu files\n", fresh, t->nfiles);
    } else {
        peri_buf_printf(out, "    index: %s\n",
                        q->spec.use_index ? "none (perigee index makes one)"
                                          : "not used");
    }
    peri_buf_printf(out, "    reads %s rows, %s of %s chunks (%s skipped), %s of %s%s\n",
                    peri_human_count(peri_ranges_rows(&r->kept), a),
                    peri_human_count(cost.chunks, b),
                    peri_human_count(cost.chunks_all, c),
                    peri_human_count(cost.chunks_all - cost.chunks, d),
                    peri_human_bytes(cost.bytes, (char[16]){0}),
                    peri_human_bytes(cost.bytes_all, (char[16]){0}),
                    cost.files_left_out ? " (first files only)" : "");
    for (int rank = 0; nranks > 1 && rank < nranks && rank < 16; rank++) {
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

int peri_query_explain(const peri_query_t *q, int nranks, peri_buf_t *out,
                       peri_err_t *err)
{
    peri_buf_printf(out, "Plan: %s\n", q->plan->strategy);
    if (q->nrels) peri_buf_puts(out, "Tables\n");
    for (size_t i = 0; i < q->nrels; i++) put_relation(out, q, i, nranks);
    peri_buf_puts(out, "Stages\n");
    for (size_t i = 0; i < q->nstages; i++) put_stage(out, q, i, nranks);
    return peri_buf_check(out, "the explanation", err);
}
