/* stream.h - one request whose body or answer may be of any size: bytes of a file on
 * their way out, bytes of an answer into a file or a pipe as they come.
 *
 * Never sent twice by itself. An answer that breaks off is an error, whatever was written
 * before. Used from one thread.
 */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include <stdio.h>

#include "cli/client.h"

typedef struct {
    const char *method, *path; /* as in peri_call_t */
    const char *type;          /* of what is sent; NULL: JSON */
    const char *body;          /* what is sent, or NULL; or: */
    size_t body_len;
    int in;          /* a descriptor; -1: none */
    int64_t in_size; /* -1: until its end */
    /* What comes with a status of 200 goes here; NULL: into the answer's body, as any
     * other answer does (64 MiB at most). */
    FILE *out;
    bool objects;   /* an answer that is a JSON object is no part of that, but a body */
    double timeout; /* seconds for all of it; 0: none, only for silence */
    /* Called now and then with the bytes of both directions, or NULL. */
    void (*moved)(void *arg, uint64_t sent, uint64_t received);
    void *arg;
} peri_stream_t;

/* 0 for a status below 300 and an answer that is whole. *a tells what is known of it
 * either way; free it. PERI_ECLOSED: the reader of `out` went away. */
int peri_stream(peri_client_t *c, const peri_stream_t *s, peri_answer_t *a,
                peri_err_t *err);

/* The same into a file: it is there when the answer is whole, not before, and not
 * otherwise. A body (`objects`) leaves no file. */
int peri_stream_into(peri_client_t *c, const peri_stream_t *s, const char *path,
                     bool overwrite, peri_answer_t *a, peri_err_t *err);

#endif
