/* message.h - what perigeed asks perigee-helper, and what that answers: one packet each
 * of a SOCK_SEQPACKET socket, in the byte order of the machine.
 *
 * Nothing in a request is a path of the machine: a user by name, a task by its numbers
 * below the spool, volumes by number and a clean path in them. The helper alone knows
 * where spool and volumes lie, and which programs there are.
 *
 * The parser is a function of the bytes only and is fuzzed. It uses nothing but libc, as
 * all of the helper. Threads: no state.
 */
#ifndef PORTAL_HELPER_MESSAGE_H
#define PORTAL_HELPER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PERI_HELPER_MAGIC  0x50485231u
#define PERI_HELPER_MAX    65536 /* bytes of a request */
#define PERI_HELPER_MOUNTS 256   /* as PERI_SANDBOX_BINDS */
#define PERI_HELPER_PATH   4096
/* Folders of volumes (peri_helper_slot) as perigee-launch of a user sees them, and nobody
 * else: a file system in memory of that process. */
#define PERI_HELPER_AT "/run/perigee"

typedef enum {
    PERI_HELPER_PING = 1,
    PERI_HELPER_START, /* perigee-launch; with one descriptor, a pipe (starter.h) */
    PERI_HELPER_KILL,
    PERI_HELPER_STOP /* the helper ends; what it has started goes on */
} peri_helperverb_t;

typedef struct {
    uint32_t magic, verb;
    char user[64];
    char uuid[40];
    char step[200];
    int32_t attempt, index;
    uint32_t array;
    int32_t signal, pid; /* of KILL: 0, SIGTERM, SIGKILL; 0: all of the task */
    uint32_t nmounts;    /* of START: so many peri_helpermount_t follow */
    uint64_t start;      /* of KILL: when pid began, as /proc/PID/stat has it */
} peri_helperask_t;

/* Followed by its path with the NUL, "" for all of the volume. */
typedef struct {
    uint64_t volume;
    uint32_t write;
    uint32_t len; /* of the path, with its NUL */
} peri_helpermount_t;

typedef enum {
    PERI_HELPER_DONE,
    PERI_HELPER_REFUSED,
    PERI_HELPER_FAILED
} peri_helpercode_t;

/* The pidfd of a START comes with it. */
typedef struct {
    uint32_t magic;
    int32_t code, pid, found;
    uint64_t start;
    char text[256]; /* why not */
} peri_helperanswer_t;

typedef struct {
    uint64_t volume;
    bool write;
    const char *path; /* in the packet */
} peri_helperbind_t;

typedef struct {
    peri_helperask_t ask;
    peri_helperbind_t binds[PERI_HELPER_MOUNTS];
} peri_helperrequest_t;

/* NULL: it is well formed; else the sentence why not. data must outlive *out. */
const char *peri_helper_parse(const void *data, size_t len, peri_helperrequest_t *out);

/* The name below PERI_HELPER_AT of a folder in a volume: the same for the same folder, so
 * that what was written at different times cannot be mistaken for each other. */
#define PERI_HELPER_SLOT 48
void peri_helper_slot(uint64_t volume, const char *path, char out[PERI_HELPER_SLOT]);

bool peri_helper_name_ok(const char *name);                      /* of a Unix user */
const char *peri_helper_step_ok(const char *step, size_t space); /* NULL: it is */
bool peri_helper_uuid_ok(const char *uuid);
bool peri_helper_path_ok(const char *path); /* "" is */

#endif
