/* query_portal.h - a query that a portal answers at once: its rows to standard output or
 * into a file, what is to be said about it to stderr.
 *
 * What it is asked is remembered there (`perigee history`). A query whose command ends,
 * by Ctrl-C or otherwise, is ended there too.
 */
#ifndef CLI_QUERY_PORTAL_H
#define CLI_QUERY_PORTAL_H

#include "cli/client.h"
#include "core/query/query.h"

/* Strings are borrowed. */
typedef struct {
    const char *sql, *saved; /* one of them: text, or the name of a saved query */
    json_t *params;          /* object of values, or NULL; borrowed */
    const char *context;     /* or NULL */
    const char *into;        /* file, or NULL: standard output */
    const char *table;       /* "mydb.x" that the rows become; or NULL */
    peri_format_t format;
    bool overwrite, quiet;
    int64_t limit, table_rows; /* < 0, 0: not said */
    uint32_t width;
    bool utf8;
    double timeout;   /* seconds; 0: the portal's */
    const char *save; /* keep it under this name when it was well; or NULL */
} peri_portalquery_t;

/* Takes width and utf8 of the terminal that standard output is. */
void peri_terminal_look(uint32_t *width, bool *utf8);

/* The exit status; what went wrong is told. */
int peri_query_portal(const peri_portalquery_t *q);

/* The same as a job: as `perigee submit`. 0: not said. */
typedef struct {
    uint32_t ranks, threads;
    const char *memory, *time; /* or NULL */
} peri_queryjob_t;
int peri_query_job(const peri_portalquery_t *q, const peri_queryjob_t *o);

/* A job was made: its number, and how to follow it. */
void peri_query_say_job(const json_t *job, bool quiet);

#endif
