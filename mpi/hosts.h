/* hosts.h - which ranks run on which node. Made once, before the query, by all ranks. */
#ifndef MPI_HOSTS_H
#define MPI_HOSTS_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char **names; /* of the nodes, in the order of their first ranks */
    size_t n;
    int *of_rank; /* a node for each rank */
    int *first;   /* the first rank of each node */
    bool many;    /* true on every rank if there are several; all else on rank 0 only */
} peri_hosts_t;

/* Collective. */
void peri_hosts_find(peri_hosts_t *h, MPI_Comm comm);
void peri_hosts_free(peri_hosts_t *h);

#endif
