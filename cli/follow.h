/* follow.h - staying with a job: until it is over, and with what its program prints. Both
 * go on when the daemon was away for a while. They print and return an exit status.
 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/client.h"

#define PERI_STATUS_TIMEOUT 124

typedef struct {
    double until; /* of peri_now(); 0: for ever */
    bool quiet;   /* neither progress nor closing line */
} peri_waitopts_t;

/* 0 succeeded; the program's exit status if it ended with one from 1 to 125; 130
 * cancelled; 124 not over in time; 1 otherwise. */
int peri_follow_end(peri_client_t *c, const char *id, const peri_waitopts_t *o);

typedef struct {
    const char *step; /* NULL: the only one */
    int64_t index;    /* < 0: the only one */
    int64_t attempt;  /* 0: the newest, and those after it */
    bool out, err;    /* which streams; of both stderr goes to our stderr */
    bool follow;      /* until the task is over */
} peri_logopts_t;
int peri_follow_logs(peri_client_t *c, const char *id, const peri_logopts_t *o);

bool peri_state_is_final(const char *state);
/* "job 42 succeeded after 3m12s", "job 42 failed: ..."; the caller frees. */
char *peri_job_sentence(const json_t *job);

#endif
