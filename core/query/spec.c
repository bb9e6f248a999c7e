/* spec.c - the task file: a query's specification as JSON and back. */
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/query/private.h"

void peri_queryspec_init(peri_queryspec_t *spec)
{
    memset(spec, 0, sizeof(*spec));
    spec->use_index = true;
    spec->limit = -1;
    spec->format = PERI_FMT_TABLE;
}

double peri_queryspec_time(const peri_queryspec_t *spec)
{
    return spec->time_said > 0 ? spec->time_said : spec->time_limit;
}

int peri_queryspec_too_long(const peri_queryspec_t *spec, peri_err_t *err)
{
    return peri_err_set(err, PERI_ELIMIT,
                        "the query did not finish within %g seconds, its time limit "
                        "(--timeout)",
                        peri_queryspec_time(spec));
}

uint64_t peri_queryspec_memory(const peri_queryspec_t *spec, int nranks)
{
    if (spec->memory) return spec->memory;
    const uint64_t all =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    return all / 10 * 7 / (uint64_t)nranks;
}

/* One row a member: the JSON, the check and the way back all follow from it. */
typedef enum { M_STR, M_BOOL, M_INT, M_I64, M_U32, M_U64, M_DOUBLE, M_FORMAT } kind_t;

static const struct member {
    const char *name;
    kind_t kind;
    size_t offset;
} members[] = {
#define M(KIND, NAME)                                                                    \
    {                                                                                    \
#NAME, KIND, offsetof(peri_queryspec_t, NAME)                                    \
    }
    M(M_STR, sql),
    M(M_STR, context),
    M(M_STR, base),
    M(M_STR, root),
    M(M_STR, into),
    M(M_FORMAT, format),
    M(M_BOOL, overwrite),
    M(M_BOOL, draft),
    M(M_STR, extends),
    M(M_BOOL, marks),
    M(M_BOOL, explain),
    M(M_BOOL, use_index),
    M(M_BOOL, allow_missing),
    M(M_I64, limit),
    M(M_I64, table_rows),
    M(M_U32, width),
    M(M_BOOL, utf8),
    M(M_INT, threads),
    M(M_U64, memory),
    M(M_STR, temp_dir),
    M(M_U64, temp_size),
    M(M_DOUBLE, time_limit),
    M(M_DOUBLE, time_said),
    M(M_U64, broadcast_limit),
    M(M_STR, checkpoint),
    M(M_STR, shown_sql),
    M(M_STR, description),
#undef M
};
#define NMEMBERS (sizeof(members) / sizeof(members[0]))

static json_t *member_to_json(const struct member *m, const void *p)
{
    switch (m->kind) {
    case M_STR: {
        const char *s = *(const char *const *)p;
        return s ? json_string(s) : json_null();
    }
    case M_BOOL:
        return json_boolean(*(const bool *)p);
    case M_INT:
        return json_integer(*(const int *)p);
    case M_I64:
        return json_integer(*(const int64_t *)p);
    case M_U32:
        return json_integer(*(const uint32_t *)p);
    case M_U64:
        return json_integer((json_int_t) * (const uint64_t *)p);
    case M_DOUBLE:
        return json_real(*(const double *)p);
    case M_FORMAT:
        return json_integer(*(const peri_format_t *)p);
    }
    return NULL;
}

static int member_from_json(const struct member *m, const json_t *v, peri_arena_t *arena,
                            void *p, peri_err_t *err)
{
    bool ok = true;
    json_int_t n = json_integer_value(v);
    switch (m->kind) {
    case M_STR:
        ok = json_is_string(v) || json_is_null(v);
        *(const char **)p = peri_arena_strdup(arena, json_string_value(v));
        break;
    case M_BOOL:
        ok = json_is_boolean(v);
        *(bool *)p = json_is_true(v);
        break;
    case M_INT:
        ok = json_is_integer(v) && n >= 0 && n <= 65536;
        *(int *)p = ok ? (int)n : 0;
        break;
    case M_I64:
        ok = json_is_integer(v);
        *(int64_t *)p = n;
        break;
    case M_U32:
        ok = json_is_integer(v) && n >= 0 && n <= UINT32_MAX;
        *(uint32_t *)p = ok ? (uint32_t)n : 0;
        break;
    case M_U64:
        ok = json_is_integer(v) && n >= 0;
        *(uint64_t *)p = ok ? (uint64_t)n : 0;
        break;
    case M_DOUBLE:
        ok = json_is_number(v);
        *(double *)p = json_number_value(v);
        break;
    case M_FORMAT:
        ok = json_is_integer(v) && n >= PERI_FMT_TABLE && n <= PERI_FMT_VOTABLE;
        *(peri_format_t *)p = ok ? (peri_format_t)n : PERI_FMT_TABLE;
        break;
    }
    if (ok) return 0;
    return peri_err_set(err, PERI_EINVAL, "the task file's \"%s\" has a wrong value",
                        m->name);
}

int peri_queryspec_to_json(const peri_queryspec_t *spec, peri_buf_t *out, peri_err_t *err)
{
    json_t *root = json_object();
    for (size_t i = 0; i < NMEMBERS; i++) {
        json_t *v = member_to_json(&members[i], (const char *)spec + members[i].offset);
        if (!v || json_object_set_new(root, members[i].name, v)) {
            json_decref(root);
            return peri_err_set(err, PERI_EINVAL, "\"%s\" is not valid UTF-8",
                                members[i].name);
        }
    }
    char *text = json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    if (text) peri_buf_puts(out, text);
    free(text);
    return peri_buf_check(out, "the task file", err);
}

int peri_queryspec_from_json(const char *json, size_t len, peri_arena_t *arena,
                             peri_queryspec_t *spec, peri_err_t *err)
{
    json_error_t je;
    int rc = 0;
    peri_queryspec_init(spec);
    json_t *root = json_loadb(json, len, 0, &je);
    if (!json_is_object(root)) {
        json_decref(root);
        return peri_err_set(err, PERI_EINVAL, "the task file is not a JSON object: %s",
                            je.text);
    }
    for (size_t i = 0; i < NMEMBERS && rc == 0; i++) {
        const json_t *v = json_object_get(root, members[i].name);
        if (v)
            rc = member_from_json(&members[i], v, arena, (char *)spec + members[i].offset,
                                  err);
    }
    json_decref(root);
    if (rc == 0 && !spec->sql)
        rc = peri_err_set(err, PERI_EINVAL, "the task file has no \"sql\"");
    return rc;
}
