/* util.h - small helpers that three or more places need. Nothing domain-specific. */
#ifndef CORE_BASE_UTIL_H
#define CORE_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perigee/err.h"

/* malloc/calloc/realloc/strdup that abort with a message when memory is gone. */
void *peri_xmalloc(size_t size);
void *peri_xcalloc(size_t n, size_t size);
void *peri_xrealloc(void *p, size_t n, size_t size); /* overflow-checked n * size */
char *peri_xstrdup(const char *s);
char *peri_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Seconds of CLOCK_MONOTONIC. */
double peri_now(void);
/* Seconds since 1970, by the clock that people set. */
double peri_epoch(void);

/* "12.3 MB", "950 B": decimal units, at most 9 characters; out has size 16. */
const char *peri_human_bytes(uint64_t n, char out[16]);
/* "12,345,678"; out has size 32. */
const char *peri_human_count(uint64_t n, char out[32]);
/* Parse "512MB", "4GiB", "100k", "1234" into bytes. -1 with *err on anything else. */
int peri_parse_size(const char *s, uint64_t *bytes, peri_err_t *err);
/* Parse "90", "90s", "15m", "2h" into seconds. */
int peri_parse_seconds(const char *s, double *seconds, peri_err_t *err);

/* Whole file into memory, refusing more than max bytes; *out is the caller's, followed by
 * a NUL. */
int peri_file_slurp(const char *path, size_t max, char **out, size_t *len,
                    peri_err_t *err);
/* 0, or -1 with errno. */
int peri_write_all(int fd, const void *data, size_t len);
/* Write to a temporary name beside path, fsync, rename: path is whole or untouched. */
int peri_file_write_atomic(const char *path, const void *data, size_t len,
                           peri_err_t *err);
/* The same, readable and writable by its owner only. */
int peri_file_write_private(const char *path, const void *data, size_t len,
                            peri_err_t *err);
/* Remove a folder and what is in it, as far as that goes; follows no links. */
void peri_folder_sweep(const char *path);
/* fsync of a file or folder; -1 with errno. */
int peri_path_sync(const char *path);
/* Rename only onto nothing: -1 with errno, EEXIST if something is there. */
int peri_rename_new(const char *from, const char *to);
/* A file without a name in a folder, for reading and writing; not all file systems make
 * one, so it may have had a name for a moment. -1 with errno. */
int peri_file_nameless(const char *folder);
/* mkdir -p */
int peri_mkdirs(const char *path, peri_err_t *err);

/* The folder for what Perigee keeps between runs: $PERIGEE_STATE, else
 * $XDG_STATE_HOME/perigee, else ~/.local/state/perigee. Caller frees. Not created. */
char *peri_state_dir(void);

/* True if resolved (an absolute realpath) lies in or below root (absolute realpath). */
bool peri_path_is_below(const char *resolved, const char *root);

/* Edit distance limited to small values, for "did you mean"; case-insensitive. */
int peri_edit_distance(const char *a, const char *b);
/* The closest of names to what, or NULL if none is near. */
const char *peri_did_you_mean(const char *what, const char *const *names, size_t n);

/* True if the n bytes are valid UTF-8. */
bool peri_utf8_valid(const char *s, size_t n);

#endif
