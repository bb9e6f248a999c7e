/* word.h - how a command ended: by its word, the last line that it wrote to stderr, or by
 * what killed it. Pure. */
#ifndef PORTAL_QUICK_WORD_H
#define PORTAL_QUICK_WORD_H

#include <jansson.h>

#include "core/base/arena.h"
#include "portal/quick/child.h"
#include "portal/quick/run.h"

#define PERI_QUICK_NO_ROOM                                                               \
    "the portal has no room for the answer just now: try again later"

typedef struct {
    double seconds;         /* that it was given */
    uint64_t memory, bytes; /* ... */
    const char *tale;       /* of a sandbox that failed (jobs/launch/inside.h); "" */
    const char *advice; /* what to do about a limit: "send it as a job"; after a colon */
} peri_quickgiven_t;

/* *word: end->changed is of it, the caller drops its reference in the end; may be NULL.
 * Strings of the arena. */
void peri_quick_judge(const peri_childend_t *c, const peri_quickgiven_t *given,
                      peri_arena_t *arena, json_t **word, peri_quickend_t *end);

#endif
