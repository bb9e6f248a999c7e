/* kernelcall.h - calls of kernels in FROM: SELECT * FROM fof('sim.dm', b => 0.2).
 *
 * A kernel runs before the statement that calls it is planned. So a statement is first
 * searched for calls, then rewritten: a call becomes a table of the results, which is
 * planned like any other table. Arguments are constants; inputs are tables or
 * sub-queries, which may call kernels themselves.
 */
#ifndef CORE_SQL_KERNELCALL_H
#define CORE_SQL_KERNELCALL_H

#include <duckdb.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "perigee/err.h"

/* The rewritten name of the result of call i is PERI_KERNEL_CATALOG.results."i". */
#define PERI_KERNEL_CATALOG "perigee_kernels"

typedef struct {
    const char *name;  /* of the kernel, as is_kernel knows it */
    const char *first; /* the first argument: table name or SELECT; NULL: none */
    json_t *named;     /* the others; a sub-query is its text. Owned */
} peri_kernelcall_t;

typedef struct {
    void *arg;
    bool (*is_kernel)(void *arg, const char *name);
    /* Note a call; it gets this number. Takes call->named. */
    int (*add)(void *arg, const peri_kernelcall_t *call, size_t *number, peri_err_t *err);
} peri_kernelfinder_t;

/* The statement with its calls replaced, in the arena; the same text if there are none.
 */
const char *peri_kernelcalls_take(duckdb_connection con, const char *sql,
                                  const peri_kernelfinder_t *f, peri_arena_t *arena,
                                  peri_err_t *err);

#endif
