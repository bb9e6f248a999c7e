/* mutate_h5.c - damaged HDF5 files through the whole reading API.
 *
 *   mutate_h5 FILE N [FIRST]      N mutations of FILE, numbered from FIRST
 *   mutate_h5 --seeds DIR N       makes seed files in DIR, N mutations of each
 *   mutate_h5 --write FILE I OUT  writes mutation I of FILE, to look at
 *   mutate_h5 --read FILE         reads FILE in this process, for a debugger
 *
 * Every mutation is a function of its number alone, so a failure can be repeated. Each is
 * read in a child with 10 s of CPU and a memory limit. A crash inside libhdf5 that the
 * guard turned into its sentence counts as "guarded", not as a crash. Exit 1 on crash or
 * hang.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/util.h"
#include "core/h5/h5.h"

enum { OK, ERROR, GUARDED, CRASH, HANG, NKINDS };
static const char *const kind_name[] = {"ok", "error", "guarded", "crash", "hang"};

/* ---- the child: read everything ---- */

enum { MAX_ROWS = 300000, STEP = 2048, MAX_SETS = 500 };

typedef struct {
    peri_h5file_t *f;
    const char *path;
    int depth, *sets;
    bool bad;
} visit_t;

static bool read_field(peri_h5set_t *s, size_t i, const peri_h5field_t *fl)
{
    peri_err_t err = {0};
    uint64_t rows = peri_h5set_rows(s);
    if (fl->type == 0 || fl->width > 1000000) return true;
    peri_h5cursor_t *c = peri_h5cursor_new(s, &err);
    bool ok = c != NULL;
    uint32_t step = fl->width > 1000 ? 16 : STEP;
    void *out = peri_xmalloc((size_t)step * fl->width * peri_type_size(fl->type));
    for (uint64_t r = 0; ok && r < rows && r < MAX_ROWS; r += step)
        ok = peri_h5cursor_read(c, i, r, rows - r < step ? (uint32_t)(rows - r) : step,
                                out, &err) == 0;
    /* The end too, where damaged shapes reach far. */
    if (ok && rows > MAX_ROWS) ok = peri_h5cursor_read(c, i, rows - 1, 1, out, &err) == 0;
    free(out);
    peri_h5cursor_free(c);
    return ok || err.text[0] == '\0';
}

static bool read_set(peri_h5file_t *f, const char *path)
{
    peri_err_t err = {0};
    peri_h5set_t *s = peri_h5set_open(f, path, &err);
    bool ok = s != NULL;
    size_t n = 0;
    const peri_h5field_t *fl = s ? peri_h5set_fields(s, &n) : NULL;
    for (size_t i = 0; i < n && i < 50; i++) ok &= read_field(s, i, &fl[i]);
    if (s) {
        (void)peri_h5set_stored_bytes(s);
        uint64_t chunks = peri_h5set_nchunks(s);
        peri_chunkloc_t *map =
            chunks && chunks < 1000000 ? calloc(chunks, sizeof(*map)) : NULL;
        if (map && peri_h5set_chunk_map(s, map, &err) == 0 &&
            peri_h5set_use_chunk_map(s, map, chunks, &err) == 0 && n > 0)
            ok &= read_field(s, 0, &fl[0]);
        free(map);
    }
    peri_h5set_unref(s);
    return ok;
}

static int visit(const char *name, char kind, void *arg)
{
    visit_t *v = arg;
    peri_err_t err = {0};
    char *path = peri_xasprintf("%s/%s", v->path, name), *text = NULL;
    double x;
    v->bad |= peri_h5attr_double(v->f, path, "x", 0, &x, &err) < 0;
    v->bad |= peri_h5attr_string(v->f, path, "s", &text, &err) < 0;
    free(text);
    if (kind == 'g' && v->depth < 5) {
        visit_t in = {v->f, path, v->depth + 1, v->sets, false};
        v->bad |= peri_h5group_each(v->f, path, visit, &in, &err) != 0 || in.bad;
    }
    if (kind == 'd' && ++*v->sets < MAX_SETS) v->bad |= !read_set(v->f, path);
    v->bad |= kind == 0;
    free(path);
    return 0;
}

static int read_all(const char *path)
{
    peri_err_t err = {0};
    int sets = 0;
    peri_h5file_t *f = peri_h5file_open(path, NULL, &err);
    if (!f)
        return err.text[0] ? ERROR : CRASH; /* an error without words is a bug of ours */
    visit_t v = {f, "", 0, &sets, false};
    if (peri_h5group_each(f, "/", visit, &v, &err) != 0) v.bad = true;
    peri_h5file_unref(f);
    return v.bad ? ERROR : OK;
}

static int child(const char *path)
{
    struct rlimit core = {0, 0}, mem = {4ul << 30, 4ul << 30};
    setrlimit(RLIMIT_CORE, &core);
    if (!PERIGEE_SANITIZED) setrlimit(RLIMIT_AS, &mem);
    struct rlimit cpu = {10, 10};
    setrlimit(RLIMIT_CPU, &cpu);
    alarm(100); /* the machine may be busy; sleeping forever is a hang too */
    peri_h5_init(NULL);
    peri_h5_guard_signals();
    return 10 + read_all(path);
}

/* AddressSanitizer's report of a wrong call (of free, malloc, ...) that libhdf5 made. */
static bool by_hdf5(const char *said)
{
    const char *line = strstr(said, "#1 ");
    const char *end = line ? strchr(line, '\n') : NULL;
    return end && memmem(line, (size_t)(end - line), "libhdf5", 7);
}

static int classify(int status, const char *said)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGXCPU ||
                       WTERMSIG(status) == SIGKILL
                   ? HANG
                   : CRASH;
    int code = WEXITSTATUS(status);
    if (code == 10 + OK || code == 10 + ERROR) return code - 10;
    return code == 1 && strstr(said, "the HDF5 library") && strstr(said, "is damaged") &&
                   (!strstr(said, "AddressSanitizer") || by_hdf5(said))
               ? GUARDED
               : CRASH;
}

static int run(const char *path, char *said, size_t max)
{
    int fd[2], status = 0;
    size_t n = 0;
    fflush(NULL);
    if (pipe(fd) != 0) abort();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], STDERR_FILENO);
        close(fd[0]);
        close(fd[1]);
        _exit(child(path));
    }
    close(fd[1]);
    for (;;) {
        ssize_t got = read(fd[0], said + n, max - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        n += (size_t)got;
        if (n == max - 1) n /= 2;
    }
    said[n] = '\0';
    close(fd[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
    return classify(status, said);
}

/* ---- mutations ---- */

static uint64_t next(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Mostly where the metadata is: HDF5 writes it at the start, and in small blocks later.
 */
static size_t place(uint64_t *s, const uint8_t *data, size_t len)
{
    for (int try = 0; try < 20; try++) {
        size_t at = next(s) % len;
        static const char *const sig[] = {"TREE", "OHDR", "SNOD", "HEAP", "GCOL",
                                          "OCHK", "FRHP", "BTHD", "FAHD", "EAHD"};
        size_t from = at > 64 ? at - 64 : 0;
        for (size_t i = 0; i < sizeof(sig) / sizeof(*sig); i++)
            if (memmem(data + from, at - from + 1, sig[i], 4)) return at;
        if (next(s) % 8 == 0) return at;
    }
    return next(s) % (len < 2048 ? len : 2048);
}

static size_t mutate(uint8_t *data, size_t len, uint64_t number)
{
    static const uint64_t odd[] = {0,      1,          0xff,       0xffff,    0x7fffffff,
                                   0x8000, 0xffffffff, UINT64_MAX, INT64_MAX, 1ul << 40};
    uint64_t s = number * 7919 + 17;
    size_t edits = 1 + next(&s) % 4;
    for (size_t e = 0; e < edits; e++) {
        size_t at = place(&s, data, len), n = 1ul << next(&s) % 4;
        uint64_t v = odd[next(&s) % (sizeof(odd) / sizeof(*odd))];
        switch (next(&s) % 8) {
        case 0:
        case 1:
        case 2:
            data[at] ^= (uint8_t)(1u << next(&s) % 8);
            break;
        case 3:
        case 4:
            memcpy(data + at, &v, n < len - at ? n : len - at);
            break;
        case 5:
            data[at] = (uint8_t)next(&s);
            break;
        case 6:
            for (size_t i = at; i < len && i < at + 64; i++) data[i] = (uint8_t)next(&s);
            break;
        default:
            if (next(&s) % 3 == 0)
                len = 1 + next(&s) % len;
            else
                data[at] = (uint8_t)(data[at] + 1);
        }
    }
    return len;
}

static int write_mutation(const char *data, size_t len, uint64_t number, const char *path)
{
    uint8_t *copy = peri_xmalloc(len);
    memcpy(copy, data, len);
    size_t now = mutate(copy, len, number);
    FILE *f = fopen(path, "w");
    int rc = f && fwrite(copy, 1, now, f) == now ? 0 : -1;
    if (f && fclose(f) != 0) rc = -1;
    if (rc != 0) perror(path);
    free(copy);
    return rc;
}

/* Mutations first..first+n-1, each written to `path`; read (and removed) where counted.
 */
static int mutations(const char *seed, uint64_t first, uint64_t n, const char *path,
                     unsigned count[NKINDS])
{
    peri_err_t err = {0};
    char *data, said[4096];
    size_t len;
    int rc = 0;
    if (peri_file_slurp(seed, 64 << 20, &data, &len, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    for (uint64_t i = first; i < first + n && rc == 0; i++) {
        rc = write_mutation(data, len, i, path);
        if (rc != 0 || !count) continue;
        int kind = run(path, said, sizeof(said));
        count[kind]++;
        if (kind >= GUARDED)
            printf("%s: mutation %llu of %s\n%s%s", kind_name[kind],
                   (unsigned long long)i, seed, kind == CRASH ? said : "",
                   kind == CRASH ? "\n" : "");
        unlink(path);
    }
    free(data);
    return rc;
}

/* ---- seeds ---- */

static void put(hid_t f, const char *name, hid_t type, hid_t mem, hsize_t n,
                hsize_t chunk, int filters, const void *data)
{
    hid_t p = H5Pcreate(H5P_DATASET_CREATE), sp = H5Screate_simple(1, &n, NULL);
    if (chunk) H5Pset_chunk(p, 1, &chunk);
    if (filters) {
        H5Pset_shuffle(p);
        H5Pset_deflate(p, 4);
        H5Pset_fletcher32(p);
    }
    hid_t d = H5Dcreate2(f, name, type, sp, H5P_DEFAULT, p, H5P_DEFAULT);
    H5Dwrite(d, mem, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    hid_t one = H5Screate(H5S_SCALAR), t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, H5T_VARIABLE);
    hid_t a = H5Acreate2(d, "x", H5T_IEEE_F64BE, one, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(a, H5T_NATIVE_DOUBLE, (double[]){1.5});
    H5Aclose(a);
    a = H5Acreate2(d, "s", t, one, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(a, t, (const char *[]){"words"});
    H5Aclose(a), H5Sclose(one), H5Tclose(t), H5Dclose(d), H5Sclose(sp), H5Pclose(p);
}

typedef struct {
    int32_t id;
    float v[3];
    char name[8];
} rec_t;

enum { N = 2000 };
static const char *const seeds[] = {"contiguous", "chunked", "filtered", "compound",
                                    "strings",    "latest",  "nested"};
enum { NSEEDS = sizeof(seeds) / sizeof(*seeds) };

static void make_compound(hid_t f)
{
    static rec_t r[N];
    hsize_t three = 3;
    hid_t v = H5Tarray_create2(H5T_NATIVE_FLOAT, 1, &three), s = H5Tcopy(H5T_C_S1);
    H5Tset_size(s, 8);
    hid_t t = H5Tcreate(H5T_COMPOUND, sizeof(rec_t)), e = H5Tenum_create(H5T_STD_I32LE);
    H5Tenum_insert(e, "red", (int[]){0});
    H5Tenum_insert(e, "blue", (int[]){1});
    H5Tinsert(t, "id", HOFFSET(rec_t, id), e);
    H5Tinsert(t, "v", HOFFSET(rec_t, v), v);
    H5Tinsert(t, "name", HOFFSET(rec_t, name), s);
    put(f, "packed", t, t, N, 100, 1, r);
    put(f, "plain", t, t, N, 0, 0, r);
    H5Tclose(v), H5Tclose(s), H5Tclose(t), H5Tclose(e);
}

static void make_seed(const char *path, int which)
{
    static double x[N];
    static char *words[N];
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (which == 5) H5Pset_libver_bounds(fapl, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, fapl);
    for (int i = 0; i < N; i++) {
        x[i] = i * 0.5;
        words[i] = i % 3 ? "some words" : "";
    }
    hid_t var = H5Tcopy(H5T_C_S1), d = H5T_NATIVE_DOUBLE;
    H5Tset_size(var, H5T_VARIABLE);
    switch (which) {
    case 0:
        put(f, "a", H5T_IEEE_F64LE, d, N, 0, 0, x);
        put(f, "b", H5T_STD_I32BE, d, N, 0, 0, x);
        put(f, "c", H5T_STD_I16BE, d, 20, 0, 0, x);
        break;
    case 1:
        put(f, "a", H5T_IEEE_F32BE, d, N, 7, 0, x);
        break;
    case 2:
        put(f, "a", H5T_STD_I32LE, d, N, 50, 1, x);
        break;
    case 3:
        make_compound(f);
        break;
    case 4:
        put(f, "s", var, var, N, 300, 0, words);
        break;
    case 5:
        put(f, "a", H5T_IEEE_F64LE, d, N, 100, 1, x);
        put(f, "s", var, var, N, 0, 0, words);
        break;
    default:
        for (int i = 0; i < 12; i++) {
            char name[16];
            snprintf(name, sizeof(name), "g%d", i);
            hid_t g = H5Gcreate2(f, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
            put(g, "a", H5T_STD_U8LE, d, 50, 10, i & 1, x);
            H5Lcreate_soft("/g3/a", g, "soft", H5P_DEFAULT, H5P_DEFAULT);
            H5Gclose(g);
        }
    }
    H5Tclose(var);
    H5Fclose(f);
    H5Pclose(fapl);
}

/* In a child: HDF5 is not used across fork. */
static void make_seeds(const char *dir)
{
    mkdir(dir, 0777);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        peri_h5_init(NULL);
        for (int i = 0; i < NSEEDS; i++) {
            char *path = peri_xasprintf("%s/%s.h5", dir, seeds[i]);
            make_seed(path, i);
            free(path);
        }
        H5close();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    unsigned count[NKINDS] = {0};
    int rc = 0;
    char mutant[512];
    const char *tmp = getenv("TMPDIR");
    snprintf(mutant, sizeof(mutant), "%s/mutant-%d.h5", tmp ? tmp : "/tmp",
             (int)getpid());
    if (argc == 3 && strcmp(argv[1], "--read") == 0) {
        peri_h5_init(NULL);
        return read_all(argv[2]);
    } else if (argc == 5 && strcmp(argv[1], "--write") == 0) {
        return mutations(argv[2], strtoull(argv[3], NULL, 10), 1, argv[4], NULL) != 0;
    } else if (argc == 4 && strcmp(argv[1], "--seeds") == 0) {
        make_seeds(argv[2]);
        for (int i = 0; i < NSEEDS && rc == 0; i++) {
            char *path = peri_xasprintf("%s/%s.h5", argv[2], seeds[i]);
            rc = mutations(path, 0, strtoull(argv[3], NULL, 10), mutant, count);
            free(path);
        }
    } else if (argc == 3 || argc == 4) {
        rc = mutations(argv[1], argc == 4 ? strtoull(argv[3], NULL, 10) : 0,
                       strtoull(argv[2], NULL, 10), mutant, count);
    } else {
        fprintf(stderr,
                "usage: mutate_h5 FILE N [FIRST] | --seeds DIR N | --write FILE I "
                "OUT | --read FILE\n");
        return 2;
    }
    for (int i = 0; i < NKINDS; i++) printf("%s %u  ", kind_name[i], count[i]);
    printf("\n");
    return rc != 0 || count[CRASH] || count[HANG] ? 1 : 0;
}
