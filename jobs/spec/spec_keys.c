/* spec_keys.c - the keys of a spec's objects; those of each kind are in kind_*.c.
 * docs/job-spec.schema.json has the same, and a test compares them.
 */
#include "jobs/spec/spec_private.h"

#define KEYS(name, what)                                                                 \
    const peri_keys_t peri_keys_##name = {what, name, sizeof(name) / sizeof(*name)}

static const peri_key_t job[] = {
    {"$schema", PERI_J_TEXT},         {"name", PERI_J_TEXT},
    {"scheduler", PERI_J_TEXT},       {"priority", PERI_J_INT},
    {"volumes", PERI_J_ARRAY},        {"output", PERI_J_TEXT},
    {"output_overwrite", PERI_J_BOOL}};
KEYS(job, "a job");

static const peri_key_t graph[] = {{"steps", PERI_J_ARRAY}};
KEYS(graph, "a job");

/* "name" of a step stands only in a graph: in the short form it is the job's. */
static const peri_key_t step[] = {
    {"kind", PERI_J_TEXT},   {"resources", PERI_J_OBJECT},
    {"warn", PERI_J_OBJECT}, {"env", PERI_J_OBJECT},
    {"dir", PERI_J_TEXT},    {"array", PERI_J_OBJECT | PERI_J_TEXT},
    {"after", PERI_J_ARRAY}, {"restartable", PERI_J_BOOL},
    {"data", PERI_J_ARRAY}};
KEYS(step, "a step");

static const peri_key_t stepname[] = {{"name", PERI_J_TEXT}};
KEYS(stepname, "a step");

static const peri_key_t resources[] = {
    {"nodes", PERI_J_INT},
    {"ranks", PERI_J_INT},
    {"threads", PERI_J_INT},
    {"memory", PERI_J_TEXT | PERI_J_INT},
    {"time", PERI_J_TEXT | PERI_J_INT},
    {"partition", PERI_J_TEXT},
    {"account", PERI_J_TEXT},
    {"constraint", PERI_J_TEXT},
};
KEYS(resources, "\"resources\"");

static const peri_key_t warn[] = {{"signal", PERI_J_TEXT},
                                  {"before", PERI_J_TEXT | PERI_J_INT}};
KEYS(warn, "\"warn\"");

static const peri_key_t array[] = {{"from", PERI_J_INT},
                                   {"to", PERI_J_INT},
                                   {"by", PERI_J_INT},
                                   {"indexes", PERI_J_ARRAY},
                                   {"parameters", PERI_J_OBJECT},
                                   {"parallel", PERI_J_INT}};
KEYS(array, "\"array\"");

static const peri_key_t after[] = {
    {"step", PERI_J_TEXT}, {"job", PERI_J_TEXT | PERI_J_INT}, {"when", PERI_J_TEXT}};
KEYS(after, "an item of \"after\"");
