/* cli.c - what the sub-commands share: errors, the word for a program, interrupts. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/harmless.h"

static volatile sig_atomic_t interrupted, time_is_up;

/* ---- the word ---- */

bool peri_cli_word_is_wanted(void)
{
    const char *s = getenv("PERIGEE_WORD");
    return s && strcmp(s, "1") == 0;
}

void peri_cli_word(json_t *take)
{
    if (take && peri_cli_word_is_wanted()) {
        char *text = json_dumps(take, JSON_COMPACT);
        fflush(stdout);
        if (text) fprintf(stderr, "\x1e%s\n", text);
        fflush(stderr);
        free(text);
    }
    json_decref(take);
}

static void word_of_failure(peri_code_t code, const char *text)
{
    /* A name in the sentence may be any bytes. */
    json_t *words = json_string(text);
    if (!words) words = json_string("it failed; the reason is not UTF-8");
    peri_cli_word(json_pack("{s:i, s:o}", "code", (int)code, "text", words));
}

int peri_cli_fail(const peri_err_t *err)
{
    if (peri_cli_word_is_wanted()) {
        word_of_failure(err->code, err->text);
    } else if (err->code != PERI_ECLOSED) {
        /* It may name what others wrote. */
        fputs("perigee: ", stderr);
        peri_harmless_print(stderr, err->text);
        fputc('\n', stderr);
    }
    return peri_err_exit_status(err);
}

int peri_cli_usage(const char *command)
{
    fprintf(stderr, "Try 'perigee %s --help'.\n", command);
    if (peri_cli_word_is_wanted()) {
        char text[200];
        snprintf(text, sizeof(text), "perigee %.100s cannot be called so", command);
        word_of_failure(PERI_EINVAL, text);
    }
    return 2;
}

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void on_time(int sig)
{
    (void)sig;
    time_is_up = 1;
}

void peri_cli_catch_interrupts(void)
{
    const struct sigaction t = {.sa_handler = on_time, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &t, NULL);
    struct sigaction sa;
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_signal;
    sa.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool peri_cli_interrupted(void)
{
    return interrupted != 0;
}

void peri_cli_forget_interrupt(void)
{
    interrupted = 0;
}

bool peri_cli_time_is_up(void)
{
    return time_is_up != 0;
}

int peri_cli_count(const char *command, const char *option, const char *s, int64_t min,
                   int64_t max, int64_t *out)
{
    char *end;
    long long v = strtoll(s, &end, 10);
    if (end != s && !*end && v >= min && v <= max) {
        *out = v;
        return 0;
    }
    fprintf(stderr, "perigee: --%s needs a whole number from %lld to %lld, not \"%s\".\n",
            option, (long long)min, (long long)max, s);
    return peri_cli_usage(command);
}

int peri_cli_done(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    if (errno == EPIPE) return 141;
    peri_err_t err = {0};
    peri_err_set(&err, PERI_EIO, "the output could not be written: %s", strerror(errno));
    return peri_cli_fail(&err);
}
