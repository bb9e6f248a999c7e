/* input.h - an input of a call: from what the user names to SQL that reads it.
 *
 * Columns get their meaning (position, mass, ...) from the user's words or from their
 * names, the simulation from the header of the files. Rank 0 finds all that out with a
 * query that reads nothing; the result is told to all ranks.
 */
#ifndef MPI_KERNEL_INPUT_H
#define MPI_KERNEL_INPUT_H

#include "core/base/arena.h"
#include "core/query/look.h"
#include "mpi/kernel/args.h"

typedef struct {
    bool given;
    const char *sql; /* one column each, in the order of peri_role_t, or of the input's
                        columns; rank 0 only */
    unsigned has;    /* PERI_HAS_...: columns that the SQL has; not all that are wanted */
    unsigned found;  /* PERI_HAS_... that it could have */
    double mass;     /* of each particle, where there is no column; NAN: not known */
    double velocity; /* factor that makes peculiar velocities of those in the files */
    uint64_t extra;  /* bits: extra columns that are in the SQL, behind the particles' */
    uint64_t rows;   /* at most */
    uint64_t snapshots; /* that have rows; 0: none has a number */
    peri_simulation_t sim;
} peri_inputinfo_t;

/* Columns of particles, in the order in which they are asked for. */
typedef enum {
    PERI_ROLE_POSITION,
    PERI_ROLE_VELOCITY,
    PERI_ROLE_MASS,
    PERI_ROLE_ID,
    PERI_ROLE_WEIGHT,
    PERI_NROLES
} peri_role_t;
/* The bit of `has`; the position has none. */
static inline unsigned peri_role_bit(peri_role_t role)
{
    return role == PERI_ROLE_POSITION ? 0 : 1u << (role - 1);
}

/* The first question: all columns of the input that the arguments name. */
const char *peri_input_question(const peri_args_t *a, size_t input, peri_arena_t *arena);
/* What is known now. `more` are PERI_HAS_... that are wanted besides those declared; ask
 * again with the same look when plan wants more. Strings live in the arena. */
int peri_input_settle(const peri_args_t *a, size_t input, unsigned more,
                      const peri_look_t *look, peri_arena_t *arena, peri_inputinfo_t *out,
                      peri_err_t *err);
/* Of an input that is a path: only what the arguments say. */
int peri_input_settle_path(const peri_args_t *a, peri_inputinfo_t *out, peri_err_t *err);

/* SQL of what the kernel wants of the first input, with {pos} replaced. */
int peri_input_narrow(const peri_args_t *a, const peri_look_t *look,
                      const char *condition, peri_arena_t *arena, const char **sql,
                      peri_err_t *err);

void peri_inputinfo_pack(const peri_inputinfo_t *in, peri_buf_t *out);
int peri_inputinfo_unpack(const void *data, size_t len, peri_arena_t *arena,
                          peri_inputinfo_t *out, peri_err_t *err);

#endif
