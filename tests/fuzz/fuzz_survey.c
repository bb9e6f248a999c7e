/* Bytes that pretend to be the list of a node's files, or the question for it. */
#include <stddef.h>
#include <stdint.h>

#include "core/table/survey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const files[] = {"s_*.h5"};
    static const peri_storage_t storages[] = {{"/nonexistent/a", true},
                                              {"/nonexistent/b", false}};
    const peri_tablespec_t spec = {.name = "d.t",
                                   .files = files,
                                   .nfiles = 1,
                                   .path = "/",
                                   .storages = storages,
                                   .nstorages = 2};
    const peri_survey_t told[] = {{"n1", data, size}, {"n2", data, size}};
    peri_table_unref(peri_survey_merge(&spec, told, 2, NULL));
    return 0;
}
