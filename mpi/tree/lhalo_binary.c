/* lhalo_binary.c - binary LHaloTree files: the number of trees, of all halos, of the
 * halos of each tree (32-bit integers), then records of 104 bytes. Either byte order: the
 * size of the file tells which it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/util.h"
#include "mpi/tree/lhalo_private.h"

enum { RECORD = 104, AT_ONCE = 8192 };

typedef struct {
    FILE *file;
    const lhalofile_t *f;
    uint64_t size;
    bool swap;
} reader_t;

static uint32_t get32(const unsigned char *p, bool swap)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return swap ? __builtin_bswap32(v) : v;
}

static int32_t get_int(const unsigned char *p, bool swap)
{
    return (int32_t)get32(p, swap);
}

static float get_float(const unsigned char *p, bool swap)
{
    const uint32_t bits = get32(p, swap);
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

static int64_t get_long(const unsigned char *p, bool swap)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return (int64_t)(swap ? __builtin_bswap64(v) : v);
}

static int read_all(reader_t *r, void *out, size_t size, peri_err_t *err)
{
    if (fread(out, 1, size, r->file) == size) return 0;
    return peri_err_set(err, PERI_EIO, "%s cannot be read: %s.", r->f->path,
                        ferror(r->file) ? strerror(errno) : "it ends too early");
}

static uint64_t size_for(int64_t ntrees, int64_t total)
{
    return 4 * (2 + (uint64_t)ntrees) + RECORD * (uint64_t)total;
}

/* Open, find the byte order, read how many halos each tree has. */
static int read_header(reader_t *r, int32_t **nhalos, size_t *ntrees, uint64_t *total,
                       peri_err_t *err)
{
    unsigned char head[8];
    struct stat st;
    r->file = fopen(r->f->path, "rb");
    if (!r->file || fstat(fileno(r->file), &st) != 0)
        return peri_err_set(err, errno == ENOENT ? PERI_ENOTFOUND : PERI_EIO,
                            "%s cannot be opened: %s.", r->f->path, strerror(errno));
    r->size = (uint64_t)st.st_size;
    if (!S_ISREG(st.st_mode) || r->size < sizeof(head))
        return peri_err_set(err, PERI_EFORMAT,
                            "%s is no file of trees: it has %" PRIu64 " bytes.",
                            r->f->path, r->size);
    if (read_all(r, head, sizeof(head), err)) return -1;
    int64_t trees = 0, halos = 0;
    for (int swap = 0; swap < 2; swap++) {
        trees = get_int(head, swap);
        halos = get_int(head + 4, swap);
        r->swap = swap;
        if (trees >= 0 && halos >= 0 && size_for(trees, halos) == r->size) break;
        if (swap) {
            trees = get_int(head, false);
            halos = get_int(head + 4, false);
            return peri_err_set(err, PERI_EFORMAT,
                                "%s is no whole LHaloTree file: it says %" PRId64
                                " trees with %" PRId64 " halos, which are not %" PRIu64
                                " bytes. Is it cut off?",
                                r->f->path, trees, halos, r->size);
        }
    }
    *ntrees = (size_t)trees;
    *nhalos = peri_xmalloc((*ntrees + 1) * sizeof(**nhalos));
    if (read_all(r, *nhalos, *ntrees * sizeof(**nhalos), err)) return -1;
    for (size_t t = 0; t < *ntrees; t++)
        (*nhalos)[t] = get_int((unsigned char *)&(*nhalos)[t], r->swap);
    if (peri_lhalo_check_counts(r->f, *nhalos, *ntrees, total, err)) return -1;
    if (*total == (uint64_t)halos) return 0;
    return peri_err_set(err, PERI_EFORMAT,
                        "%s: its trees have %" PRIu64 " halos, but it says %" PRId64 ".",
                        r->f->path, *total, halos);
}

static void decode(const reader_t *r, const unsigned char *p, peri_treehalo_t *h)
{
    const bool s = r->swap;
    h->descendant = get_int(p, s);
    h->first_progenitor = get_int(p + 4, s);
    h->next_progenitor = get_int(p + 8, s);
    h->first_in_group = get_int(p + 12, s);
    h->next_in_group = get_int(p + 16, s);
    h->np = get_int(p + 20, s);
    h->m_crit200 = get_float(p + 28, s); /* between those within 200 x mean and top hat */
    for (int k = 0; k < 3; k++) {
        h->position[k] = get_float(p + 36 + 4 * k, s);
        h->velocity[k] = get_float(p + 48 + 4 * k, s);
    }
    h->vel_disp = get_float(p + 60, s);
    h->v_max = get_float(p + 64, s);
    h->most_bound = get_long(p + 80, s);
    h->snapnum = get_int(p + 88, s);
    h->subhalo = 100000000 * (int64_t)get_int(p + 92, s) + get_int(p + 96, s);
    h->half_mass_radius = get_float(p + 100, s);
    h->mass = (float)((double)h->np * r->f->particle_mass);
}

static int read_halos(reader_t *r, const int32_t *nhalos, size_t ntrees, uint64_t total,
                      peri_lhalo_t *out, peri_err_t *err)
{
    size_t first, end;
    uint64_t before;
    peri_lhalo_share(r->f, nhalos, ntrees, total, &first, &end, &before);
    uint64_t n = 0;
    for (size_t t = first; t < end; t++) n += (uint64_t)nhalos[t];
    if (fseeko(r->file, (off_t)size_for((int64_t)ntrees, (int64_t)before), SEEK_SET) != 0)
        return peri_err_set(err, PERI_EIO, "%s cannot be read: %s.", r->f->path,
                            strerror(errno));
    peri_treehalo_t *h = peri_lhalo_extend(out, n);
    unsigned char *buffer = peri_xmalloc((size_t)AT_ONCE * RECORD);
    int rc = 0;
    for (uint64_t done = 0; done < n && rc == 0;) {
        const size_t some = n - done < AT_ONCE ? (size_t)(n - done) : AT_ONCE;
        rc = read_all(r, buffer, some * RECORD, err);
        for (size_t i = 0; i < some && rc == 0; i++)
            decode(r, buffer + i * RECORD, &h[done + i]);
        done += some;
    }
    free(buffer);
    for (size_t t = first; t < end; t++)
        for (int32_t i = 0; i < nhalos[t]; i++, h++) {
            h->tree = PERI_LHALO_TREES * r->f->number + (int64_t)t;
            h->key = i;
        }
    return rc;
}

int peri_lhalo_binary(const lhalofile_t *f, peri_lhalo_t *out, peri_err_t *err)
{
    reader_t r = {.f = f};
    int32_t *nhalos = NULL;
    size_t ntrees = 0;
    uint64_t total = 0;
    int rc = read_header(&r, &nhalos, &ntrees, &total, err);
    if (rc == 0) rc = read_halos(&r, nhalos, ntrees, total, out, err);
    if (r.file) fclose(r.file);
    free(nhalos);
    return rc;
}
