/* hash.h - FNV-1a of text, for tables in memory and names of files. Not against someone
 * who wants collisions.
 */
#ifndef CORE_BASE_HASH_H
#define CORE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define PERI_HASH_START 0xcbf29ce484222325u

static inline uint64_t peri_hash_add(uint64_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * 0x100000001b3u;
    return h;
}

static inline uint64_t peri_hash_text(uint64_t h, const char *s)
{
    for (; *s; s++) h = peri_hash_add(h, s, 1);
    return h;
}

#endif
