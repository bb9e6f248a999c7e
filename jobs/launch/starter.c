/* starter.c - see starter.h. */
#include "jobs/launch/starter.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "jobs/task/text.h"

static bool begins(const char *line, size_t len, const char *with)
{
    const size_t n = strlen(with);
    return len >= n && memcmp(line, with, n) == 0;
}

static bool is_noise(const char *line, size_t len)
{
    static const char *const starts[] = {"srun: ", "slurmstepd", "mpirun ",
                                         "mpirun: ", "Primary job "};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (begins(line, len, starts[i])) return true;
    return strspn(line, " \t\r") >= len;
}

/* "srun: error: n2: task 3: Segmentation fault (core dumped)" */
static int signal_in(const char *line, size_t len)
{
    static const char head[] = "srun: error: ";
    if (!begins(line, len, head) || !memmem(line, len, ": task", 6)) return 0;
    for (int sig = 1; sig < 32; sig++) {
        const char *what = sigdescr_np(sig);
        if (what && memmem(line, len, what, strlen(what))) return sig;
    }
    return 0;
}

/* From here on others are ended because of it: what they say is not the reason. */
static bool tells_failure(const char *line, size_t len)
{
    static const char *const starts[] = {"srun: error: ", "mpirun noticed ",
                                         "mpirun detected ", "Primary job "};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (begins(line, len, starts[i])) return true;
    return false;
}

void peri_starter_read(const char *text, size_t len, char *out, size_t max, int *sig)
{
    bool in_block = false, over = false;
    out[0] = '\0';
    *sig = 0;
    for (const char *p = text, *end = text + len; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((nl ? nl : end) - p);
        if (*sig == 0) *sig = signal_in(p, n);
        over |= tells_failure(p, n);
        if (begins(p, n, "--------------------"))
            in_block = !in_block;
        else if (!in_block && !is_noise(p, n) && !(over && out[0]))
            peri_text_clean(p, n, out, max);
        p += n + 1;
    }
}
