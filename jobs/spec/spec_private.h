/* spec_private.h - what the files of jobs/spec share.
 *
 * Places: a chain on the stack from the value in hand to the whole spec, written as a
 * JSON pointer only when there is something to complain about. Keys: what an object may
 * have is a table, so that the published schema can be held against it.
 */
#ifndef JOBS_SPEC_PRIVATE_H
#define JOBS_SPEC_PRIVATE_H

#include "jobs/spec/plan.h"
#include "jobs/spec/spec.h"

#define PERI_STEPS_MAX   64
#define PERI_TASKS_MAX   100000
#define PERI_INDEX_MAX   999999
#define PERI_WORDS_MAX   4096
#define PERI_WORD_MAX    131071 /* bytes that Linux takes as one word of a command */
#define PERI_ENV_MAX     256
#define PERI_PARAMS_MAX  16
#define PERI_VALUE_MAX   1024 /* bytes of a parameter's value */
#define PERI_NAME_MAX    64   /* of parameters, datasets */
#define PERI_LABEL_MAX   255  /* partition, account, constraint, names of results */
#define PERI_RANKS_MAX   65536
#define PERI_THREADS_MAX 1024
#define PERI_TIME_MAX    (366u * 86400)

/* ---- places and typed objects (spec_json.c) ---- */

typedef struct peri_at {
    const struct peri_at *up; /* NULL: the whole spec */
    const char *key;          /* NULL: an item of an array */
    size_t index;
} peri_at_t;

/* "at /steps/1/resources: ..."; -1. */
int peri_at_error(const peri_at_t *at, peri_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a value of the object at this place. */
int peri_key_error(const peri_at_t *at, const char *key, peri_err_t *err, const char *fmt,
                   ...) __attribute__((format(printf, 4, 5)));
char *peri_at_text(const peri_at_t *at, peri_arena_t *arena); /* "" for the whole */
/* s as it may stand in a message: cut, and without control characters. */
const char *peri_shown(const char *s, char out[64]);

enum {
    PERI_J_TEXT = 1,
    PERI_J_INT = 2,
    PERI_J_OBJECT = 4,
    PERI_J_ARRAY = 8,
    PERI_J_BOOL = 16
};

typedef struct {
    const char *name;
    unsigned types;
} peri_key_t;

typedef struct {
    const char *what; /* "a step" */
    const peri_key_t *keys;
    size_t n;
} peri_keys_t;

extern const peri_keys_t peri_keys_job, peri_keys_graph, peri_keys_step,
    peri_keys_stepname, peri_keys_resources, peri_keys_warn, peri_keys_array,
    peri_keys_after;

bool peri_keys_has(const peri_keys_t *keys, const char *name);
/* Every key is in one of the tables and its value has the right type. */
int peri_keys_check(const json_t *object, const peri_at_t *at,
                    const peri_keys_t *const *tables, size_t ntables, peri_err_t *err);
int peri_type_check(const json_t *value, unsigned types, const peri_at_t *at,
                    peri_err_t *err);

/* Values of an object that peri_keys_check has seen; absent ones leave *out alone. */
int peri_get_int(const json_t *object, const char *key, const peri_at_t *at, int64_t min,
                 int64_t max, int64_t *out, peri_err_t *err);
/* Not empty, at most max bytes, one line. */
int peri_get_text(const json_t *object, const char *key, const peri_at_t *at, size_t max,
                  const char **out, peri_err_t *err);
int peri_text_check(const char *s, const peri_at_t *at, size_t max, peri_err_t *err);
int peri_get_time(const json_t *object, const char *key, const peri_at_t *at,
                  uint32_t *out, peri_err_t *err);
int peri_get_memory(const json_t *object, const char *key, const peri_at_t *at,
                    uint64_t *out, peri_err_t *err);
/* [A-Za-z_][A-Za-z0-9_]*, at most max bytes */
bool peri_is_ident(const char *s, size_t max);
/* "USR1" or "SIGUSR1"; 0 if it is none. */
int peri_signal_number(const char *name);
const char *peri_signal_name(int number); /* "USR1" */
extern const char *const peri_signal_names[];
extern const size_t peri_nsignal_names;

/* ---- parts of a step ---- */

/* A parameter of an array; in the order of the tasks' params. */
typedef struct peri_param {
    const char *name;
    const char **values;
    size_t n;
    size_t longest;       /* bytes of its longest value */
    const char *unsimple; /* a value that cannot stand in SQL or a file's name, or NULL */
    const char *negative; /* a value that begins with a minus, or NULL */
} peri_param_t;

/* spec_array.c: tasks, ntasks and parallel of the step. *budget: tasks that the job may
 * still have. */
int peri_array_read(const json_t *array, const peri_at_t *at, peri_arena_t *arena,
                    size_t *budget, peri_step_t *step, peri_err_t *err);

/* spec_after.c: `after` of one step; short_form: a plain text is a job. */
int peri_after_read(const json_t *after, const peri_at_t *at, bool short_form,
                    peri_arena_t *arena, peri_step_t *step, peri_err_t *err);
/* Names are there, no circles; puts the steps into order. places: of the steps. */
int peri_graph_sort(peri_step_t *steps, size_t n, const peri_at_t *places,
                    peri_arena_t *arena, peri_err_t *err);

/* spec_volume.c: volumes and output of the job. */
int peri_volumes_read(const json_t *o, const peri_at_t *top, peri_arena_t *arena,
                      peri_spec_t *s, peri_err_t *err);

/* Only [A-Za-z0-9_.+-], and no "--" made by it, which begins a comment in SQL. */
bool peri_value_is_simple(const char *v);

/* ---- templates (spec_template.c) ----
 * In an array's step `{name}` is a parameter, `{index}` the index and `{{` a brace;
 * everything else, and all of a step without array, means itself. */

/* Unknown names are errors. simple: values must be simple (see above). At most max bytes
 * with the longest values. */
int peri_template_check(const char *text, const peri_step_t *step, bool simple,
                        size_t max, const peri_at_t *at, peri_err_t *err);
bool peri_template_uses(const char *text, const peri_step_t *step, const char *name);
int peri_template_fill(const char *text, const peri_step_t *step,
                       const peri_launchtask_t *task, peri_buf_t *out);
/* For perigee-launch: every literal brace doubled. */
const char *peri_template_for_launch(const char *text, const peri_step_t *step,
                                     peri_arena_t *arena);

/* The shortest text that is the same number. */
const char *peri_number_text(const json_t *number, peri_arena_t *arena);

/* A text among the keys of a step's kind, or NULL. */
static inline const char *peri_step_text(const peri_step_t *step, const char *key)
{
    return json_string_value(json_object_get(step->json, key));
}

/* ---- kinds (spec_kind.c, kind_*.c) ---- */

typedef struct {
    const char *bin;     /* folder of perigee; NULL: only its name, for people */
    const char *results; /* folder of results */
    int attempt;
    const peri_resources_t *resources; /* nodes and ranks as planned */
} peri_kindplan_t;

typedef struct {
    const char **v;
    size_t n;
} peri_words_t;

typedef struct peri_kind {
    const char *name;
    peri_keys_t keys;
    int (*check)(peri_step_t *step, const peri_at_t *at, peri_err_t *err);
    /* The job's name when it has none. */
    const char *(*title)(const peri_step_t *step, peri_arena_t *arena);
    /* Template of the file in the folder of results, absolute if it is elsewhere; NULL if
     * the step says none. */
    const char *(*result)(const peri_step_t *step, peri_arena_t *arena);
    /* The dataset or table that it reads besides those of "data"; NULL: none. May be
     * NULL. */
    const char *(*data)(const peri_step_t *step);
    /* What may name more of them before a dot: SQL, inputs. May be NULL. */
    peri_words_t (*texts)(const peri_step_t *step, peri_arena_t *arena);
    /* Nodes and ranks when the data asks for more nodes; may be NULL. */
    void (*spread)(peri_resources_t *r);
    /* argv, argc, script, mpi of the launch. */
    void (*words)(const peri_step_t *step, const peri_kindplan_t *p, peri_arena_t *arena,
                  peri_launch_t *out);
} peri_kind_t;

extern const peri_kind_t peri_kind_sql, peri_kind_kernel, peri_kind_script;
extern const peri_kind_t *const peri_kinds[];
extern const size_t peri_nkinds;

/* ---- kinds whose steps give rows (kind_rows.c) ---- */

#define PERI_ROWS_KEYS                                                                   \
    {"context", PERI_J_TEXT}, {"into", PERI_J_TEXT}, {"format", PERI_J_TEXT},            \
    {                                                                                    \
        "overwrite", PERI_J_BOOL                                                         \
    }

int peri_rows_check(const peri_step_t *step, const peri_at_t *at, peri_err_t *err);
/* Members of peri_kind_t. */
const char *peri_rows_result(const peri_step_t *step, peri_arena_t *arena);
const char *peri_rows_data(const peri_step_t *step);
void peri_rows_spread(peri_resources_t *r);
/* `perigee COMMAND NAME` (NULL: no name) and the options that these keys and the
 * resources become, with room for so many more. */
peri_words_t peri_rows_words(const peri_step_t *step, const peri_kindplan_t *p,
                             const char *command, const char *name, size_t more,
                             peri_arena_t *arena);

/* Their formats, with the endings; the tests hold them against core/out. */
typedef struct {
    const char *name;
    const char *ending;  /* of a file whose name is ours */
    const char *endings; /* that need no "format" */
} peri_rowformat_t;
extern const peri_rowformat_t peri_rowformats[];
extern const size_t peri_nrowformats;

#endif
