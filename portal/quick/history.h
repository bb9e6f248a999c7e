/* history.h - what an account has asked: rows of `query`.
 *
 * A row is made before the query waits for its turn, and told its end once. A daemon that
 * died leaves rows without an end: the next one calls them failed. It is for people,
 * and how much of it is kept has limits; nothing follows from it. No HTTP here.
 */
#ifndef PORTAL_QUICK_HISTORY_H
#define PORTAL_QUICK_HISTORY_H

#include <jansson.h>

#include "jobs/store/store.h"

typedef struct {
    const char *sql;          /* as it was asked, at most PERI_HISTORY_SQL_MAX bytes */
    const json_t *parameters; /* an object; NULL: none */
    const char *context;      /* NULL: none */
    const char *format;
} peri_historyentry_t;

typedef struct {
    const char *state;     /* "done", "cut", "failed", "cancelled" */
    const char *cut;       /* "rows", "time", "bytes", or NULL */
    int64_t rows, bytes;   /* -1: not known */
    double seconds;        /* -1: not known */
    const char *text;      /* NULL: none */
    const json_t *changed; /* an array, as in the process's word; NULL: none */
} peri_historyend_t;

#define PERI_HISTORY_SQL_MAX    (1u << 20)
#define PERI_HISTORY_VALUES_MAX (64u << 10) /* of the parameters, as JSON */

/* All in any transaction, with the rights of the account or the daemon's own. */

/* Makes the row, in state "waiting"; id: which one. That it runs is known only to who
 * runs it (peri_quick_state). */
int peri_history_begin(peri_db_t *db, int64_t account, const peri_historyentry_t *e,
                       char id[PERI_UUID_LEN + 1], peri_err_t *err);
/* It is over. Only the first end counts; one that was forgotten stays so. */
int peri_history_end(peri_db_t *db, const char *id, const peri_historyend_t *end,
                     peri_err_t *err);

/* Before requests come: nothing runs that the rows say does. Own rights. */
int peri_history_start(peri_db_t *db, peri_err_t *err);
/* Forgets what is older, and the oldest of accounts that have more than is kept of one
 * (PERI_HISTORY_ROWS, PERI_HISTORY_BYTES of SQL). days 0: no age is too old. Own rights.
 * Number of rows, or -1. */
int64_t peri_history_prune(peri_db_t *db, double days, peri_err_t *err);
#define PERI_HISTORY_ROWS  10000
#define PERI_HISTORY_BYTES 67108864

#endif
