/* ask.c - one question to perigee-helper; see client.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/util.h"
#include "portal/helper/client.h"

#define PATIENCE 20 /* seconds */

char *peri_helper_socket(const peri_config_t *c)
{
    return peri_xasprintf("%s/helper.sock", c->state);
}

static int no_helper(peri_err_t *err)
{
    return peri_err_set(
        err, PERI_EIO,
        "perigee-helper does not answer (%m), so no job can be started as "
        "its Unix user: 'perigee up' of root starts it");
}

/* It is root's, or we talk to somebody else. */
static int connect_to(const char *path, peri_err_t *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE};
    struct ucred peer;
    socklen_t n = sizeof(peer);
    if (strlen(path) >= sizeof(at.sun_path))
        return peri_err_set(err, PERI_EINVAL, "the path %s is too long for a socket",
                            path);
    strcpy(at.sun_path, path);
    int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (s < 0) return no_helper(err);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(s, (struct sockaddr *)&at, sizeof(at))) {
        no_helper(err);
    } else if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &n) || peer.uid != 0) {
        peri_err_set(err, PERI_EIO, "who listens at %s is not root's perigee-helper",
                     path);
    } else {
        return s;
    }
    close(s);
    return -1;
}

typedef union {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int))];
} control_t;

static int send_it(int s, const void *packet, size_t len, int fd)
{
    control_t control = {0};
    struct iovec io = {(void *)(uintptr_t)packet, len};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    return sendmsg(s, &m, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static int hear(int s, peri_helperanswer_t *answer, int *pidfd)
{
    control_t control = {0};
    struct iovec io = {answer, sizeof(*answer)};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t n;
    do {
        n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(pidfd, CMSG_DATA(c), sizeof(int));
    if (n == (ssize_t)sizeof(*answer) && answer->magic == PERI_HELPER_MAGIC) return 0;
    if (n >= 0) errno = ECONNRESET;
    return -1;
}

int peri_helper_ask(const char *socket, const void *packet, size_t len, int end_fd,
                    peri_helperanswer_t *answer, int *pidfd, peri_err_t *err)
{
    int got = -1, rc = -1, s = connect_to(socket, err);
    if (pidfd) *pidfd = -1;
    if (s < 0) return -1;
    if (send_it(s, packet, len, end_fd) || hear(s, answer, &got)) {
        no_helper(err);
        goto out;
    }
    answer->text[sizeof(answer->text) - 1] = '\0';
    if (answer->code != PERI_HELPER_DONE) {
        peri_err_set(err, answer->code == PERI_HELPER_REFUSED ? PERI_EDENIED : PERI_EIO,
                     "perigee-helper %s: %s",
                     answer->code == PERI_HELPER_REFUSED ? "refuses" : "cannot",
                     answer->text);
        goto out;
    }
    rc = 0;
out:
    if (rc == 0 && pidfd)
        *pidfd = got;
    else if (got >= 0)
        close(got);
    close(s);
    return rc;
}

static int simple(const char *socket, uint32_t verb, peri_err_t *err)
{
    const peri_helperask_t ask = {.magic = PERI_HELPER_MAGIC, .verb = verb};
    peri_helperanswer_t answer;
    return peri_helper_ask(socket, &ask, sizeof(ask), -1, &answer, NULL, err);
}

int peri_helper_ping(const char *socket, peri_err_t *err)
{
    return simple(socket, PERI_HELPER_PING, err);
}

int peri_helper_stop(const char *socket, peri_err_t *err)
{
    return simple(socket, PERI_HELPER_STOP, err);
}
