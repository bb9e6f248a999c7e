/* scan.h - private: one dataset of one file on its way into an index. */
#ifndef CORE_INDEX_SCAN_H
#define CORE_INDEX_SCAN_H

#include "core/index/index_private.h"

typedef struct {
    const char *name;
    size_t h5field;
    peri_type_t type;
    uint32_t width;     /* 0: cannot be indexed */
    peri_zone_t *zones; /* [width][nzones] */
} peri_scanfield_t;

/* Pieces are runs of whole zones that threads may read independently. */
typedef struct {
    peri_h5set_t *set;
    uint64_t rows, zone_rows, nzones;
    uint64_t piece_zones, npieces; /* no pieces: nothing to read */
    peri_chunkloc_t *locs;
    uint64_t nlocs;
    peri_scanfield_t *fields; /* sorted by name */
    size_t nfields;
} peri_scan_t;

/* Counters that many threads add to, and the order to stop. */
typedef struct {
    uint64_t rows, bytes;
    int stop;
} peri_scanmeter_t;

/* Datasets that cannot be indexed (another file's, a missing filter) have fields of width
 * 0 and no pieces. On failure *s is empty. */
int peri_scan_open(peri_scan_t *s, peri_h5file_t *h5, const peri_wantset_t *want,
                   const peri_file_t *f, peri_err_t *err);
/* Fill the zones of one piece. Ends early, with success, when meter->stop is set. */
int peri_scan_piece(peri_scan_t *s, uint64_t piece, peri_scanmeter_t *meter,
                    peri_err_t *err);
void peri_scan_close(peri_scan_t *s); /* the dataset; zones and locs stay */
void peri_scan_free(peri_scan_t *s);

#endif
