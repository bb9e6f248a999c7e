/* spec_json.c - JSON values as a spec needs them: the place of each, keys by table, whole
 * numbers in a range, times and sizes. See spec_private.h. No state, no threads.
 */
#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "jobs/spec/spec_private.h"

#define ANY_KEYS 96

/* ---- places ---- */

const char *peri_shown(const char *s, char out[64])
{
    size_t n = 0;
    for (; s[n] && n < 56; n++) out[n] = iscntrl((unsigned char)s[n]) ? '?' : s[n];
    /* Not in the middle of a character. */
    while (s[n] && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) n--;
    snprintf(out + n, 64 - n, "%s", s[n] ? "..." : "");
    return out;
}

/* A key as a JSON pointer has it; the buffer's maximum cuts what is too long. */
static void put_place(const peri_at_t *at, peri_buf_t *b)
{
    if (!at || !at->up) return;
    put_place(at->up, b);
    peri_buf_putc(b, '/');
    if (!at->key) {
        peri_buf_printf(b, "%zu", at->index);
        return;
    }
    char shown[64];
    for (const char *p = peri_shown(at->key, shown); *p; p++) {
        if (*p == '~' || *p == '/')
            peri_buf_printf(b, "~%c", *p == '/' ? '1' : '0');
        else
            peri_buf_putc(b, *p);
    }
}

char *peri_at_text(const peri_at_t *at, peri_arena_t *arena)
{
    peri_buf_t b;
    peri_buf_init(&b, 400);
    put_place(at, &b);
    char *s = peri_arena_strdup(arena, b.data ? b.data : "");
    peri_buf_free(&b);
    return s;
}

static int error_at(const peri_at_t *at, peri_err_t *err, const char *fmt, va_list ap)
{
    char text[900];
    peri_buf_t b;
    peri_buf_init(&b, 400);
    put_place(at, &b);
    vsnprintf(text, sizeof(text), fmt, ap);
    peri_err_set(err, PERI_EINVAL, "%s%s%s%s", b.len ? "at " : "", b.len ? b.data : "",
                 b.len ? ": " : "", text);
    peri_buf_free(&b);
    return -1;
}

int peri_at_error(const peri_at_t *at, peri_err_t *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = error_at(at, err, fmt, ap);
    va_end(ap);
    return rc;
}

int peri_key_error(const peri_at_t *at, const char *key, peri_err_t *err, const char *fmt,
                   ...)
{
    const peri_at_t here = {.up = at, .key = key};
    va_list ap;
    va_start(ap, fmt);
    int rc = error_at(&here, err, fmt, ap);
    va_end(ap);
    return rc;
}

/* ---- keys ---- */

static const char *type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object {...}";
    case JSON_ARRAY:
        return "a list [...]";
    case JSON_STRING:
        return "a text in quotes";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a number with decimals";
    case JSON_NULL:
        return "null (leave the key out instead)";
    default:
        return "true or false";
    }
}

static bool has_type(const json_t *v, unsigned types)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return types & PERI_J_OBJECT;
    case JSON_ARRAY:
        return types & PERI_J_ARRAY;
    case JSON_STRING:
        return types & PERI_J_TEXT;
    case JSON_INTEGER:
        return types & PERI_J_INT;
    case JSON_TRUE:
    case JSON_FALSE:
        return types & PERI_J_BOOL;
    default:
        return false;
    }
}

int peri_type_check(const json_t *value, unsigned types, const peri_at_t *at,
                    peri_err_t *err)
{
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {{PERI_J_TEXT, "a text in quotes"},
                 {PERI_J_INT, "a whole number"},
                 {PERI_J_OBJECT, "an object {...}"},
                 {PERI_J_ARRAY, "a list [...]"},
                 {PERI_J_BOOL, "true or false"}};
    if (has_type(value, types)) return 0;
    char list[128] = "";
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!(types & names[i].type)) continue;
        size_t n = strlen(list);
        snprintf(list + n, sizeof(list) - n, "%s%s", n ? " or " : "", names[i].name);
    }
    return peri_at_error(at, err, "must be %s, not %s", list, type_name(value));
}

static const peri_key_t *find_key(const peri_keys_t *keys, const char *name)
{
    for (size_t i = 0; i < keys->n; i++)
        if (!strcmp(keys->keys[i].name, name)) return &keys->keys[i];
    return NULL;
}

bool peri_keys_has(const peri_keys_t *keys, const char *name)
{
    return find_key(keys, name) != NULL;
}

static int unknown_key(const char *key, const peri_at_t *at,
                       const peri_keys_t *const *tables, size_t ntables, peri_err_t *err)
{
    const char *names[ANY_KEYS];
    char list[600] = "";
    size_t n = 0;
    for (size_t t = 0; t < ntables; t++) {
        for (size_t i = 0; i < tables[t]->n && n < ANY_KEYS; i++) {
            const char *name = names[n++] = tables[t]->keys[i].name;
            size_t len = strlen(list);
            snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "", name);
        }
    }
    const char *near = peri_did_you_mean(key, names, n);
    if (near)
        return peri_key_error(at, key, err, "there is no such key; did you mean \"%s\"?",
                              near);
    return peri_key_error(at, key, err, "there is no such key; %s can have %s",
                          tables[ntables - 1]->what, list);
}

int peri_keys_check(const json_t *object, const peri_at_t *at,
                    const peri_keys_t *const *tables, size_t ntables, peri_err_t *err)
{
    /* jansson iterates without changing it. */
    json_t *o = (json_t *)(uintptr_t)object;
    const char *key;
    json_t *value;
    json_object_foreach(o, key, value)
    {
        const peri_key_t *k = NULL;
        for (size_t t = 0; t < ntables && !k; t++) k = find_key(tables[t], key);
        if (!k) return unknown_key(key, at, tables, ntables, err);
        const peri_at_t here = {.up = at, .key = key};
        if (peri_type_check(value, k->types, &here, err)) return -1;
    }
    return 0;
}

/* ---- numbers and texts ---- */

int peri_get_int(const json_t *object, const char *key, const peri_at_t *at, int64_t min,
                 int64_t max, int64_t *out, peri_err_t *err)
{
    const json_t *v = json_object_get(object, key);
    if (!v) return 0;
    json_int_t n = json_integer_value(v);
    if (n < min || n > max)
        return peri_key_error(at, key, err,
                              "%lld is not possible: a whole number from %lld to %lld is",
                              (long long)n, (long long)min, (long long)max);
    *out = n;
    return 0;
}

int peri_text_check(const char *s, const peri_at_t *at, size_t max, peri_err_t *err)
{
    if (!*s) return peri_at_error(at, err, "is empty");
    if (strlen(s) > max)
        return peri_at_error(at, err, "is too long: %zu bytes, at most %zu are possible",
                             strlen(s), max);
    for (const char *p = s; *p; p++)
        if (iscntrl((unsigned char)*p))
            return peri_at_error(at, err,
                                 "has a control character (code %d) at its byte %zu", *p,
                                 (size_t)(p - s) + 1);
    return 0;
}

int peri_get_text(const json_t *object, const char *key, const peri_at_t *at, size_t max,
                  const char **out, peri_err_t *err)
{
    const json_t *v = json_object_get(object, key);
    if (!v) return 0;
    const peri_at_t here = {.up = at, .key = key};
    if (peri_text_check(json_string_value(v), &here, max, err)) return -1;
    *out = json_string_value(v);
    return 0;
}

bool peri_is_ident(const char *s, size_t max)
{
    if (!isalpha((unsigned char)*s) && *s != '_') return false;
    size_t n = 0;
    for (; s[n]; n++)
        if (!isalnum((unsigned char)s[n]) && s[n] != '_') return false;
    return n <= max;
}

/* ---- times and sizes ---- */

/* Digits up to the next separator. */
static int take_number(const char **s, double *out)
{
    size_t n = 0;
    *out = 0;
    while (isdigit((unsigned char)**s) && n++ < 9) *out = *out * 10 + (*(*s)++ - '0');
    return n == 0 || isdigit((unsigned char)**s) ? -1 : 0;
}

/* D-H[:M[:S]] or H:M:S, as in Slurm. M:S and H:M are refused: they are mistaken for each
 * other. */
static int parse_clock(const char *s, double *seconds)
{
    double part[3] = {0}, days = 0;
    const bool has_days = strchr(s, '-') != NULL;
    int n = 0;
    if (has_days && (take_number(&s, &days) || *s++ != '-')) return -1;
    do {
        if (n == 3 || take_number(&s, &part[n])) return -1;
        if (n > 0 && part[n] > 59) return -1;
        n++;
    } while (*s == ':' && *s++);
    if (*s || (!has_days && n != 3) || (has_days && part[0] > 23)) return -1;
    *seconds = ((days * 24 + part[0]) * 60 + part[1]) * 60 + part[2];
    return 0;
}

int peri_get_time(const json_t *object, const char *key, const peri_at_t *at,
                  uint32_t *out, peri_err_t *err)
{
    const json_t *v = json_object_get(object, key);
    if (!v) return 0;
    char shown[64];
    double seconds = 0;
    const char *s = json_string_value(v);
    if (!s) {
        seconds = (double)json_integer_value(v);
    } else if (strpbrk(s, "-:") ? parse_clock(s, &seconds)
                                : peri_parse_seconds(s, &seconds, NULL)) {
        return peri_key_error(at, key, err,
                              "\"%s\" is not a time: write a number with s, m, h or d as "
                              "90m, or DAYS-HOURS:MINUTES:SECONDS as 1-12:00:00",
                              peri_shown(s, shown));
    }
    seconds = ceil(seconds);
    if (!(seconds >= 1 && seconds <= PERI_TIME_MAX))
        return peri_key_error(at, key, err,
                              "%.15g seconds are not possible: from 1 second to 366 days "
                              "are",
                              seconds);
    *out = (uint32_t)seconds;
    return 0;
}

int peri_get_memory(const json_t *object, const char *key, const peri_at_t *at,
                    uint64_t *out, peri_err_t *err)
{
    enum { LEAST = 1000000 };
    const uint64_t most = 1000000000000000u;
    const json_t *v = json_object_get(object, key);
    if (!v) return 0;
    char shown[64];
    uint64_t bytes;
    const char *s = json_string_value(v);
    if (!s)
        bytes = json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
    else if (peri_parse_size(s, &bytes, NULL))
        return peri_key_error(at, key, err,
                              "\"%s\" is not a size: write a number with a unit, such as "
                              "512MB or 4GiB",
                              peri_shown(s, shown));
    if (bytes < LEAST || bytes > most)
        return peri_key_error(at, key, err,
                              "%s is not possible: from 1MB to 1000TB on each node are "
                              "(a number without unit counts bytes)",
                              s ? peri_shown(s, shown) : peri_human_bytes(bytes, shown));
    *out = bytes;
    return 0;
}

/* ---- signals ---- */

const char *const peri_signal_names[] = {"HUP",  "INT",  "QUIT", "USR1",
                                         "USR2", "TERM", "CONT", "URG"};
static const int signal_numbers[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,
                                     SIGUSR2, SIGTERM, SIGCONT, SIGURG};
const size_t peri_nsignal_names = sizeof(signal_numbers) / sizeof(*signal_numbers);

int peri_signal_number(const char *name)
{
    if (!strncmp(name, "SIG", 3)) name += 3;
    for (size_t i = 0; i < peri_nsignal_names; i++)
        if (!strcmp(name, peri_signal_names[i])) return signal_numbers[i];
    return 0;
}

const char *peri_signal_name(int number)
{
    for (size_t i = 0; i < peri_nsignal_names; i++)
        if (signal_numbers[i] == number) return peri_signal_names[i];
    return "";
}
