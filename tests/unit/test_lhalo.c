/* test_lhalo.c - damaged LHaloTree files: bytes are changed at random, files cut
 * anywhere. Each is read into trees that keep every promise, or refused with a sentence;
 * the debug build sees a read or write outside of memory. Run on 1 and 3 ranks, which
 * change the same bytes.
 */
#include <math.h>
#include <unistd.h>

#include "mpi/tree/lhalo.h"
#include "tests/unit/tree_common.h"

#define TREES  5
#define HALOS  12 /* of each tree: a main branch, and a progenitor of each second halo */
#define RECORD 104
#define SIZE   (4 * (2 + TREES) + RECORD * TREES * HALOS)

static uint64_t seed = 7;

static uint64_t below(uint64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % n;
}

static void put(unsigned char *at, int32_t v)
{
    memcpy(at, &v, sizeof(v));
}

/* Halos 0 to 7 are the main branch of halo 0, 8 to 11 second progenitors of 0, 2, 4, 6.
 */
static void make_file(unsigned char *file)
{
    memset(file, 0, SIZE);
    put(file, TREES);
    put(file + 4, TREES * HALOS);
    for (int t = 0; t < TREES; t++) put(file + 8 + 4 * t, HALOS);
    for (int i = 0; i < TREES * HALOS; i++) {
        unsigned char *r = file + 4 * (2 + TREES) + RECORD * i;
        const int h = i % HALOS;
        const int d = h < 8 ? h - 1 : 2 * (h - 8);
        put(r, d);
        put(r + 4, h < 7 ? h + 1 : -1);
        put(r + 8, h < 8 && h % 2 == 1 ? 8 + h / 2 : -1);
        put(r + 12, h);
        put(r + 16, -1);
        put(r + 20, 100);
        put(r + 88, h < 8 ? 60 - h : 59 - d);
    }
}

/* 0 if it was read, -1 if it was refused. */
static int read_file(const char *path, const unsigned char *file, size_t size)
{
    if (rank == 0) {
        FILE *f = fopen(path, "wb");
        CHECK(f && fwrite(file, 1, size, f) == size && fclose(f) == 0);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    peri_lhalo_t l;
    peri_forest_t f;
    err = (peri_err_t){0};
    int rc = peri_lhalo_read(&path, 1, NAN, MPI_COMM_WORLD, &l, &err);
    if (rc == 0) {
        rc = peri_forest_make(l.halos, l.n, PERI_MAIN_GIVEN, MPI_COMM_WORLD, &f, &err);
        peri_lhalo_drop(&l);
    }
    CHECK((rc == 0) == (err.code == PERI_OK) && (rc == 0 || err.text[0]));
    if (rc == 0) {
        const peri_treescheme_t s = {PERI_TREE_SIZE, 8, 20, {100, 100, 100}, NULL, 0};
        peri_rowset_t *r = peri_rowset_new(peri_treerows_columns, PERI_TREEROWS_NCOLUMNS);
        CHECK(peri_treerows_fill(&f, &s, r, &err) == 0);
        CHECK(peri_tree_check_rows(r, PERI_TREE_SIZE, &err) == 0);
        peri_rowset_free(r);
        peri_forest_drop(&f);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    return rc;
}

int main(int argc, char **argv)
{
    unsigned char whole[SIZE], file[SIZE];
    char path[64];
    start(&argc, &argv);
    int pid = (int)getpid();
    MPI_Bcast(&pid, 1, MPI_INT, 0, MPI_COMM_WORLD);
    snprintf(path, sizeof(path), "/tmp/perigee-test-lhalo-%d.5", pid);
    make_file(whole);
    what = "whole";
    CHECK(peri_lhalo_file_number(path) == 5);
    CHECK(peri_lhalo_file_number("a/trees_sf1_099.17.hdf5") == 17);
    CHECK(peri_lhalo_file_number("trees_099") == -1);
    CHECK(peri_lhalo_file_number("") == -1 && peri_lhalo_file_number(".1234567") == -1);
    CHECK(read_file(path, whole, SIZE) == 0);
    what = "cut";
    for (size_t size = 0; size < SIZE; size += size < 40 ? 1 : 97)
        CHECK(read_file(path, whole, size) == -1);
    what = "changed";
    int refused = 0;
    const int rounds = 600;
    for (int k = 0; k < rounds; k++) {
        memcpy(file, whole, SIZE);
        const uint64_t changes = 1 + below(3);
        for (uint64_t c = 0; c < changes; c++) {
            /* Numbers that lead somewhere, often: those at the start of each record. */
            const size_t at =
                below(2) ? below(SIZE)
                         : 4 * (2 + TREES) + RECORD * below(TREES * HALOS) + 4 * below(5);
            if (below(2))
                file[at] ^= (unsigned char)(1u << below(8));
            else
                put(file + (at < SIZE - 4 ? at : SIZE - 4), (int32_t)below(14) - 1);
        }
        refused += read_file(path, file, SIZE) != 0;
    }
    CHECK(refused > rounds / 3 && refused < rounds);
    if (rank == 0) unlink(path);
    MPI_Finalize();
    return 0;
}
