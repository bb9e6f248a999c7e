/* dataset_priv.h - parts of reading a descriptor. Private to core/table. */
#ifndef CORE_TABLE_DATASET_PRIV_H
#define CORE_TABLE_DATASET_PRIV_H

#include "core/base/yaml.h"
#include "core/table/dataset.h"

/* "access" and "queries"; either may be NULL. */
int peri_dataset_read_portal(const peri_yaml_t *y, peri_node_t *access,
                             peri_node_t *queries, peri_dataset_t *d, peri_err_t *err);

#endif
