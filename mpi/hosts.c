/* hosts.c - see hosts.h. */
#include "mpi/hosts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/table/table.h"

/* Two ranks are on one node if all of this is equal: MPI alone does not see that parts of
 * one machine have been made to look like several, names alone may be wrong. */
typedef struct {
    int leader; /* first rank that MPI says shares memory with it */
    char host[128], name[128];
} whereabouts_t;

static void look(whereabouts_t *w, MPI_Comm comm)
{
    MPI_Comm node;
    memset(w, 0, sizeof(*w));
    MPI_Comm_rank(comm, &w->leader);
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Bcast(&w->leader, 1, MPI_INT, 0, node);
    MPI_Comm_free(&node);
    gethostname(w->host, sizeof(w->host) - 1);
    strncpy(w->name, peri_node_name(), sizeof(w->name) - 1);
}

static void add_rank(peri_hosts_t *h, const whereabouts_t *all, int rank)
{
    size_t i = 0;
    while (i < h->n && memcmp(&all[h->first[i]], &all[rank], sizeof(*all)) != 0) i++;
    h->of_rank[rank] = (int)i;
    if (i < h->n) return;
    h->first[i] = rank;
    h->names[i] = peri_xstrdup(all[rank].name);
    h->n++;
}

/* The report needs names that differ. */
static void tell_apart(peri_hosts_t *h)
{
    for (size_t i = 1; i < h->n; i++) {
        bool taken = false;
        for (size_t k = 0; k < i && !taken; k++)
            taken = strcmp(h->names[k], h->names[i]) == 0;
        if (!taken) continue;
        char *name = peri_xasprintf("%s/%d", h->names[i], h->first[i]);
        free(h->names[i]);
        h->names[i] = name;
    }
}

void peri_hosts_find(peri_hosts_t *h, MPI_Comm comm)
{
    whereabouts_t mine, *all = NULL;
    int rank, nranks, many = 0;
    memset(h, 0, sizeof(*h));
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &nranks);
    look(&mine, comm);
    if (rank == 0) all = peri_xcalloc((size_t)nranks, sizeof(*all));
    MPI_Gather(&mine, sizeof(mine), MPI_BYTE, all, sizeof(mine), MPI_BYTE, 0, comm);
    if (rank == 0) {
        h->names = peri_xcalloc((size_t)nranks, sizeof(*h->names));
        h->of_rank = peri_xcalloc((size_t)nranks, sizeof(*h->of_rank));
        h->first = peri_xcalloc((size_t)nranks, sizeof(*h->first));
        for (int r = 0; r < nranks; r++) add_rank(h, all, r);
        tell_apart(h);
        many = h->n > 1;
    }
    MPI_Bcast(&many, 1, MPI_INT, 0, comm);
    h->many = many;
    free(all);
}

void peri_hosts_free(peri_hosts_t *h)
{
    for (size_t i = 0; i < h->n; i++) free(h->names[i]);
    free(h->names);
    free(h->of_rank);
    free(h->first);
    memset(h, 0, sizeof(*h));
}
