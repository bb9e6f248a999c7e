/* memory.c - see memory.h. */
#include "examples/universe/memory.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/util.h"
#include "examples/universe/agree.h"
#include "examples/universe/particles.h"

/* What Linux thinks could be had without swapping; 0 if it does not say. */
static uint64_t available_bytes(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    if (!f) return 0;
    char line[128];
    uint64_t kilobytes = 0;
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kilobytes) == 1) break;
    fclose(f);
    return kilobytes * 1024;
}

/* Of all ranks together. The start needs particles and four grids of their lattice; then
 * come the mesh with a copy for FFTW's messages, and lists of particles that are sorted,
 * sent, or written through two copies of their file. */
static double needed_bytes(int particles, int mesh)
{
    double count = (double)particles * particles * particles;
    double cells = (double)mesh * mesh * mesh;
    double start = count * (sizeof(particle_t) + 5 * sizeof(double));
    double run = count * (2.5 * sizeof(particle_t)) + cells * 2 * sizeof(double);
    return start > run ? start : run;
}

int memory_check(MPI_Comm comm, int particles, int mesh, peri_err_t *err)
{
    MPI_Comm node;
    int here, all;
    MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &here);
    MPI_Comm_size(comm, &all);
    MPI_Comm_free(&node);
    double needed = needed_bytes(particles, mesh) * here / all;
    uint64_t available = available_bytes();
    int rc = 0;
    if (available && needed > (double)available) {
        char want[16], have[16];
        rc = peri_err_set(err, PERI_ELIMIT,
                          "%d^3 particles on a mesh of %d^3 need %s on this node, which "
                          "has %s left: take fewer, a coarser mesh, or more nodes",
                          particles, mesh, peri_human_bytes((uint64_t)needed, want),
                          peri_human_bytes(available, have));
    }
    return agree(comm, rc, err);
}
