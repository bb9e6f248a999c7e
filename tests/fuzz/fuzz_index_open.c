/* The bytes of an index file: opening and everything that is read from it afterwards.
 * Checksums are off, so that the fuzzer gets behind them.
 */
#include <stdlib.h>

#include "core/index/index_private.h"

static void use_file(peri_index_t *x, const peri_idxfile_t *e)
{
    const char *path = peri_index_string(x, e->path);
    size_t hint = 0;
    for (uint32_t i = 0; i < e->nsets && i < 64; i++) {
        const peri_idxset_t *s = peri_index_set(x, e->first_set + i);
        const char *name = peri_index_string(x, s->name);
        uint64_t n;
        peri_index_find_set(x, e, name, &hint);
        peri_index_chunks(x, path, e->size, e->mtime_ns, e->inode, name, &n);

        const peri_idxfield_t *f =
            s->nfields ? peri_index_field(x, s->first_field) : NULL;
        peri_column_t column = {.name = "c",
                                .dataset = name,
                                .field = f ? peri_index_string(x, f->name) : "",
                                .component = -1,
                                .type = f ? (peri_type_t)f->type : PERI_T_I32,
                                .width = f && f->width ? f->width : 1};
        peri_file_t file = {.path = path,
                            .name = path,
                            .rows = s->rows,
                            .size = e->size,
                            .mtime_ns = e->mtime_ns,
                            .inode = e->inode};
        peri_table_t table = {.name = "t",
                              .columns = &column,
                              .ncolumns = 1,
                              .files = &file,
                              .nfiles = 1,
                              .rows = s->rows};
        peri_const_t value = {.kind = PERI_CONST_INT, .i = 3};
        peri_pred_t pred = {.column = "c",
                            .component = column.width > 1 ? (int)column.width - 1 : -1,
                            .op = PERI_OP_LT,
                            .nvalues = 1,
                            .values = &value};
        peri_ranges_t kept = {0};
        peri_index_fresh_files(x, &table);
        peri_index_prune(x, &table, &pred, 1, &kept);
        uint64_t at = 0;
        for (size_t k = 0; k < kept.n; k++) {
            if (kept.v[k].row0 < at || kept.v[k].row1 > s->rows) abort();
            at = kept.v[k].row1;
        }
        peri_ranges_free(&kept);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    peri_err_t err;
    peri_index_t *x = peri_index_open_memory(data, size, false, &err);
    if (x == NULL) return 0;
    for (size_t i = 0; i < peri_index_nfiles(x) && i < 64; i++)
        use_file(x, peri_index_file(x, i));
    peri_index_unref(x);
    return 0;
}
