/* adapter.c - see adapter.h. */
#include "core/table/adapter.h"

#include <stdio.h>
#include <string.h>

#include "core/table/fileset.h"

/* Rows of one format stand together. */
static const peri_adapter_t adapters[] = {
    {"gadget-snapshot", "gas", "/PartType0", "Gas cells or particles.", 0, false},
    {"gadget-snapshot", "dm", "/PartType1", "Dark matter particles.", 1, false},
    {"gadget-snapshot", "disk", "/PartType2",
     "Particles of type 2 (disk, or coarse dark matter of a zoom run).", 2, false},
    {"gadget-snapshot", "tracers", "/PartType3",
     "Particles of type 3 (tracers in TNG, bulge in GADGET-2).", 3, false},
    {"gadget-snapshot", "stars", "/PartType4", "Star particles (and wind in TNG).", 4,
     false},
    {"gadget-snapshot", "bh", "/PartType5", "Black holes.", 5, false},
    {"gadget-groups", "groups", "/Group", "Friends-of-friends groups.", -1, false},
    {"gadget-groups", "subhalos", "/Subhalo", "Gravitationally bound subhalos.", -1,
     false},
    {"gadget4-trees", "trees", "/TreeTable", "Merger trees: their length and first halo.",
     -1, false},
    {"gadget4-trees", "treehalos", "/TreeHalos",
     "Subhalos of all times, ordered by tree.", -1, false},
    {"gadget4-trees", "treetimes", "/TreeTimes", "Time and redshift of each snapshot.",
     -1, true},
    {"gadget4-descendants", "descendants", "/Subhalo",
     "Links from each subhalo to its descendant in the next snapshot.", -1, false},
    {"gadget4-progenitors", "progenitors", "/Subhalo",
     "Links from each subhalo to its progenitor in the snapshot before.", -1, false},
    {"gadget4-treelinks", "treelinks", "/Subhalo", "Place of each subhalo in the trees.",
     -1, false}};

#define NADAPTERS (sizeof(adapters) / sizeof(*adapters))

const peri_adapter_t *peri_adapter_tables(const char *format, size_t *n)
{
    const peri_adapter_t *first = NULL;
    *n = 0;
    for (size_t i = 0; i < NADAPTERS; i++) {
        if (strcmp(adapters[i].format, format) != 0) continue;
        if (!first) first = &adapters[i];
        ++*n;
    }
    return first;
}

const peri_adapter_t *peri_adapter_by_path(const char *format, const char *path)
{
    size_t n;
    const peri_adapter_t *a = format ? peri_adapter_tables(format, &n) : NULL;
    for (size_t i = 0; a && i < n; i++)
        if (strcmp(a[i].path, path) == 0) return &a[i];
    return NULL;
}

const char *const *peri_adapter_formats(size_t *n)
{
    static const char *const formats[] = {"gadget-snapshot",     "gadget-groups",
                                          "gadget4-trees",       "gadget4-descendants",
                                          "gadget4-progenitors", "gadget4-treelinks"};
    *n = sizeof(formats) / sizeof(*formats);
    return formats;
}

const char *peri_adapter_detect(peri_h5file_t *f)
{
    static const struct {
        const char *path, *format;
    } signs[] = {{"/TreeHalos", "gadget4-trees"},
                 {"/TreeTable", "gadget4-trees"},
                 {"/Group", "gadget-groups"},
                 {"/Subhalo/DescSubhaloNr", "gadget4-descendants"},
                 {"/Subhalo/ProgSubhaloNr", "gadget4-progenitors"},
                 {"/Subhalo/TreeIndex", "gadget4-treelinks"}};
    if (peri_h5_kind(f, "/Header") != 'g') return NULL;
    size_t n;
    const peri_adapter_t *a = peri_adapter_tables("gadget-snapshot", &n);
    for (size_t i = 0; i < n; i++)
        if (peri_h5_kind(f, a[i].path) == 'g') return a[i].format;
    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++)
        if (peri_h5_exists(f, signs[i].path)) return signs[i].format;
    return NULL;
}

/* Rows in all files as the header of one says: 1 yes, 0 none, -1 it does not say. */
static int header_has_rows(peri_h5file_t *f, const peri_adapter_t *a)
{
    static const struct {
        const char *format, *path, *attr;
    } totals[] = {{"gadget-groups", "/Group", "Ngroups_Total"},
                  {"gadget-groups", "/Subhalo", "Nsubhalos_Total"},
                  {"gadget-groups", "/Subhalo", "Nsubgroups_Total"}};
    int64_t v;
    if (a->parttype >= 0) {
        int64_t high = 0;
        size_t i = (size_t)a->parttype;
        if (peri_h5attr_int64(f, "/Header", "NumPart_Total", i, &v, NULL) != 0) return -1;
        (void)peri_h5attr_int64(f, "/Header", "NumPart_Total_HighWord", i, &high, NULL);
        return v != 0 || high != 0;
    }
    for (size_t i = 0; i < sizeof(totals) / sizeof(*totals); i++)
        if (strcmp(totals[i].format, a->format) == 0 &&
            strcmp(totals[i].path, a->path) == 0 &&
            peri_h5attr_int64(f, "/Header", totals[i].attr, 0, &v, NULL) == 0)
            return v != 0;
    return -1;
}

bool peri_adapter_is_in(peri_h5file_t *f, const peri_adapter_t *a)
{
    int rows = header_has_rows(f, a);
    return rows >= 0 ? rows > 0 : peri_h5_kind(f, a->path) == 'g';
}

bool peri_adapter_is_present(const peri_tablespec_t *spec)
{
    const peri_adapter_t *a = peri_adapter_by_path(spec->adapter, spec->path);
    if (!a) return true;
    peri_arena_t *arena = peri_arena_new();
    peri_fileset_t set;
    bool present = true, looked = false;
    if (peri_fileset_find(spec, arena, &set, NULL) == 0 && set.nfiles > 0) {
        present = false;
        /* The last one first: early snapshots have no stars yet. */
        const size_t ends[] = {set.nfiles - 1, 0};
        for (size_t i = 0; i < 2 && !present; i++) {
            const peri_filename_t *name = &set.files[ends[i]];
            peri_h5file_t *f = peri_h5file_open(
                name->path, name->nplaces ? name->places[0].root : spec->root, NULL);
            if (!f) continue;
            looked = true;
            present = peri_adapter_is_in(f, a);
            peri_h5file_unref(f);
        }
        if (!looked) present = true; /* the table's own error says what is wrong */
    }
    peri_arena_free(arena);
    return present;
}
