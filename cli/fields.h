/* fields.h - fields of a JSON object that may be absent or of another type: what answers
 * and files of ours are read with.
 */
#ifndef CLI_FIELDS_H
#define CLI_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const char *peri_json_str(const json_t *o, const char *key); /* "" if absent or null */
double peri_json_num(const json_t *o, const char *key, double otherwise);
int64_t peri_json_int(const json_t *o, const char *key, int64_t otherwise);
bool peri_json_true(const json_t *o, const char *key);

#endif
