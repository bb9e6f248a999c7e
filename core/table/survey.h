/* survey.h - one table whose files lie on several nodes: each node looks at its own files
 * and tells of them in bytes, one process makes the table of all answers. The result is
 * the table that a process would resolve that sees all files.
 *
 * Knows nothing of how bytes travel. Answers are parsed with every length checked.
 */
#ifndef CORE_TABLE_SURVEY_H
#define CORE_TABLE_SURVEY_H

#include "core/table/table.h"

/* The question, for nodes other than the one that asks: only what lies on themselves. */
int peri_survey_ask(const peri_tablespec_t *spec, peri_buf_t *out, peri_err_t *err);
/* A node's answer to it. */
int peri_survey_answer(const void *question, size_t len, peri_buf_t *out,
                       peri_err_t *err);
/* The answer of the node that asks: also what is shared. */
int peri_survey_here(const peri_tablespec_t *spec, peri_buf_t *out, peri_err_t *err);

typedef struct {
    const char *host;
    const void *data;
    size_t len;
} peri_survey_t;

/* Errors as of peri_table_resolve; those about missing files name the nodes that were
 * asked. The table is as the first host sees it; its hosts are those of the surveys. */
peri_table_t *peri_survey_merge(const peri_tablespec_t *spec, const peri_survey_t *v,
                                size_t n, peri_err_t *err);

#endif
