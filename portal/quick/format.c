/* format.c - see format.h. */
#include "portal/quick/format.h"

#include <string.h>

static const peri_rowformat_t formats[] = {
    {"ndjson", "application/x-ndjson", "ndjson"},
    {"json", "application/json", "json"},
    {"csv", "text/csv; charset=utf-8; header=present", "csv"},
    {"tsv", "text/tab-separated-values; charset=utf-8", "tsv"},
    {"table", "text/plain; charset=utf-8", "txt"},
    {"votable", "application/x-votable+xml", "vot"},
    {"fits", "application/fits", "fits"},
    {"hdf5", "application/x-hdf5", "h5"},
    {"parquet", "application/vnd.apache.parquet", "parquet"},
};

const peri_rowformat_t *peri_rowformat_find(const char *name, peri_err_t *err)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (!strcmp(formats[i].name, name)) return &formats[i];
    peri_err_set(err, PERI_EINVAL,
                 "\"format\" is ndjson, json, csv, tsv, table, votable, fits, hdf5 or "
                 "parquet, not \"%.60s\"",
                 name);
    return NULL;
}
