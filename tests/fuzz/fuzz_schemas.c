/* fuzz_schemas.c - libFuzzer target: any bytes as PERIGEE_SCHEMAS, and as a table's name.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mydb/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    peri_err_t err = {0};
    char name[PERI_MYDB_NAME];
    peri_schemas_t *s = peri_schemas_parse((const char *)data, len, &err);
    if (!s && (err.code == PERI_OK || !err.text[0])) abort();
    for (size_t i = 0; s && i < peri_schemas_count(s); i++) {
        const peri_schema_t *one = peri_schemas_at(s, i);
        if (one->folder[0] != '/' || !one->spent || !peri_schemas_find(s, one->name))
            abort();
    }
    peri_schemas_free(s);
    char *text = malloc(len + 1);
    memcpy(text, data, len);
    text[len] = '\0';
    if (peri_mydb_name(text, name, NULL) == 0 && (!*name || strpbrk(name, "./ \n\"")))
        abort();
    free(text);
    return 0;
}
