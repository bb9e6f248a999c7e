/* spec_kind.c - the table of kinds. A new kind is a file kind_NAME.c with a peri_kind_t,
 * a line here, and its keys in docs/job-spec.schema.json and docs/jobs.md.
 */
#include "jobs/spec/spec_private.h"

const peri_kind_t *const peri_kinds[] = {&peri_kind_sql, &peri_kind_kernel,
                                         &peri_kind_script};
const size_t peri_nkinds = sizeof(peri_kinds) / sizeof(*peri_kinds);
