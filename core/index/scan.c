/* scan.c - reading one dataset of one file: where its chunks are, what its zones hold.
 *
 * A dataset whose bytes lie in another file (external link, virtual dataset, external
 * storage) is never indexed: the entry's identity would be that of the wrong file, and a
 * change would go unnoticed.
 */
#include "core/index/scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define PIECE_BYTES ((uint64_t)64 << 20)
/* Values read at a time: they stay in the processor's cache between decoding and
 * scanning. */
#define BATCH_BYTES ((uint64_t)256 << 10)
#define BATCH_ROWS  65536u

static herr_t refuse_link(const char *parent_file, const char *parent_group,
                          const char *child_file, const char *child_object,
                          unsigned *flags, hid_t fapl, void *arg)
{
    (void)parent_file, (void)parent_group, (void)child_file, (void)child_object;
    (void)flags, (void)fapl, (void)arg;
    return -1;
}

static bool lies_in_file(peri_h5file_t *h5, const char *dataset)
{
    bool inside = false;
    peri_h5_lock();
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    hid_t id = -1, how = -1;
    if (access >= 0 && H5Pset_elink_cb(access, refuse_link, NULL) >= 0)
        id = H5Dopen2(peri_h5file_hid(h5), dataset, access);
    if (id >= 0) how = H5Dget_create_plist(id);
    if (how >= 0)
        inside = H5Pget_layout(how) != H5D_VIRTUAL && H5Pget_external_count(how) == 0;
    if (how >= 0) H5Pclose(how);
    if (id >= 0) H5Dclose(id);
    if (access >= 0) H5Pclose(access);
    peri_h5_unlock();
    return inside;
}

static void choose_fields(peri_scan_t *s, const peri_wantset_t *want,
                          const peri_file_t *f)
{
    s->fields = peri_xcalloc(want->nfields, sizeof *s->fields);
    for (size_t i = 0; i < want->nfields; i++)
        if (want->fields[i].zones && peri_wanted_has_field(&want->fields[i], f))
            s->fields[s->nfields++].name = want->fields[i].field;
}

static void match_fields(peri_scan_t *s)
{
    size_t n;
    const peri_h5field_t *h5 = peri_h5set_fields(s->set, &n);
    for (size_t i = 0; i < s->nfields; i++) {
        for (size_t k = 0; k < n; k++) {
            if (strcmp(h5[k].name, s->fields[i].name) != 0) continue;
            if (!peri_zone_type_ok(h5[k].type) || h5[k].width > PERI_IDX_MAX_WIDTH) break;
            s->fields[i].h5field = k;
            s->fields[i].type = h5[k].type;
            s->fields[i].width = h5[k].width;
            break;
        }
    }
}

static int read_chunk_map(peri_scan_t *s, peri_err_t *err)
{
    uint64_t n = peri_h5set_nchunks(s->set);
    if (peri_h5set_layout(s->set) != PERI_LAYOUT_CHUNKED || n == 0) return 0;
    peri_err_t why;
    s->locs = peri_xcalloc(n, sizeof *s->locs);
    s->nlocs = n;
    if (peri_h5set_chunk_map(s->set, s->locs, &why)) {
        free(s->locs);
        s->locs = NULL;
        s->nlocs = 0;
        if (why.code == PERI_EUNSUPP) return 0;
        *err = why;
        return -1;
    }
    return peri_h5set_use_chunk_map(s->set, s->locs, n, err);
}

static void choose_zones(peri_scan_t *s)
{
    uint64_t chunk = peri_h5set_chunk_rows(s->set);
    s->zone_rows = PERI_ZONE_ROWS;
    if (chunk >= PERI_ZONE_MIN_ROWS)
        s->zone_rows = chunk;
    else if (chunk > 0)
        s->zone_rows = (PERI_ZONE_MIN_ROWS + chunk - 1) / chunk * chunk;
    s->nzones = peri_idxset_nzones(s->rows, s->zone_rows);

    bool any = false;
    for (size_t i = 0; i < s->nfields; i++) {
        peri_scanfield_t *f = &s->fields[i];
        if (f->width == 0) continue;
        any = true;
        f->zones = peri_xcalloc(s->nzones * f->width, sizeof *f->zones);
        for (uint64_t z = 0; z < s->nzones * f->width; z++)
            peri_zone_clear(&f->zones[z], f->type);
    }
    if (!any || s->rows == 0) return;
    uint64_t zone_bytes = peri_h5set_raw_bytes(s->set) / s->nzones + 1;
    s->piece_zones = zone_bytes < PIECE_BYTES ? PIECE_BYTES / zone_bytes : 1;
    s->npieces = (s->nzones + s->piece_zones - 1) / s->piece_zones;
}

int peri_scan_open(peri_scan_t *s, peri_h5file_t *h5, const peri_wantset_t *want,
                   const peri_file_t *f, peri_err_t *err)
{
    memset(s, 0, sizeof *s);
    s->rows = f->rows;
    choose_fields(s, want, f);
    s->set = peri_h5set_open(h5, want->dataset, err);
    if (s->set == NULL) {
        if (err->code == PERI_EUNSUPP) return 0;
        goto fail;
    }
    if (peri_h5set_rows(s->set) != f->rows) {
        peri_err_set(err, PERI_EFORMAT,
                     "%s: dataset %s has %llu rows where the table has %llu", f->path,
                     want->dataset, (unsigned long long)peri_h5set_rows(s->set),
                     (unsigned long long)f->rows);
        goto fail;
    }
    if (!lies_in_file(h5, want->dataset)) return 0;
    match_fields(s);
    if (read_chunk_map(s, err)) goto fail;
    choose_zones(s);
    return 0;
fail:
    peri_scan_free(s);
    return -1;
}

static size_t row_bytes(const peri_scanfield_t *f)
{
    return f->width * peri_type_size(f->type);
}

/* Rows to read at `row`: short enough for the cache, and for compound types not over the
 * end of a chunk, which the cursor would otherwise decode once for each field. */
static uint32_t batch_rows(const peri_scan_t *s, uint64_t row, uint64_t end,
                           size_t widest)
{
    uint64_t n = BATCH_BYTES / widest;
    if (n > BATCH_ROWS) n = BATCH_ROWS;
    uint64_t chunk = peri_h5set_chunk_rows(s->set);
    if (s->nfields > 1 && chunk > 0 && n > chunk - row % chunk) n = chunk - row % chunk;
    return (uint32_t)(n < end - row ? n : end - row);
}

int peri_scan_piece(peri_scan_t *s, uint64_t piece, peri_scanmeter_t *meter,
                    peri_err_t *err)
{
    size_t widest = 1;
    for (size_t i = 0; i < s->nfields; i++)
        if (row_bytes(&s->fields[i]) > widest) widest = row_bytes(&s->fields[i]);
    peri_h5cursor_t *cursor = peri_h5cursor_new(s->set, err);
    if (cursor == NULL) return -1;
    void *values = peri_xmalloc(BATCH_BYTES + widest);
    uint64_t bytes = 0;
    int rc = -1;

    uint64_t z1 = (piece + 1) * s->piece_zones;
    if (z1 > s->nzones) z1 = s->nzones;
    for (uint64_t z = piece * s->piece_zones; z < z1; z++) {
        uint64_t row = z * s->zone_rows;
        uint64_t end = s->rows - row < s->zone_rows ? s->rows : row + s->zone_rows;
        while (row < end && !__atomic_load_n(&meter->stop, __ATOMIC_RELAXED)) {
            uint32_t n = batch_rows(s, row, end, widest);
            for (size_t i = 0; i < s->nfields; i++) {
                peri_scanfield_t *f = &s->fields[i];
                if (f->width == 0) continue;
                if (peri_h5cursor_read(cursor, f->h5field, row, n, values, err)) goto out;
                peri_zone_add(&f->zones[z], s->nzones, f->type, f->width, values, n);
            }
            row += n;
            uint64_t b = peri_h5cursor_bytes(cursor);
            __atomic_add_fetch(&meter->rows, n, __ATOMIC_RELAXED);
            __atomic_add_fetch(&meter->bytes, b - bytes, __ATOMIC_RELAXED);
            bytes = b;
        }
    }
    rc = 0;
out:
    free(values);
    peri_h5cursor_free(cursor);
    return rc;
}

void peri_scan_close(peri_scan_t *s)
{
    peri_h5set_unref(s->set);
    s->set = NULL;
}

void peri_scan_free(peri_scan_t *s)
{
    peri_scan_close(s);
    for (size_t i = 0; i < s->nfields; i++) free(s->fields[i].zones);
    free(s->fields);
    free(s->locs);
    memset(s, 0, sizeof *s);
}
