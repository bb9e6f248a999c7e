/* launch_start.c - starts the ranks: with which words, in which environment. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/launch_priv.h"
#include "mpi/control.h"

/* In the child only. What the user has set stays. */
static void set_environment(const peri_launch_t *l, bool here)
{
    if (geteuid() == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    setenv(PERI_CONTROL_ENV, l->slurm ? "stderr" : l->place.socket, 1);
    /* Below `srun --pty bash` the new step would wait for the end of that one. */
    if (l->slurm) setenv("SLURM_OVERLAP", "1", 0);
    if (!here) return;
    /* Without them Open MPI looks for networks for a third of a second. */
    setenv("OMPI_MCA_plm", "isolated", 0);
    setenv("OMPI_MCA_pml", "ob1", 0);
    setenv("OMPI_MCA_btl", "self,vader", 0);
    setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 0);
    if (!peri_launchplace_may_read_memory())
        setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    setenv("TMPDIR", l->place.dir, 1);
    if (l->place.shm) setenv("OMPI_MCA_btl_vader_backing_directory", l->place.shm, 0);
}

static _Noreturn void exec_child(const peri_launch_t *l, char *const *argv, int err_fd,
                                 bool here)
{
    setpgid(0, 0);
    /* Rank 0 notices by the socket that we are gone; under srun nobody would. */
    if (l->slurm) prctl(PR_SET_PDEATHSIG, SIGTERM);
    static const int ours[] = {SIGINT, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) signal(ours[i], SIG_DFL);
    int in = open(l->slurm ? l->place.task : "/dev/null", O_RDONLY | O_CLOEXEC);
    if (in >= 0) dup2(in, STDIN_FILENO);
    /* Under mpirun rank 0 gets our stdout through the socket. */
    if (!l->slurm) dup2(err_fd, STDOUT_FILENO);
    dup2(err_fd, STDERR_FILENO);
    set_environment(l, here);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "perigee: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int peri_launch_start(peri_launch_t *l, const char *starter, const char *task, int nranks,
                      bool here, peri_err_t *err)
{
    char n[16];
    snprintf(n, sizeof(n), "%d", nranks);
    const char *with_mpirun[] = {starter, "--oversubscribe", "--bind-to", "none", "-n", n,
                                 task,    l->place.task,     NULL};
    /* As with mpirun: when a rank dies, the others do not wait for it for ever. */
    const char *with_srun[] = {starter,     "--mpi=pmix", "--kill-on-bad-exit=1",
                               "--input=0", "-n",         n,
                               task,        "-",          NULL};
    int fd[2];
    if (pipe2(fd, O_CLOEXEC))
        return peri_err_set(err, PERI_EIO, "cannot make a pipe: %m");
    fflush(NULL);
    l->child = fork();
    if (l->child == 0)
        exec_child(l, (char *const *)(l->slurm ? with_srun : with_mpirun), fd[1], here);
    close(fd[1]);
    l->errors = fd[0];
    if (l->child < 0) return peri_err_set(err, PERI_EIO, "cannot start %s: %m", starter);
    fcntl(l->errors, F_SETFL, O_NONBLOCK);
    return 0;
}

int peri_launch_listen(peri_launch_t *l, peri_err_t *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", l->place.socket);
    l->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->listener < 0 || bind(l->listener, (struct sockaddr *)&a, sizeof(a)) ||
        listen(l->listener, 1))
        return peri_err_set(err, PERI_EIO, "cannot make the socket %s: %m",
                            l->place.socket);
    return 0;
}
