/* moody.c - a kernel that misbehaves as its parameter says, for test_kernels.py. */
#include <math.h>
#include <perigee/kernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEPS 40

static int rank_of(const peri_run_t *run)
{
    int rank;
    MPI_Comm_rank(peri_run_comm(run), &rank);
    return rank;
}

static int last_of(const peri_run_t *run)
{
    int n;
    MPI_Comm_size(peri_run_comm(run), &n);
    return n - 1;
}

static int add_row(peri_run_t *run, int64_t value, peri_err_t *err)
{
    peri_rowset_t *rows = peri_run_rows(run);
    int64_t at = peri_rowset_extend(rows, 1, err);
    if (at < 0) return -1;
    ((int32_t *)peri_rowset_data(rows, 0))[at] = rank_of(run);
    ((int64_t *)peri_rowset_data(rows, 1))[at] = value;
    return 0;
}

/* Counts to STEPS, a tenth of a second each, from where the last call has stopped. */
static int count(peri_run_t *run, peri_err_t *err)
{
    int from = 0;
    void *state;
    size_t size;
    int found = peri_run_load(run, &state, &size, err);
    if (found < 0) return -1;
    if (found) memcpy(&from, state, sizeof(from));
    free(state);
    for (int i = from; i < STEPS; i++) {
        if (peri_run_agree(run, peri_run_progress(run, "counting", i, STEPS, err), err))
            return -1;
        usleep(100000);
        if (!peri_run_checkpoint_due(run)) continue;
        i++;
        if (peri_run_save(run, &i, sizeof(i), err)) return -1;
        return peri_run_stopped(run, err);
    }
    return add_row(run, from, err);
}

static int write_output(peri_run_t *run, int rc, peri_err_t *err)
{
    const char *path = peri_run_output(run, "file");
    if (!path || rank_of(run)) return rc;
    FILE *f = fopen(path, "w");
    if (!f || fputs("written\n", f) < 0 || fclose(f))
        return peri_err_set(err, PERI_EIO, "cannot write %s: %m", path);
    return rc;
}

static int plan(const peri_run_t *run, peri_need_t *need, peri_err_t *err)
{
    if (strcmp(peri_run_text(run, "mood"), "greedy") == 0) need->row_bytes = 1u << 30;
    if (strcmp(peri_run_text(run, "mood"), "unwilling") == 0)
        return peri_err_set(err, PERI_EINVAL, "I will not run over %llu rows",
                            (unsigned long long)peri_run_input_rows(run, 0));
    return 0;
}

static int run(peri_run_t *run, peri_err_t *err)
{
    const char *mood = peri_run_text(run, "mood");
    const bool last = rank_of(run) == last_of(run);
    if (strcmp(mood, "counts") == 0) return count(run, err);
    if (strcmp(mood, "fails") == 0)
        return write_output(run, peri_err_set(err, PERI_EINVAL, "all ranks fail"), err);
    if (strcmp(mood, "agrees") == 0) {
        int rc = last ? peri_err_set(err, PERI_EINVAL, "the last rank fails") : 0;
        return peri_run_agree(run, rc, err);
    }
    if (strcmp(mood, "leaves") == 0) { /* the others wait for it */
        if (last) return peri_err_set(err, PERI_EINVAL, "the last rank has left");
        MPI_Barrier(peri_run_comm(run));
        return 0;
    }
    if (strcmp(mood, "silent") == 0) return -1;
    if (strcmp(mood, "crashes") == 0 && last) abort();
    if (strcmp(mood, "deaf") == 0)
        for (;;) pause();
    if (strcmp(mood, "notes") == 0 && rank_of(run) == 0)
        peri_run_note(run, "box %g", peri_run_simulation(run, 0)->box[0]);
    return write_output(run, add_row(run, (int64_t)peri_run_input_rows(run, 0), err),
                        err);
}

static const peri_param_t params[] = {
    {.name = "mood", .type = PERI_PARAM_TEXT, .preset = "fine", .help = "What it does."},
    {.name = "file", .type = PERI_PARAM_OUTPUT, .preset = "", .help = "A file."},
    {.name = "numbers",
     .type = PERI_PARAM_FLOATS,
     .preset = "",
     .min = 1,
     .max = 9,
     .help = "Numbers."}};
static const peri_coldef_t wanted[] = {{"value", PERI_COL_F64, 1, "", "Any number."}};
static const peri_input_t inputs[] = {
    {.name = "particles", .help = "Anything with a position."},
    {.name = "extra",
     .optional = true,
     .columns = wanted,
     .ncolumns = 1,
     .help = "A table."}};
static const peri_coldef_t columns[] = {{"rank", PERI_COL_I32, 1, "", "Who gives it."},
                                        {"value", PERI_COL_I64, 1, "", "Some number."}};

static const peri_kernel_t moody = {.abi = PERI_KERNEL_ABI,
                                    .size = sizeof(peri_kernel_t),
                                    .name = "moody",
                                    .summary = "misbehaves",
                                    .help = "Misbehaves.",
                                    .example = "",
                                    .params = params,
                                    .nparams = 3,
                                    .inputs = inputs,
                                    .ninputs = 2,
                                    .columns = columns,
                                    .ncolumns = 2,
                                    .plan = plan,
                                    .run = run};
PERI_KERNEL(moody)
