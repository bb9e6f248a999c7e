/* folder.h - the task folder of one command: what perigee-launch reads, SPOOL/quick/ID.
 * It is gone when the command is over. */
#ifndef PORTAL_QUICK_FOLDER_H
#define PORTAL_QUICK_FOLDER_H

#include "portal/jobs/binds.h"

typedef struct {
    const char *id;
    int64_t account;
    const char *const *argv; /* the command, its first word "perigee" without a folder */
    size_t argc;
    double age;     /* that it begins with: cli/elder.h */
    unsigned width; /* as in peri_quickrun_t */
    bool ascii;
    bool writes; /* tables; otherwise all that it sees can only be read */
} peri_quicktask_t;

/* Made from what the account may use now. *path: of the folder; strings of the arena. db:
 * with the daemon's own rights, no transaction open. */
int peri_quickfolder_make(const peri_portal_t *p, peri_db_t *db,
                          const peri_quicktask_t *task, peri_arena_t *arena,
                          peri_binds_t *binds, const char **path, peri_err_t *err);
/* And all that is in it. */
void peri_quickfolder_remove(const peri_portal_t *p, const char *id);
/* The folder of them all, made anew without any. */
int peri_quickfolder_sweep(const peri_portal_t *p, peri_err_t *err);
/* A file without a name there. */
int peri_quickfolder_file(const peri_portal_t *p, peri_err_t *err);
/* Whether so many bytes more may be written to it: what else is on that disk must go on,
 * the database, too. *left: bytes that may. */
bool peri_quickfolder_room(int fd, uint64_t more, uint64_t *left);

#endif
