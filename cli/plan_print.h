/* plan_print.h - specs and plans for people: JSON as indented "key: value" lines, sizes
 * and times in readable units.
 */
#ifndef CLI_PLAN_PRINT_H
#define CLI_PLAN_PRINT_H

#include <jansson.h>
#include <stdio.h>

void peri_plan_print(const json_t *value, FILE *out);

#endif
