/* survey_priv.h - what the two sides of a survey share: survey.c writes answers,
 * survey_merge.c reads them. Private.
 */
#ifndef CORE_TABLE_SURVEY_PRIV_H
#define CORE_TABLE_SURVEY_PRIV_H

#include "core/base/bytes.h"
#include "core/table/resolve.h"
#include "core/table/survey.h"

#define PERI_SURVEY_MAGIC 0x3256525553495250ull /* begins an answer */

/* A field of a file, and all of them: its look. */
typedef struct {
    uint32_t cand;
    sight_t s;
} seen_t;

typedef struct {
    seen_t *v;
    size_t n, cap;
} look_t;

/* The sentence for bytes that are not what was sent; -1. */
int peri_survey_damaged(peri_err_t *err);

#endif
