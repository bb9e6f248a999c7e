/* dataset_json.h - what a catalogue tells of a dataset, as JSON. */
#ifndef CLI_DATASET_JSON_H
#define CLI_DATASET_JSON_H

#include <jansson.h>

#include "core/table/dataset.h"

/* The texts, who may use it, its folders, and the tables with their columns, sizes and
 * (of indexed ones) the bounds. A table that cannot be read has "error" instead of
 * columns. A new reference. Text that is not UTF-8 is left out. */
json_t *peri_dataset_json(const peri_dataset_t *d);

#endif
