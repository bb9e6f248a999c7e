/* control.c - the task's side of control.h. */
#include "mpi/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/util.h"

#define LOOK_EVERY 0.005 /* seconds */

/* The first message: one byte and the descriptor for rows, which becomes our stdout. */
static int receive_stdout(int fd, peri_err_t *err)
{
    char byte;
    struct iovec iov = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = u.space,
                         .msg_controllen = sizeof(u.space)};
    if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != 1)
        return peri_err_set(err, PERI_EIO, "the perigee command does not answer: %m");
    const struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    if (!h || h->cmsg_type != SCM_RIGHTS || h->cmsg_len != CMSG_LEN(sizeof(int)))
        return peri_err_set(err, PERI_EIO,
                            "the perigee command gave no output to write to");
    int out;
    memcpy(&out, CMSG_DATA(h), sizeof(out));
    int rc = dup2(out, STDOUT_FILENO) < 0 ? -1 : 0;
    if (rc) peri_err_set(err, PERI_EIO, "cannot take over the output: %m");
    close(out);
    return rc;
}

int peri_control_open(peri_control_t *c, peri_err_t *err)
{
    const char *where = getenv(PERI_CONTROL_ENV);
    *c = (peri_control_t){.socket = -1};
    if (!where || !*where) return 0;
    if (strcmp(where, "stderr") == 0) {
        c->on_stderr = true;
        fprintf(stderr, PERI_CONTROL_MARK "R %ld\n", (long)getpid());
        return 0;
    }
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(where) >= sizeof(a.sun_path))
        return peri_err_set(err, PERI_EINVAL, PERI_CONTROL_ENV " is too long");
    memcpy(a.sun_path, where, strlen(where) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = 5};
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a))) {
        peri_err_set(err, PERI_EIO,
                     "the perigee command that started this task is gone: %m");
        goto fail;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (receive_stdout(fd, err)) goto fail;
    c->socket = fd;
    return 0;
fail:
    if (fd >= 0) close(fd);
    return -1;
}

void peri_control_close(peri_control_t *c)
{
    if (c->socket >= 0) close(c->socket);
    c->socket = -1;
}

/* Whoever is not there to hear it has nothing to lose: no error. */
static void say(peri_control_t *c, const char *line, int flags)
{
    if (c->socket >= 0) {
        if (send(c->socket, line, strlen(line), flags | MSG_NOSIGNAL) < 0) return;
    } else if (c->on_stderr) {
        fprintf(stderr, PERI_CONTROL_MARK "%s\n", line);
    }
}

void peri_control_progress(peri_control_t *c, const peri_progress_t *p)
{
    char line[128];
    snprintf(line, sizeof(line), "P %llu %llu %llu", (unsigned long long)p->rows,
             (unsigned long long)p->rows_all, (unsigned long long)p->bytes);
    say(c, line, MSG_DONTWAIT);
}

void peri_control_kernel(peri_control_t *c, const char *kernel, const char *what,
                         double done, double total)
{
    char line[256];
    snprintf(line, sizeof(line), "K %.60s %.17g %.17g %.100s", kernel, done, total, what);
    say(c, line, MSG_DONTWAIT);
}

void peri_control_note(peri_control_t *c, const char *text)
{
    char line[PERI_CONTROL_LINE];
    if (c->socket < 0 && !c->on_stderr) {
        fprintf(stderr, "%s\n", text);
        return;
    }
    snprintf(line, sizeof(line), "N %s", text);
    say(c, line, 0);
}

void peri_control_report(peri_control_t *c, uint64_t rows, uint64_t marked,
                         const peri_hostread_t *hosts, size_t n)
{
    char line[512];
    snprintf(line, sizeof(line), "B %llu %llu", (unsigned long long)rows,
             (unsigned long long)marked);
    say(c, line, 0);
    for (size_t i = 0; i < n; i++) {
        const peri_progress_t *p = &hosts[i].read;
        snprintf(line, sizeof(line), "H %llu %llu %llu %llu %.200s",
                 (unsigned long long)p->local, (unsigned long long)p->shared,
                 (unsigned long long)p->remote, (unsigned long long)p->rows,
                 hosts[i].name);
        say(c, line, 0);
    }
}

void peri_control_summary(peri_control_t *c, const char *text)
{
    char line[PERI_CONTROL_LINE];
    snprintf(line, sizeof(line), "S %s", text);
    if (c->socket < 0 && !c->on_stderr)
        fprintf(stderr, "%s\n", text);
    else
        say(c, line, 0);
}

void peri_control_error(peri_control_t *c, const peri_err_t *err)
{
    char line[PERI_CONTROL_LINE];
    if (c->socket < 0 && !c->on_stderr) {
        fprintf(stderr, "perigee-task: %s\n", err->text);
        return;
    }
    snprintf(line, sizeof(line), "E %d %s", (int)err->code, err->text);
    for (char *p = line; *p; p++)
        if (*p == '\n') *p = PERI_CONTROL_NEWLINE;
    say(c, line, 0);
}

void peri_control_last_words(const peri_err_t *err)
{
    fprintf(stderr, "perigee: %s\n", err->text);
    fflush(stderr);
}

bool peri_control_cancelled(peri_control_t *c)
{
    if (c->socket < 0) return false;
    double now = peri_now();
    if (now - c->looked < LOOK_EVERY) return false;
    c->looked = now;
    char line[16];
    ssize_t n = recv(c->socket, line, sizeof(line), MSG_DONTWAIT);
    if (n < 0) return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
    if (n > 0 && line[0] == 'T') c->time_is_up = true;
    return n == 0 || line[0] == 'C';
}
