/* depthfirst.h - from halos with links to the depth-first numbering of the Millennium
 * database.
 *
 * A tree is walked from its root, the main progenitor first: then the progenitors of a
 * halo, of all times, are the rows that follow it up to its last progenitor, and its main
 * branch the rows up to its main leaf. Linear in time, without recursion, 1 byte of
 * memory a halo while it works. No MPI, no files; any thread.
 */
#ifndef MPI_TREE_DEPTHFIRST_H
#define MPI_TREE_DEPTHFIRST_H

#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

/* Links between n halos, each by its place in the arrays; -1 where there is none. Main
 * progenitors are the first ones. tree and key only name a halo in errors. */
typedef struct {
    size_t n;
    const int64_t *descendant, *first_progenitor, *next_progenitor;
    const int32_t *snapnum;
    const int64_t *tree, *key;
} peri_treelinks_t;

/* What the walk gives, arrays of n that the caller has made. order is by position, the
 * others by halo; last, leaf and root are positions. */
typedef struct {
    int64_t *order;    /* the halo at each position */
    int64_t *position; /* of each halo */
    int64_t *last;     /* of its last progenitor: its own if it has none */
    int64_t *leaf;     /* the end of its main branch */
    int64_t *root;
} peri_depthfirst_t;

/* Number all halos; roots come in the order of the arrays. PERI_EFORMAT with a sentence
 * about the first halo for which something is wrong: a link that leads nowhere or into
 * another tree, a descendant that is not later, a chain of progenitors that runs in a
 * circle, misses one or has one of another halo. */
int peri_depthfirst_number(const peri_treelinks_t *links, peri_depthfirst_t *out,
                           peri_err_t *err);

/* From descendants alone, the other links are not looked at: order the progenitors of
 * each halo by weight, the largest first, the earlier one in the arrays if they are
 * equal. first and next are arrays of n. */
int peri_progenitors_order(const peri_treelinks_t *links, const int64_t *weight,
                           int64_t *first, int64_t *next, peri_err_t *err);

/* The sum of np along each halo's main branch, where that branch takes at each step the
 * progenitor with the largest sum (the most massive history of De Lucia and Blaizot
 * 2007). From descendants alone. sum is an array of n. */
int peri_branch_sums(const peri_treelinks_t *links, const int64_t *np, int64_t *sum,
                     peri_err_t *err);

#endif
