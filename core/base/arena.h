/* arena.h - memory that lives as long as one query, request or descriptor.
 *
 * Everything allocated from an arena is freed with it. Zero-filled. Running out of memory
 * aborts the process (see docs/decisions): a query process without memory has no useful
 * way on, and the code that uses arenas stays readable. Not thread-safe.
 */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stddef.h>

typedef struct peri_arena peri_arena_t;

peri_arena_t *peri_arena_new(void);
void peri_arena_free(peri_arena_t *a);                /* accepts NULL */
void *peri_arena_alloc(peri_arena_t *a, size_t size); /* 16-byte aligned */
void *peri_arena_calloc(peri_arena_t *a, size_t n, size_t size);
char *peri_arena_strdup(peri_arena_t *a, const char *s); /* NULL gives NULL */
char *peri_arena_strndup(peri_arena_t *a, const char *s, size_t len);
char *peri_arena_printf(peri_arena_t *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
