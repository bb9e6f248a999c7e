/* context.c - what a running kernel asks of the framework; see perigee/kernel.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/util.h"
#include "mpi/kernel/run_private.h"

MPI_Comm peri_run_comm(const peri_run_t *run)
{
    return run->comm;
}

/* A kernel that asks for what it has not declared is a fault of its author, who should
 * see it at the first run. */
static const peri_arg_t *argument(const peri_run_t *run, const char *name,
                                  peri_paramtype_t type)
{
    const peri_arg_t *a = peri_args_find(&run->args, name);
    if (a && a->param->type == type) return a;
    fprintf(stderr,
            "perigee: kernel %s asks for a parameter %s that it does not declare "
            "with this type\n",
            run->kernel->name, name);
    abort();
}

bool peri_run_given(const peri_run_t *run, const char *param)
{
    const peri_arg_t *a = peri_args_find(&run->args, param);
    return a && a->given;
}

double peri_run_float(const peri_run_t *run, const char *param)
{
    return argument(run, param, PERI_PARAM_FLOAT)->number;
}

int64_t peri_run_int(const peri_run_t *run, const char *param)
{
    return argument(run, param, PERI_PARAM_INT)->integer;
}

bool peri_run_bool(const peri_run_t *run, const char *param)
{
    return argument(run, param, PERI_PARAM_BOOL)->integer != 0;
}

const char *peri_run_text(const peri_run_t *run, const char *param)
{
    const peri_arg_t *a = argument(run, param, PERI_PARAM_TEXT);
    return a->text ? a->text : "";
}

const double *peri_run_floats(const peri_run_t *run, const char *param, size_t *n)
{
    const peri_arg_t *a = argument(run, param, PERI_PARAM_FLOATS);
    *n = a->n;
    return a->list;
}

bool peri_run_has_input(const peri_run_t *run, size_t input)
{
    return input < run->kernel->ninputs && run->infos[input].given;
}

uint64_t peri_run_input_rows(const peri_run_t *run, size_t input)
{
    return run->rows_read[input];
}

unsigned peri_run_found(const peri_run_t *run, size_t input)
{
    return run->infos[input].found | PERI_HAS_ID | PERI_HAS_WEIGHT;
}

const peri_simulation_t *peri_run_simulation(const peri_run_t *run, size_t input)
{
    return &run->infos[input].sim;
}

peri_particles_t *peri_run_particles(peri_run_t *run, size_t input)
{
    return run->loaders[input].particles;
}

const char *peri_run_path(const peri_run_t *run, size_t input)
{
    return run->args.inputs[input];
}

peri_rowset_t *peri_run_table(peri_run_t *run, size_t input)
{
    return run->loaders[input].table;
}

peri_rowset_t *peri_run_rows(peri_run_t *run)
{
    return run->rows;
}

int peri_run_cancelled(const peri_run_t *run, peri_err_t *err)
{
    if (!atomic_load(&run->out_of_time))
        return peri_err_set(err, PERI_ECANCEL, "cancelled");
    return peri_err_set(err, PERI_ELIMIT,
                        "%s did not finish within %g seconds, its time limit (--timeout)",
                        run->kernel->name, run->time_said);
}

int peri_run_progress(peri_run_t *run, const char *what, double done, double total,
                      peri_err_t *err)
{
    pthread_mutex_lock(&run->lock);
    snprintf(run->what, sizeof(run->what), "%s", what);
    run->done = done;
    run->total = total;
    run->news = true;
    pthread_mutex_unlock(&run->lock);
    return atomic_load(&run->cancelled) ? peri_run_cancelled(run, err) : 0;
}

int peri_run_agree(peri_run_t *run, int rc, peri_err_t *err)
{
    if (rc == 0 && atomic_load(&run->cancelled)) rc = peri_run_cancelled(run, err);
    return peri_ranks_agree(rc, run->comm, err);
}

void peri_run_note(peri_run_t *run, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    /* Notes of other ranks than rank 0 have no way to the user without a message that
     * somebody would have to wait for: they go to the log. */
    if (run->rank == 0 && run->o->note)
        run->o->note(text, run->o->arg);
    else
        fprintf(stderr, "%s: %s\n", run->kernel->name, text);
}
