/* arena.c - see arena.h. Blocks in a list, newest first; large pieces get their own. */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"

#define BLOCK_SIZE 16384u

typedef struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) char data[];
} block_t;

struct peri_arena {
    block_t *head;
};

peri_arena_t *peri_arena_new(void)
{
    return peri_xcalloc(1, sizeof(peri_arena_t));
}

void peri_arena_free(peri_arena_t *a)
{
    if (!a) return;
    for (block_t *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void *peri_arena_alloc(peri_arena_t *a, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    block_t *b = a->head;
    if (!b || b->size - b->used < size) {
        size_t want = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block_t *fresh = peri_xcalloc(1, sizeof(*fresh) + want);
        fresh->size = want;
        if (b && size > BLOCK_SIZE / 4) {
            /* A large piece goes behind the head, whose rest stays in use. */
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            a->head = fresh;
        }
        b = fresh;
    }
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

void *peri_arena_calloc(peri_arena_t *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) abort();
    return peri_arena_alloc(a, bytes);
}

char *peri_arena_strndup(peri_arena_t *a, const char *s, size_t len)
{
    char *p = peri_arena_alloc(a, len + 1);
    memcpy(p, s, len);
    return p;
}

char *peri_arena_strdup(peri_arena_t *a, const char *s)
{
    return s ? peri_arena_strndup(a, s, strlen(s)) : NULL;
}

char *peri_arena_printf(peri_arena_t *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) abort();
    char *p = peri_arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}
