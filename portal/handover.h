/* handover.h - perigeed becomes its successor: the same process executes the program of
 * now with the configuration of now, and keeps the sockets it listens on and the lock on
 * its pidfile. Connections wait in the sockets' queues meanwhile. One thread.
 */
#ifndef PORTAL_HANDOVER_H
#define PORTAL_HANDOVER_H

#include <stddef.h>

typedef struct {
    const char *path;
    int fd;
} peri_handed_t;

/* Before any thread starts: what the one before has left, if there was one. */
void peri_handover_begin(void);
/* The descriptor that was left for this path, ours now (close-on-exec); -1: none. */
int peri_handover_take(const char *path);
/* What nobody has taken is closed. */
void peri_handover_end(void);
/* Children of the one before are ours, but nothing here waits for those whose thread has
 * ended with it. Takes away the ones that are over; one thread, now and then. */
void peri_handover_reap(void);
/* No other thread is left. Returns only if it fails (errno). */
void peri_handover_exec(const char *program, char **argv, const peri_handed_t *handed,
                        size_t n);

#endif
