/* launch_said.c - what ranks and their starter say, on the socket of rank 0 and on
 * stderr: told to the user, or kept until it is known how it ends. The conversation with
 * rank 0 is described in mpi/control.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/launch_priv.h"
#include "core/base/util.h"
#include "mpi/control.h"

#define MAX_HOSTS 65536

/* ---- what rank 0 says ---- */

void peri_launch_accept(peri_launch_t *l)
{
    int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) l->rank0 = who.pid;

    char byte = 'O';
    int out = STDOUT_FILENO;
    struct iovec iov = {&byte, 1};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = u.space,
                         .msg_controllen = sizeof(u.space)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &out, sizeof(out));
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) != 1) {
        close(fd);
        return;
    }
    l->control = fd;
    close(l->listener);
    l->listener = -1;
}

static void on_error_line(peri_launch_t *l, const char *s)
{
    char *text;
    long code = strtol(s, &text, 10);
    if (code <= PERI_OK || code > PERI_EINTERNAL) code = PERI_EINTERNAL;
    peri_err_set(&l->told, (peri_code_t)code, "%s", text + (*text == ' '));
    for (char *p = l->told.text; *p; p++)
        if (*p == PERI_CONTROL_NEWLINE) *p = '\n';
}

static void on_host(peri_launch_t *l, const char *s)
{
    unsigned long long local, shared, remote, rows;
    int at = 0;
    if (sscanf(s, "%llu %llu %llu %llu %n", &local, &shared, &remote, &rows, &at) != 4 ||
        at == 0 || l->nhosts == MAX_HOSTS)
        return;
    l->hosts = peri_xrealloc(l->hosts, l->nhosts + 1, sizeof(*l->hosts));
    l->hosts[l->nhosts++] = (peri_hostread_t){.name = peri_xstrdup(s + at),
                                              .read = {.rows = rows,
                                                       .bytes = local + shared + remote,
                                                       .local = local,
                                                       .shared = shared,
                                                       .remote = remote}};
}

/* What a kernel does: its name, how much of what. */
static void on_kernel(peri_launch_t *l, const char *s)
{
    enum { PARTS = 10000 };
    char kernel[64], label[256];
    double done, total;
    int at = 0;
    if (!l->bar || sscanf(s, "%63s %lf %lf %n", kernel, &done, &total, &at) != 3 || !at)
        return;
    snprintf(label, sizeof(label), "%s: %s", kernel, s + at);
    peri_bar_relabel(l->bar, label, "");
    const double part = total > 0 && done >= 0 ? done / total : 0;
    peri_bar_update(l->bar, (uint64_t)(PARTS * (part < 1 ? part : 1)), PARTS, 0);
}

static void on_note(const peri_launch_t *l, const char *text)
{
    if (!l->o->quiet) fprintf(stderr, "%s\n", text);
}

static void on_message(peri_launch_t *l, const char *s)
{
    unsigned long long rows, all, bytes, marked;
    if (s[0] == 'P' && sscanf(s, "P %llu %llu %llu", &rows, &all, &bytes) == 3) {
        if (l->bar) peri_bar_relabel(l->bar, "query", "rows");
        if (l->bar) peri_bar_update(l->bar, rows, all, bytes);
    } else if (strncmp(s, "K ", 2) == 0) {
        on_kernel(l, s + 2);
    } else if (strncmp(s, "N ", 2) == 0) {
        on_note(l, s + 2);
    } else if (s[0] == 'B' && sscanf(s, "B %llu %llu", &rows, &marked) == 2) {
        l->rows = rows;
        l->marked = marked;
    } else if (strncmp(s, "H ", 2) == 0) {
        on_host(l, s + 2);
    } else if (strncmp(s, "S ", 2) == 0) {
        free(l->summary);
        l->summary = peri_xstrdup(s + 2);
    } else if (strncmp(s, "E ", 2) == 0) {
        on_error_line(l, s + 2);
    } else if (strncmp(s, "R ", 2) == 0) {
        l->rank0 = (pid_t)atol(s + 2);
    }
}

void peri_launch_hear(peri_launch_t *l)
{
    char s[PERI_CONTROL_LINE + 1];
    while (l->control >= 0) {
        ssize_t n = recv(l->control, s, sizeof(s) - 1, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            close(l->control);
            l->control = -1;
            return;
        }
        s[n] = '\0';
        on_message(l, s);
    }
}

/* ---- what comes on stderr ---- */

static bool is_rule(const char *s)
{
    return strncmp(s, "--------------------", 20) == 0;
}

/* Lines with which a starter reports that a process of its has failed: who failed says it
 * better. */
static bool from_starter(const char *s)
{
    static const char *const starts[] = {"mpirun", "srun:", "slurmstepd", "prterun"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (strncmp(s, starts[i], strlen(starts[i])) == 0) return true;
    return s[0] == '[' && (strstr(s, "] ORTE_") || strstr(s, "] PMIX "));
}

void peri_launch_show_early(peri_launch_t *l)
{
    if (l->early.len) fputs(l->early.data, stderr);
    peri_buf_clear(&l->early);
}

static void on_stderr_line(peri_launch_t *l, const char *s)
{
    const size_t mark = strlen(PERI_CONTROL_MARK);
    if (strncmp(s, PERI_CONTROL_MARK, mark) == 0) {
        on_message(l, s + mark);
    } else if (strncmp(s, "perigee: ", 9) == 0) {
        if (!l->crashed.text[0]) peri_err_set(&l->crashed, PERI_EFORMAT, "%s", s + 9);
    } else if (l->in_block || is_rule(s) || from_starter(s)) {
        if (is_rule(s))
            l->in_block = !l->in_block;
        else if (*s && l->held.len < PERI_LAUNCH_HELD / 2)
            peri_buf_printf(&l->held, "%s\n", s);
    } else if (l->rank0 == 0 && l->early.len < PERI_LAUNCH_HELD / 2) {
        peri_buf_printf(&l->early, "%s\n", s);
    } else {
        peri_launch_show_early(l);
        fprintf(stderr, "%s\n", s);
    }
}

bool peri_launch_read_errors(peri_launch_t *l)
{
    char b[4096];
    for (;;) {
        ssize_t n = read(l->errors, b, sizeof(b));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        for (ssize_t i = 0; i < n; i++) {
            if (b[i] != '\n') {
                peri_buf_putc(&l->line, b[i]);
                if (l->line.len < PERI_CONTROL_LINE) continue;
            }
            on_stderr_line(l, l->line.data ? l->line.data : "");
            peri_buf_clear(&l->line);
        }
    }
}
