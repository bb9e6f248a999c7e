/* filter.h - private to core/engine: conditions that drop single rows of a scan. */
#ifndef CORE_ENGINE_FILTER_H
#define CORE_ENGINE_FILTER_H

#include "core/table/pred.h"
#include "core/table/table.h"

#define PERI_VECTOR_ROWS  2048u
#define PERI_MAX_ROWTESTS 8 /* columns with conditions; more are left to DuckDB */

/* Values of projected column k outside of these bounds cannot match. */
typedef struct {
    size_t k;
    peri_type_t type;
    union {
        int64_t i;
        uint64_t u;
        double d;
    } min, max;
} peri_rowtest_t;

typedef struct {
    peri_rowtest_t v[PERI_MAX_ROWTESTS];
    size_t n;
} peri_rowtests_t;

/* The tests that conditions give for the projected columns of a table. */
void peri_rowtests_make(const peri_table_t *t, const size_t *columns, size_t n,
                        const peri_pred_t *preds, size_t npreds, peri_rowtests_t *out);
/* keep[i] becomes 0 where value i is out of bounds; n values of the test's type. */
void peri_rowtest_keep(const peri_rowtest_t *t, const void *values, uint32_t n,
                       uint8_t *keep);
/* The rows i with keep[i] = 1, of 0 and 1; how many. n <= PERI_VECTOR_ROWS. */
uint32_t peri_rows_kept(const uint8_t *keep, uint32_t n, uint16_t *rows);

typedef struct {
    uint64_t tried, kept;
    bool off;        /* most rows stay: try no more */
    unsigned blocks; /* since then */
} peri_rowpay_t;
/* Another block begins. */
void peri_rowpay_block(peri_rowpay_t *p);
/* Is it worth to drop the others of n rows? Notes the numbers. */
bool peri_rowtests_pay(peri_rowpay_t *p, uint32_t n, uint32_t kept);

/* to[i] = from[rows[i]], values of `size` bytes. */
void peri_rows_gather(const void *from, size_t size, const uint16_t *rows, uint32_t n,
                      void *to);

#endif
