/* store.c - parameters and columns as text for the other files of the store. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/store/store_priv.h"

/* ---- parameters ---- */

static char *next_space(peri_args_t *a)
{
    if (a->n >= PERI_ARGS_MAX) abort();
    a->v[a->n] = a->space[a->n];
    return a->space[a->n++];
}

void peri_args_text(peri_args_t *a, const char *s)
{
    if (a->n >= PERI_ARGS_MAX) abort();
    a->v[a->n++] = s;
}

void peri_args_int(peri_args_t *a, int64_t i)
{
    snprintf(next_space(a), sizeof(a->space[0]), "%lld", (long long)i);
}

void peri_args_real(peri_args_t *a, double d)
{
    snprintf(next_space(a), sizeof(a->space[0]), "%.17g", d);
}

void peri_args_bool(peri_args_t *a, bool b)
{
    peri_args_text(a, b ? "t" : "f");
}

PGresult *peri_args_query(const peri_args_t *a, peri_db_t *db, const char *sql,
                          peri_err_t *err)
{
    return peri_db_prepared(db, err, sql, a->n, a->v);
}

int peri_args_exec(const peri_args_t *a, peri_db_t *db, const char *sql, peri_err_t *err)
{
    PGresult *r = peri_args_query(a, db, sql, err);
    PQclear(r);
    return r ? 0 : -1;
}

char *peri_sql_ints(const int32_t *v, size_t n)
{
    char *s = peri_xmalloc(n * 12 + 3), *p = s;
    *p++ = '{';
    for (size_t i = 0; i < n; i++) p += sprintf(p, "%s%d", i ? "," : "", (int)v[i]);
    *p++ = '}';
    *p = '\0';
    return s;
}

/* Bytes of the character at s, 0 if it is none. */
static size_t character(const char *s, size_t left)
{
    for (size_t n = 1; n <= 4 && n <= left; n++)
        if (peri_utf8_valid(s, n)) return n;
    return 0;
}

char *peri_sql_clean(const char *s, size_t max)
{
    size_t n = s ? strlen(s) : 0, out = 0;
    char *clean = peri_xmalloc((n < max ? n : max) + 1);
    for (size_t i = 0; i < n;) {
        size_t c = character(s + i, n - i);
        if (out + (c ? c : 1) > max) break;
        if (c)
            memcpy(clean + out, s + i, c);
        else
            clean[out] = '?';
        out += c ? c : 1;
        i += c ? c : 1;
    }
    clean[out] = '\0';
    return clean;
}

/* ---- columns ---- */

const char *peri_col_text_or_null(const PGresult *r, int row, int col)
{
    return PQgetisnull(r, row, col) ? NULL : PQgetvalue(r, row, col);
}

int64_t peri_col_int(const PGresult *r, int row, int col)
{
    return strtoll(PQgetvalue(r, row, col), NULL, 10);
}

double peri_col_real(const PGresult *r, int row, int col)
{
    return strtod(PQgetvalue(r, row, col), NULL);
}

bool peri_col_bool(const PGresult *r, int row, int col)
{
    return PQgetvalue(r, row, col)[0] == 't';
}

int32_t *peri_col_ints(const PGresult *r, int row, int col, size_t *n)
{
    const char *p = PQgetvalue(r, row, col);
    /* A number and a comma at least each. */
    int32_t *v = peri_xcalloc(strlen(p) / 2 + 1, sizeof(*v));
    *n = 0;
    if (*p == '{') p++;
    while (*p && *p != '}') {
        char *end;
        v[(*n)++] = (int32_t)strtol(p, &end, 10);
        if (end == p) break;
        p = end + (*end == ',');
    }
    return v;
}

peri_taskstate_t peri_col_taskstate(const PGresult *r, int row, int col)
{
    peri_taskstate_t s = PERI_TASK_WAITING;
    peri_taskstate_parse(PQgetvalue(r, row, col), &s);
    return s;
}

peri_jobstate_t peri_col_jobstate(const PGresult *r, int row, int col)
{
    peri_jobstate_t s = PERI_JOB_WAITING;
    peri_jobstate_parse(PQgetvalue(r, row, col), &s);
    return s;
}

peri_why_t peri_col_why(const PGresult *r, int row, int col)
{
    peri_why_t w = PERI_WHY_NONE;
    peri_why_parse(PQgetvalue(r, row, col), &w);
    return w;
}

void peri_col_counts(const PGresult *r, int row, int col,
                     uint64_t count[PERI_TASK_NSTATES])
{
    for (int s = 0; s < PERI_TASK_NSTATES; s++)
        count[s] = (uint64_t)peri_col_int(r, row, col + s);
}

/* ---- names of jobs ---- */

bool peri_sql_uuid_valid(const char *s)
{
    if (!s || strlen(s) != PERI_UUID_LEN) return false;
    for (int i = 0; i < PERI_UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i])) return false;
    }
    return true;
}

int peri_store_no_job(const char *what, peri_err_t *err)
{
    return peri_err_set(err, PERI_ENOTFOUND, "there is no job %.64s", what ? what : "");
}
