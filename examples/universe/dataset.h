/* dataset.h - what makes a run a dataset of Perigee: its table of snapshots, and the
 * descriptor universe.yaml. */
#ifndef UNIVERSE_DATASET_H
#define UNIVERSE_DATASET_H

#include "examples/universe/options.h"

/* By one rank, at the end of a run. */
int dataset_write(const options_t *o, peri_err_t *err);

#endif
