/* data.h - a dataset and the part of it that is asked for. Private. */
#ifndef PORTAL_H5_VIEW_DATA_H
#define PORTAL_H5_VIEW_DATA_H

#include "portal/h5/view/view.h"

typedef struct {
    hid_t id, type, memory; /* memory: of what is read, -1 until it is known */
    bool null;              /* it has no data at all */
    peri_h5part_t part;
    size_t rank; /* of the result */
    uint64_t dims[PERI_H5SELECT_DIMS];
} peri_h5set_ask_t;

int peri_h5set_open_part(hid_t file, const peri_h5ask_t *q, peri_h5set_ask_t *s,
                         peri_err_t *err);
void peri_h5set_close(peri_h5set_ask_t *s);

#endif
