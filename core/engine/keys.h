/* keys.h - private to core/engine: functions for keys of groups whose bounds are known.
 */
#ifndef CORE_ENGINE_KEYS_H
#define CORE_ENGINE_KEYS_H

#include <duckdb.h>

#include "perigee/err.h"

#define PERI_KEY_NAME     "peri_key"
#define PERI_KEY_MIN_BITS 2
#define PERI_KEY_MAX_BITS                                                                \
    12 /* of all keys of a statement, for DuckDB to take an array                        \
        */

/* Make peri_key<bits> known to the connection, for all integers of up to 64 bits. */
int peri_keys_register(duckdb_connection con, unsigned bits, peri_err_t *err);

#endif
