/* entry.c - see entry.h: a hash table by name and index, and a count for each name. */
#include "portal/jobs/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/util.h"

#define BUCKETS 16384

typedef struct count {
    struct count *next;
    size_t n;
    char name[];
} count_t;

struct peri_entries {
    peri_entry_t *bucket[BUCKETS];
    count_t *counts[BUCKETS];
    size_t n;
};

static uint64_t hash(const char *name, int32_t index)
{
    uint64_t h = peri_hash_text(PERI_HASH_START, name);
    h = (h ^ (uint32_t)index) * 0x9e3779b97f4a7c15u;
    return h >> 40;
}

static count_t **find_count(peri_entries_t *t, const char *name)
{
    count_t **c = &t->counts[hash(name, 0) % BUCKETS];
    while (*c && strcmp((*c)->name, name)) c = &(*c)->next;
    return c;
}

static void add_count(peri_entries_t *t, const char *name)
{
    count_t **c = find_count(t, name);
    if (!*c) {
        *c = peri_xcalloc(1, sizeof(**c) + strlen(name) + 1);
        memcpy((*c)->name, name, strlen(name) + 1);
    }
    (*c)->n++;
}

static void drop_count(peri_entries_t *t, const char *name)
{
    count_t **c = find_count(t, name);
    if (!*c || --(*c)->n) return;
    count_t *gone = *c;
    *c = gone->next;
    free(gone);
}

peri_entries_t *peri_entries_new(void)
{
    return peri_xcalloc(1, sizeof(peri_entries_t));
}

void peri_entries_clear(peri_entries_t *t)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (t->bucket[i]) peri_entries_remove(t, t->bucket[i]);
    }
}

void peri_entries_free(peri_entries_t *t)
{
    if (!t) return;
    peri_entries_clear(t);
    free(t);
}

size_t peri_entries_count(const peri_entries_t *t)
{
    return t->n;
}

peri_entry_t *peri_entries_find(peri_entries_t *t, const char *name, int32_t index)
{
    peri_entry_t *e = t->bucket[hash(name, index) % BUCKETS];
    while (e && (e->index != index || strcmp(e->name, name))) e = e->next;
    return e;
}

peri_entry_t *peri_entries_put(peri_entries_t *t, const char *name, int32_t index)
{
    peri_entry_t *e = peri_entries_find(t, name, index);
    if (e) return e;
    peri_entry_t **b = &t->bucket[hash(name, index) % BUCKETS];
    e = peri_xcalloc(1, sizeof(*e));
    snprintf(e->name, sizeof(e->name), "%s", name);
    e->index = index;
    e->next = *b;
    *b = e;
    t->n++;
    add_count(t, e->name);
    return e;
}

void peri_entries_remove(peri_entries_t *t, peri_entry_t *e)
{
    peri_entry_t **b = &t->bucket[hash(e->name, e->index) % BUCKETS];
    while (*b && *b != e) b = &(*b)->next;
    if (!*b) return;
    *b = e->next;
    t->n--;
    drop_count(t, e->name);
    free(e);
}

void peri_entries_each(peri_entries_t *t, void (*each)(peri_entry_t *, void *), void *arg)
{
    for (size_t i = 0; i < BUCKETS && t->n; i++) {
        for (peri_entry_t *e = t->bucket[i], *next; e; e = next) {
            next = e->next;
            each(e, arg);
        }
    }
}

size_t peri_entries_of(peri_entries_t *t, const char *name)
{
    count_t **c = find_count(t, name);
    return *c ? (*c)->n : 0;
}
