/* prompt.c - see prompt.h. */
#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t hit;

static void on_signal(int sig)
{
    hit = sig;
}

/* One line from fd, byte by byte, so that nothing behind it is taken away. -1: none, with
 * *err. */
static int read_line(int fd, char out[PERI_PROMPT_MAX], peri_err_t *err)
{
    size_t n = 0;
    for (char ch;;) {
        ssize_t got = read(fd, &ch, 1);
        if (got < 0 && errno == EINTR && !hit) continue;
        if (hit) return peri_err_set(err, PERI_ECANCEL, "interrupted");
        if (got <= 0 && n == 0)
            return peri_err_set(err, PERI_EINVAL, "there is no answer to read");
        if (got <= 0 || ch == '\n') break;
        if (ch == '\0' || n == PERI_PROMPT_MAX - 1)
            return peri_err_set(err, PERI_EINVAL,
                                "an answer is a line of at most %d bytes",
                                PERI_PROMPT_MAX - 1);
        out[n++] = ch;
    }
    if (n && out[n - 1] == '\r') n--;
    out[n] = '\0';
    return 0;
}

static int ask_terminal(int tty, const char *question, const char *fallback, bool hidden,
                        char out[PERI_PROMPT_MAX], peri_err_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    const struct sigaction sa = {.sa_handler = on_signal};
    struct sigaction old[4];
    struct termios before, quiet;
    hit = 0;
    for (size_t i = 0; i < 4; i++) sigaction(signals[i], &sa, &old[i]);
    bool changed = hidden && tcgetattr(tty, &before) == 0;
    if (changed) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(tty, TCSAFLUSH, &quiet);
    }
    dprintf(tty, "%s%s%s%s: ", question, fallback ? " [" : "", fallback ? fallback : "",
            fallback ? "]" : "");
    int rc = read_line(tty, out, err);
    if (changed) tcsetattr(tty, TCSAFLUSH, &before);
    if (changed || hit) dprintf(tty, "\n");
    for (size_t i = 0; i < 4; i++) sigaction(signals[i], &old[i], NULL);
    if (hit && hit != SIGINT) raise(hit);
    return rc;
}

int peri_prompt(const char *question, const char *fallback, bool hidden, bool from_stdin,
                char out[PERI_PROMPT_MAX], peri_err_t *err)
{
    int rc;
    if (from_stdin) {
        rc = read_line(STDIN_FILENO, out, err);
    } else {
        int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (tty < 0)
            return peri_err_set(err, PERI_EINVAL,
                                "there is no terminal to ask for the %s: --stdin reads "
                                "the answers from standard input, a line each",
                                question);
        rc = ask_terminal(tty, question, fallback, hidden, out, err);
        close(tty);
    }
    if (rc == 0 && !*out && fallback) snprintf(out, PERI_PROMPT_MAX, "%s", fallback);
    return rc;
}

int peri_prompt_new_password(const char *question, bool from_stdin,
                             char out[PERI_PROMPT_MAX], peri_err_t *err)
{
    char again[PERI_PROMPT_MAX];
    if (peri_prompt(question, NULL, true, from_stdin, out, err)) return -1;
    if (from_stdin) return 0;
    int rc = peri_prompt("the same again", NULL, true, false, again, err);
    if (rc == 0 && strcmp(out, again) != 0)
        rc = peri_err_set(err, PERI_EINVAL, "the two are not the same; nothing was done");
    explicit_bzero(again, sizeof(again));
    return rc;
}
