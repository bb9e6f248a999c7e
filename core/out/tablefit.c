/* tablefit.c - see tablefit.h. */
#include "core/out/tablefit.h"

/* Texts are not cut below this to make room for more columns. */
#define TEXT_MIN ((size_t)12)

static size_t capped(const peri_fit_t *c, size_t cap)
{
    return c->text && c->natural > cap ? cap : c->natural;
}

static size_t total(const peri_fit_t *cols, size_t n, size_t frame, size_t cap)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (cols[i].shown) sum += capped(&cols[i], cap) + frame;
    return sum;
}

/* The widest texts that still fit. */
static void set_widths(peri_fit_t *cols, size_t n, size_t frame, size_t room)
{
    size_t low = TEXT_MIN, high = TEXT_MIN;
    for (size_t i = 0; i < n; i++)
        if (cols[i].natural > high) high = cols[i].natural;
    while (low < high) {
        size_t mid = low + (high - low + 1) / 2;
        if (total(cols, n, frame, mid) <= room)
            low = mid;
        else
            high = mid - 1;
    }
    for (size_t i = 0; i < n; i++) cols[i].width = capped(&cols[i], low);
}

size_t peri_table_fit(peri_fit_t *cols, size_t n, size_t frame, size_t edge, size_t limit)
{
    for (size_t i = 0; i < n; i++) {
        cols[i].shown = true;
        cols[i].width = cols[i].natural;
    }
    if (!limit) return n;
    size_t room = limit > edge ? limit - edge : 0;
    size_t shown = n;
    if (total(cols, n, frame, TEXT_MIN) > room) {
        for (size_t i = 0; i < n; i++) cols[i].shown = false;
        size_t used = 1 + frame; /* the mark in the middle */
        size_t left = 0, right = n;
        for (shown = 0; left < right; shown++) {
            size_t i = shown % 2 ? right - 1 : left;
            size_t w = capped(&cols[i], TEXT_MIN) + frame;
            if (used + w > room) break;
            used += w;
            cols[i].shown = true;
            if (shown % 2)
                right--;
            else
                left++;
        }
        room = room > 1 + frame ? room - 1 - frame : 0;
    }
    if (shown == 0) { /* not even one: cut the first, whatever it is */
        shown = 1;
        cols[0].shown = true;
        if (n == 1) room += 1 + frame;
        cols[0].width = room > frame ? room - frame : 1;
        if (cols[0].width > cols[0].natural) cols[0].width = cols[0].natural;
        return shown;
    }
    set_widths(cols, n, frame, room);
    return shown;
}
