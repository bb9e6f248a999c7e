/* snapshot.h - GADGET-4's snapshots: snapdir_NNN/snapshot_NNN.K.hdf5, a file a rank.
 *
 * A snapshot is there as a whole or not at all: its files are made in a hidden folder
 * which gets its name when all ranks are done. Whoever fails, or is told to end by a
 * signal, removes its part of that folder.
 */
#ifndef UNIVERSE_SNAPSHOT_H
#define UNIVERSE_SNAPSHOT_H

#include <mpi.h>
#include <stdint.h>

#include "examples/universe/options.h"
#include "examples/universe/particles.h"

/* To be called before MPI_Init, so that MPI's threads leave signals to the main one; and
 * after it. */
void snapshot_block_signals(void);
void snapshot_catch_signals(void);

/* Makes the folder of a run and refuses one that has results already. Collective. */
int snapshot_prepare(MPI_Comm comm, const options_t *o, peri_err_t *err);

/* Writes a rank's particles, in the order that they have. *bytes is what all files have.
 * Collective. */
int snapshot_write(MPI_Comm comm, const options_t *o, int number, const particles_t *s,
                   uint64_t *bytes, peri_err_t *err);

#endif
