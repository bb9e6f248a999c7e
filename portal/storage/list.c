/* list.c - entries, their tags, and a folder page by page (ops.h).
 *
 * A page is found in one pass over the folder that keeps the `limit` first entries after
 * the cursor in a heap, the last of them on top: a folder of any size takes the memory of
 * a page. By name only the entries of the page are asked for their size and time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/storage/ops.h"

/* ---- entries ---- */

const char *peri_entrykind_name(peri_entrykind_t k)
{
    static const char *const names[] = {"folder", "file", "link", "other"};
    return names[k];
}

static peri_entrykind_t kind_of(mode_t mode)
{
    return S_ISDIR(mode)   ? PERI_ENTRY_FOLDER
           : S_ISREG(mode) ? PERI_ENTRY_FILE
           : S_ISLNK(mode) ? PERI_ENTRY_LINK
                           : PERI_ENTRY_OTHER;
}

void peri_entry_fill(peri_entry_t *e, const char *name, const struct stat *st)
{
    *e = (peri_entry_t){.name = name,
                        .kind = kind_of(st->st_mode),
                        .mtime = st->st_mtim.tv_sec,
                        .ns = st->st_mtim.tv_nsec,
                        .inode = st->st_ino};
    if (e->kind == PERI_ENTRY_FILE) e->size = (uint64_t)st->st_size;
}

const char *peri_etag(const peri_entry_t *e, char out[PERI_ETAG_LEN])
{
    snprintf(out, PERI_ETAG_LEN, "%" PRIx64 "-%" PRIx64 "-%" PRIx64, e->inode, e->size,
             (uint64_t)e->mtime * 1000000000u + (uint64_t)e->ns);
    return out;
}

int peri_ops_stat(int root, const char *path, peri_entry_t *e, peri_err_t *err)
{
    struct stat st;
    if (peri_path_stat(root, path, &st, err)) return -1;
    peri_entry_fill(e, peri_path_name(path), &st);
    return 0;
}

/* ---- the order ---- */

typedef struct {
    bool folder;
    int64_t key; /* size or time; 0 by name */
    const char *name;
} place_t;

typedef struct {
    const peri_listing_t *how;
    bool has_after;
    place_t after;
    place_t *heap; /* the names are malloc'd */
    size_t n;
} pick_t;

static int compare(const peri_listing_t *how, const place_t *a, const place_t *b)
{
    if (a->folder != b->folder) return a->folder ? -1 : 1;
    int c = (a->key > b->key) - (a->key < b->key);
    if (!c) c = strcmp(a->name, b->name);
    return how->descending ? -c : c;
}

static int64_t key_of(peri_sort_t sort, const struct stat *st)
{
    if (sort == PERI_SORT_SIZE) return S_ISREG(st->st_mode) ? st->st_size : 0;
    if (sort == PERI_SORT_TIME)
        return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
    return 0;
}

/* "n0f123.NAME": the order that it is of, folder or file, key, name. */
static const char order_letter[] = "nst";

static const char *cursor_of(const peri_listing_t *how, const place_t *p, peri_arena_t *a)
{
    return peri_arena_printf(a, "%c%d%c%" PRId64 ".%s", order_letter[how->sort],
                             (int)how->descending, p->folder ? 'd' : 'f', p->key,
                             p->name);
}

static int cursor_parse(const peri_listing_t *how, place_t *p, peri_err_t *err)
{
    const char *s = how->after;
    size_t n = strlen(s);
    char *end = NULL;
    if (n < 6 || s[0] != order_letter[how->sort] ||
        s[1] != (how->descending ? '1' : '0') || (s[2] != 'd' && s[2] != 'f'))
        goto bad;
    errno = 0;
    p->key = strtoll(s + 3, &end, 10);
    if (errno || end == s + 3 || *end != '.') goto bad;
    p->folder = s[2] == 'd';
    p->name = end + 1;
    if (peri_filename_ok(p->name, strlen(p->name))) return 0;
bad:
    return peri_err_set(
        err, PERI_EINVAL,
        "\"after\" is not from a page of this list in this order: take "
        "\"next\" of the page before, with the same \"sort\" and \"order\"");
}

/* ---- the heap: the last of the kept on top ---- */

static void swap(place_t *a, place_t *b)
{
    place_t t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(pick_t *k, size_t i)
{
    for (;;) {
        size_t last = i, l = 2 * i + 1;
        for (size_t c = l; c < l + 2 && c < k->n; c++)
            if (compare(k->how, &k->heap[c], &k->heap[last]) > 0) last = c;
        if (last == i) return;
        swap(&k->heap[i], &k->heap[last]);
        i = last;
    }
}

/* Keep it if it is among the first limit + 1 after the cursor: one more tells whether
 * there is another page. */
static void offer(pick_t *k, const place_t *p)
{
    if (k->has_after && compare(k->how, p, &k->after) <= 0) return;
    place_t mine = *p;
    if (k->n <= k->how->limit) {
        mine.name = peri_xstrdup(p->name);
        size_t i = k->n++;
        k->heap[i] = mine;
        while (i && compare(k->how, &k->heap[i], &k->heap[(i - 1) / 2]) > 0) {
            swap(&k->heap[i], &k->heap[(i - 1) / 2]);
            i = (i - 1) / 2;
        }
    } else if (compare(k->how, p, &k->heap[0]) < 0) {
        free((char *)k->heap[0].name);
        mine.name = peri_xstrdup(p->name);
        k->heap[0] = mine;
        sift_down(k, 0);
    }
}

/* Heap to ascending order, in place. */
static void heap_sort(pick_t *k)
{
    size_t n = k->n;
    while (k->n > 1) {
        swap(&k->heap[0], &k->heap[--k->n]);
        sift_down(k, 0);
    }
    k->n = n;
}

/* ---- the list ---- */

static int read_all(DIR *d, bool top, pick_t *k, peri_page_t *page)
{
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e) return errno ? -1 : 0;
        const char *s = e->d_name;
        if (!strcmp(s, ".") || !strcmp(s, "..")) continue;
        if (top && !strcmp(s, PERI_PATH_PRIVATE)) continue;
        if (!peri_filename_ok(s, strlen(s))) {
            page->unnamed++;
            continue;
        }
        place_t p = {.folder = e->d_type == DT_DIR, .name = s};
        if (k->how->sort != PERI_SORT_NAME || e->d_type == DT_UNKNOWN) {
            struct stat st;
            if (fstatat(dirfd(d), s, &st, AT_SYMLINK_NOFOLLOW)) continue;
            p.folder = S_ISDIR(st.st_mode);
            p.key = key_of(k->how->sort, &st);
        }
        page->total++;
        offer(k, &p);
    }
}

int peri_ops_list(int root, const char *path, const peri_listing_t *how, peri_arena_t *a,
                  peri_page_t *page, peri_err_t *err)
{
    pick_t k = {.how = how, .has_after = how->after != NULL};
    *page = (peri_page_t){0};
    if (how->limit < 1 || how->limit > PERI_LIST_MAX)
        return peri_err_set(err, PERI_EINVAL, "\"limit\" must be from 1 to %d",
                            PERI_LIST_MAX);
    if (how->after && cursor_parse(how, &k.after, err)) return -1;
    int fd = peri_path_open_folder(root, path, err);
    if (fd < 0) return -1;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return peri_path_errno(err, errno, "read", path);
    }
    k.heap = peri_xcalloc(how->limit + 1, sizeof(*k.heap));
    int rc = read_all(d, !*path, &k, page);
    if (rc) {
        peri_path_errno(err, errno, "read", path);
        goto out;
    }
    heap_sort(&k);
    size_t n = k.n < how->limit ? k.n : how->limit;
    page->entry = peri_arena_calloc(a, n ? n : 1, sizeof(*page->entry));
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        if (fstatat(fd, k.heap[i].name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        peri_entry_fill(&page->entry[page->n++], peri_arena_strdup(a, k.heap[i].name),
                        &st);
    }
    if (k.n > how->limit) page->next = cursor_of(how, &k.heap[n - 1], a);
out:
    for (size_t i = 0; i < k.n; i++) free((char *)k.heap[i].name);
    free(k.heap);
    closedir(d);
    return rc;
}
