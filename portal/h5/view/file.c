/* file.c - one open descriptor as an HDF5 file, read-only.
 *
 * A driver of its own: HDF5 never opens a file by name, so an external link, a virtual
 * dataset or external storage leads nowhere.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "portal/h5/view/view.h"

#define THE_NAME "the file"
#define MAX_ADDR (((haddr_t)1 << 62) - 1)

typedef struct {
    H5FD_t base; /* must be first */
    haddr_t eoa;
} one_t;

/* HDF5 has no room for them in what it hands to `open`; this is one process, one file. */
static int the_fd = -1;
static haddr_t the_size;

static H5FD_t *on_open(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr)
{
    (void)fapl;
    (void)maxaddr;
    if (strcmp(name, THE_NAME) != 0 || (flags & H5F_ACC_RDWR)) return NULL;
    return calloc(1, sizeof(one_t));
}

static herr_t on_close(H5FD_t *f)
{
    free(f);
    return 0;
}

static int on_cmp(const H5FD_t *a, const H5FD_t *b)
{
    (void)a;
    (void)b;
    return 0; /* there is only one */
}

static herr_t on_query(const H5FD_t *f, unsigned long *flags)
{
    (void)f;
    *flags = H5FD_FEAT_ACCUMULATE_METADATA_READ | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t on_get_eoa(const H5FD_t *f, H5FD_mem_t type)
{
    (void)type;
    return ((const one_t *)f)->eoa;
}

static herr_t on_set_eoa(H5FD_t *f, H5FD_mem_t type, haddr_t addr)
{
    (void)type;
    ((one_t *)f)->eoa = addr;
    return 0;
}

static haddr_t on_get_eof(const H5FD_t *f, H5FD_mem_t type)
{
    (void)f;
    (void)type;
    return the_size;
}

/* As HDF5's own driver: what lies beyond the end of the file is zeros. */
static herr_t on_read(H5FD_t *f, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size,
                      void *buf)
{
    (void)f;
    (void)type;
    (void)dxpl;
    if (addr > MAX_ADDR || size > MAX_ADDR - addr) return -1;
    for (char *p = buf; size;) {
        const ssize_t n = pread(the_fd, p, size, (off_t)addr);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) {
            memset(p, 0, size);
            break;
        }
        p += n;
        addr += (haddr_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static herr_t on_write(H5FD_t *f, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t size,
                       const void *buf)
{
    (void)f;
    (void)type;
    (void)dxpl;
    (void)addr;
    (void)size;
    (void)buf;
    return -1;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = 600,
#endif
    .name = "perigee-one",
    .maxaddr = MAX_ADDR,
    .fc_degree = H5F_CLOSE_WEAK,
    .open = on_open,
    .close = on_close,
    .cmp = on_cmp,
    .query = on_query,
    .get_eoa = on_get_eoa,
    .set_eoa = on_set_eoa,
    .get_eof = on_get_eof,
    .read = on_read,
    .write = on_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t peri_h5view_open(int fd, uint64_t size, const char *name, peri_err_t *err)
{
    the_fd = fd;
    the_size = size;
    if (!size) {
        peri_err_set(err, PERI_EFORMAT, "%s is empty, not an HDF5 file", name);
        return -1;
    }
    const hid_t id = H5FDregister(&driver), fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (id < 0 || fapl < 0 || H5Pset_driver(fapl, id, NULL) < 0 ||
        /* Small reads of metadata are most of what is done. */
        H5Pset_meta_block_size(fapl, 1 << 16) < 0 ||
        H5Pset_sieve_buf_size(fapl, 1 << 20) < 0)
        return peri_err_set(err, PERI_EINTERNAL, "HDF5 does not start");
    const hid_t file = H5Fopen(THE_NAME, H5F_ACC_RDONLY, fapl);
    H5Pclose(fapl);
    if (file < 0)
        return peri_h5view_fail(err, "%s is not an HDF5 file, or a damaged one", name);
    return file;
}

static herr_t on_error(unsigned n, const H5E_error2_t *e, void *arg)
{
    const char **said = arg;
    if (n == 0 || !*said) *said = e->desc;
    return 0;
}

int peri_h5view_fail(peri_err_t *err, const char *fmt, ...)
{
    char text[600];
    const char *said = NULL;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, on_error, &said);
    return peri_err_set(err, PERI_EFORMAT, said ? "%s (HDF5: %.300s)" : "%s", text, said);
}
