/* nameparts.c - see nameparts.h. */
#include "core/table/nameparts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/table/table.h"

/* A number counts as a snapshot's only behind one of these words, so that "run_64.hdf5"
 * or "z_000" is not taken for one. */
static const char *const snapshot_words[] = {
    "snap",    "snapshot",    "snapdir",      "groups",       "group_tab",
    "fof_tab", "subhalo_tab", "subhalo_desc", "subhalo_prog", "subhalo_treelink"};

static const char *const endings[] = {".hdf5", ".h5", ".hdf", ".he5"};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Start of the digits that end at s[end]. */
static size_t digits_before(const char *s, size_t end)
{
    while (end > 0 && is_digit(s[end - 1])) end--;
    return end;
}

/* The digits as a number, or -1 if there are none or too many. */
static int64_t number_of(const char *digits, size_t n, size_t max_digits)
{
    if (n == 0 || n > max_digits) return -1;
    int64_t v = 0;
    for (size_t i = 0; i < n; i++) v = 10 * v + (digits[i] - '0');
    return v;
}

static bool ends_with_word(const char *s, size_t n)
{
    for (size_t i = 0; i < sizeof(snapshot_words) / sizeof(*snapshot_words); i++) {
        size_t len = strlen(snapshot_words[i]);
        if (len > n || strncasecmp(s + n - len, snapshot_words[i], len) != 0) continue;
        if (len == n || !isalnum((unsigned char)s[n - len - 1])) return true;
    }
    return false;
}

/* "snap_subbox0" -> "snap": sub-boxes are written between the word and the number. */
static size_t without_subbox(const char *s, size_t n)
{
    static const char subbox[] = "_subbox";
    const size_t len = sizeof(subbox) - 1;
    size_t digits = digits_before(s, n);
    if (digits == n || digits < len) return n;
    return strncasecmp(s + digits - len, subbox, len) == 0 ? digits - len : n;
}

/* The snapshot number at the end of one component of a path. */
static int32_t snapnum_of(const char *s, size_t n)
{
    size_t digits = digits_before(s, n);
    int64_t v = number_of(s + digits, n - digits, 6);
    if (v < 0) return PERI_SNAPNUM_NONE;
    if (digits > 0 && (s[digits - 1] == '_' || s[digits - 1] == '-')) digits--;
    return ends_with_word(s, without_subbox(s, digits)) ? (int32_t)v : PERI_SNAPNUM_NONE;
}

static size_t base_start(const char *path, size_t end)
{
    while (end > 0 && path[end - 1] != '/') end--;
    return end;
}

peri_nameparts_t peri_nameparts(const char *path)
{
    size_t len = strlen(path), base = base_start(path, len);
    peri_nameparts_t p = {
        .number = -1, .stem = len, .suffix = len, .snapnum = PERI_SNAPNUM_NONE};
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        size_t n = strlen(endings[i]);
        if (len - base > n && strcasecmp(path + len - n, endings[i]) == 0)
            p.stem = p.suffix = len - n;
    }
    size_t digits = digits_before(path, p.stem);
    if (p.suffix < len && digits > base + 1 && path[digits - 1] == '.') {
        p.number = number_of(path + digits, p.stem - digits, 9);
        if (p.number >= 0) p.stem = digits - 1;
    }
    p.snapnum = snapnum_of(path + base, p.stem - base);
    for (size_t end = base; p.snapnum == PERI_SNAPNUM_NONE && end > 0; end = base) {
        end--; /* the slash */
        base = base_start(path, end);
        p.snapnum = snapnum_of(path + base, end - base);
    }
    return p;
}

static size_t digit_run(const char *s)
{
    size_t n = 0;
    while (is_digit(s[n])) n++;
    return n;
}

static int compare_numbers(const char *a, size_t na, const char *b, size_t nb)
{
    for (; na > 1 && *a == '0'; na--) a++;
    for (; nb > 1 && *b == '0'; nb--) b++;
    if (na != nb) return na < nb ? -1 : 1;
    return memcmp(a, b, na);
}

int peri_natural_compare(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x && *y) {
        size_t nx = digit_run(x), ny = digit_run(y);
        if (nx && ny) {
            int order = compare_numbers(x, nx, y, ny);
            if (order) return order;
            x += nx;
            y += ny;
        } else {
            if (*x != *y) break;
            x++;
            y++;
        }
    }
    if (*x != *y) return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
    return strcmp(a, b); /* "a.1" and "a.01" are not the same file */
}
