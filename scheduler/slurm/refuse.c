/* refuse.c - which of Slurm's answers to a submission are final, and how they are said.
 * Pure. What is not in the table is not final: "asked again later". */
#include "core/base/buf.h"
#include "scheduler/slurm/plugin.h"

typedef enum { NOTHING, PARTITION, ACCOUNT, CONSTRAINT, NODES, USER } what_t;

static const struct {
    int error;
    peri_code_t code;
    const char *text;
    what_t what; /* of the request, said behind the text */
} table[] = {
    {ESLURM_INVALID_PARTITION_NAME, PERI_EINVAL, "Slurm has no such partition",
     PARTITION},
    {ESLURM_DEFAULT_PARTITION_NOT_SET, PERI_EINVAL,
     "Slurm has no default partition: name one", NOTHING},
    {ESLURM_ACCESS_DENIED, PERI_EDENIED, "Slurm does not let this user submit jobs",
     USER},
    {ESLURM_USER_ID_MISSING, PERI_EDENIED,
     "Slurm lets only root and its own user submit jobs for others: perigeed has to run "
     "as one of them",
     NOTHING},
    {ESLURM_GROUP_ID_MISSING, PERI_EDENIED, "Slurm does not know the group of the user",
     USER},
    {ESLURM_JOB_MISSING_REQUIRED_PARTITION_GROUP, PERI_EDENIED,
     "the user is in no group that may use the partition", PARTITION},
    {ESLURM_PARTITION_ASSOC, PERI_EDENIED, "the account may not use the partition",
     PARTITION},
    {ESLURM_INVALID_ACCOUNT, PERI_EDENIED,
     "Slurm's accounting does not know the account, or the user in it", ACCOUNT},
    {ESLURM_INVALID_QOS, PERI_EDENIED, "the quality of service is not allowed", NOTHING},
    {ESLURM_REQUESTED_NODES_NOT_IN_PARTITION, PERI_EINVAL,
     "the nodes asked for do not belong to the partition", NODES},
    {ESLURM_INVALID_NODE_NAME, PERI_EINVAL, "Slurm does not know all of the nodes",
     NODES},
    {ESLURM_TOO_MANY_REQUESTED_CPUS, PERI_ELIMIT,
     "more cores are asked for than the cluster has", NOTHING},
    {ESLURM_INVALID_CPU_COUNT, PERI_ELIMIT,
     "more cores per task are asked for than a node has", NOTHING},
    {ESLURM_INVALID_NODE_COUNT, PERI_ELIMIT,
     "the partition does not give this number of nodes", PARTITION},
    {ESLURM_BAD_TASK_COUNT, PERI_EINVAL,
     "the number of ranks does not fit to the number of nodes", NOTHING},
    {ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE, PERI_ELIMIT,
     "no nodes of the cluster can ever give this many cores and this much memory with "
     "this constraint",
     CONSTRAINT},
    {ESLURM_REQUESTED_PART_CONFIG_UNAVAILABLE, PERI_ELIMIT,
     "the partition does not allow so many nodes, so much time or so much memory",
     PARTITION},
    {ESLURM_INVALID_TASK_MEMORY, PERI_ELIMIT,
     "more memory is asked for than a node or the partition gives", PARTITION},
    {ESLURM_INVALID_TIME_LIMIT, PERI_ELIMIT,
     "more time is asked for than the partition gives", PARTITION},
    {ESLURM_MISSING_TIME_LIMIT, PERI_EINVAL, "this cluster wants a time limit", NOTHING},
    {ESLURM_INVALID_FEATURE, PERI_EINVAL,
     "the constraint names a feature that no node has, or cannot be read", CONSTRAINT},
    {ESLURM_BATCH_CONSTRAINT, PERI_EINVAL, "the constraint cannot be read", CONSTRAINT},
    {ESLURM_INVALID_PREFER, PERI_EINVAL, "the preferred features cannot be read",
     NOTHING},
    {ESLURM_INVALID_ARRAY, PERI_ELIMIT,
     "the array has too many tasks or too high an index for this cluster (MaxArraySize)",
     NOTHING},
    {ESLURM_DEPENDENCY, PERI_EINVAL, "Slurm does not know what the job is to wait for",
     NOTHING},
    {ESLURM_CIRCULAR_DEPENDENCY, PERI_EINVAL, "the jobs wait for each other", NOTHING},
    {ESLURM_PATHNAME_TOO_LONG, PERI_EINVAL, "the name of the job's folder is too long",
     NOTHING},
    {ESLURM_INVALID_NICE, PERI_EDENIED, "this priority is not allowed", NOTHING},
    {ESLURM_INVALID_LICENSES, PERI_EINVAL, "the licences asked for do not exist",
     NOTHING},
    {ESLURM_INVALID_GRES, PERI_EINVAL, "a resource asked for does not exist", NOTHING},
    {ESLURM_INVALID_CORE_CNT, PERI_EINVAL, "the number of cores is not possible",
     NOTHING},
    {ESLURM_RESERVATION_ACCESS, PERI_EDENIED, "the reservation is for others", NOTHING},
};

static void say_what(what_t what, const peri_schedreq_t *r, peri_buf_t *out)
{
    const char *one = what == PARTITION    ? r->partition
                      : what == ACCOUNT    ? r->account
                      : what == CONSTRAINT ? r->constraint
                      : what == USER       ? r->user
                                           : NULL;
    if (one) peri_buf_printf(out, " (%s)", one);
    if (what == NODES && r->nnodes_hard) {
        for (size_t i = 0; i < r->nnodes_hard; i++)
            peri_buf_printf(out, "%s%s", i ? ", " : " (", r->nodes_hard[i]);
        peri_buf_puts(out, ")");
    }
}

bool peri_slurm_refused(int error, const peri_schedreq_t *req, peri_err_t *err)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].error != error) continue;
        peri_buf_t what;
        peri_buf_init(&what, 512);
        say_what(table[i].what, req, &what);
        peri_err_set(err, table[i].code, "%s%s", table[i].text,
                     what.data && !what.failed ? what.data : "");
        peri_buf_free(&what);
        return true;
    }
    return false;
}
