/* usage_print.h - what a job used, beside what it asked for. */
#ifndef CLI_USAGE_PRINT_H
#define CLI_USAGE_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* job: as GET /jobs/ID gives it; tasks: its first ones. */
void peri_usage_print(const json_t *job, const json_t *tasks, FILE *out);

#endif
