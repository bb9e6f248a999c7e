/* halo.h - a halo at one time, with its links to halos of other times, as one fixed-size
 * record that can be sent between ranks.
 *
 * Links are keys: a halo's key is a number that is its own within its tree, and keys grow
 * in the order that ties are broken by. What a source does not say is -1 (numbers) or
 * NAN.
 */
#ifndef MPI_TREE_HALO_H
#define MPI_TREE_HALO_H

#include <stdint.h>

typedef struct {
    int64_t tree; /* number of the tree, from 0 */
    int64_t key;
    int64_t descendant, first_progenitor, next_progenitor; /* keys, or -1 */
    int64_t main_progenitor; /* -1: the first one is; else it will be put first */
    int64_t first_in_group, next_in_group;
    int64_t subhalo, group; /* numbers in the catalogue of its snapshot */
    int64_t np, most_bound;
    double position[3];
    float velocity[3];
    float mass, m_crit200;
    float vel_disp, v_max, half_mass_radius;
    int32_t snapnum, pad; /* pad: 0, so that records are the same bits */
} peri_treehalo_t;

#endif
