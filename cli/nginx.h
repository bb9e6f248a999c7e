/* nginx.h - starting, reloading and stopping the nginx of this installation.
 *
 * That it lives is known from the lock that its processes hold; its process group stands
 * in that file. Only such a group is ever sent a signal. Who calls holds the lock of `up`
 * and `down` (daemon.h).
 */
#ifndef CLI_NGINX_H
#define CLI_NGINX_H

#include <stdbool.h>
#include <sys/types.h>

#include "portal/front/front.h"

typedef struct {
    bool alive;  /* some process of it */
    bool master; /* it takes orders; without it only workers are left */
    pid_t pid;   /* of the master, and of the group */
} peri_nginx_t;

int peri_nginx_look(const peri_front_t *f, peri_nginx_t *n, peri_err_t *err);
/* The program, or NULL. The caller frees. */
char *peri_nginx_program(void);
/* Writes the text beside nginx.conf and lets nginx read it; on success it is put in
 * place. Changes nothing that runs. */
int peri_nginx_install(const peri_front_t *f, const char *program, const char *text,
                       size_t len, peri_err_t *err);
/* Starts it with what is installed and waits until it answers with the mark. What is left
 * of one that was killed goes first. *child: its pid. */
int peri_nginx_start(const peri_front_t *f, const char *program, const char *mark,
                     pid_t *child, peri_err_t *err);
/* The same with the text that is installed, when it has ended by itself. */
int peri_nginx_again(const peri_front_t *f, pid_t *child, peri_err_t *err);
/* The installed text becomes valid without a connection lost; waits until it is. */
int peri_nginx_reload(const peri_front_t *f, const char *mark, peri_err_t *err);
/* The logs are opened again; too large ones are put aside before. */
void peri_nginx_rotate(const peri_front_t *f, const peri_nginx_t *n, bool always);
/* Requests under way get some seconds. Not running: nothing. */
int peri_nginx_stop(const peri_front_t *f, peri_err_t *err);

typedef struct {
    char mark[17]; /* of the configuration it has */
    int connections;
} peri_nginxsay_t;
/* What it tells of itself; -1: it does not answer. */
int peri_nginx_ask(const peri_front_t *f, peri_nginxsay_t *s);

#endif
