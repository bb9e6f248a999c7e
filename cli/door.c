/* door.c - see door.h: what `up`, `reload` and `down` do with nginx. */
#include "cli/door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/util.h"

#define PORT_TRIES 5
#define TEXT_MAX   (256u << 10)

typedef struct {
    const peri_config_t *conf;
    const peri_rights_t *rights;
    peri_doors_t *d;
    peri_nginx_t now;
    char *program;
    peri_buf_t text;
    char mark[17];
    bool only_place, moved;
} work_t;

void peri_door_free(peri_doors_t *d)
{
    peri_front_free(&d->front);
    free(d->kept);
    d->kept = NULL;
}

/* Unless somebody asked for a door, Perigee does without nginx. */
peri_wanted_t peri_door_wanted(const peri_config_t *c, const peri_rights_t *r,
                               const char *program, const char **why)
{
    peri_wanted_t wanted = peri_front_wanted(c, r, why);
    if (wanted != PERI_WANTED_OPEN || program || c->web.given) return wanted;
    *why = "nginx is not installed; 'apt-get install nginx' and 'perigee up' open it";
    return PERI_WANTED_CLOSED;
}

/* 1: there is to be none, and is none now; or only its place was wanted. */
static int begin(work_t *w, peri_err_t *err)
{
    const char *why = NULL;
    peri_front_t *f = &w->d->front;
    peri_front_init(f, w->conf);
    peri_buf_init(&w->text, TEXT_MAX);
    if (peri_nginx_look(f, &w->now, err)) return -1;
    w->program = peri_nginx_program();
    peri_wanted_t wanted = peri_door_wanted(w->conf, w->rights, w->program, &why);
    if (wanted == PERI_WANTED_OPEN && !w->program)
        return peri_err_set(err, PERI_ENOTFOUND,
                            "the configuration has a section web, but nginx is not "
                            "installed: apt-get install nginx");
    if (wanted != PERI_WANTED_OPEN || (w->now.alive && !w->now.master)) {
        if (peri_nginx_stop(f, err)) return -1;
        w->now = (peri_nginx_t){0};
    }
    if (wanted != PERI_WANTED_OPEN) {
        unlink(f->file); /* nobody starts it again */
        w->d->note = why;
        w->d->way = PERI_WAY_SHUT;
        return 1;
    }
    const int moved = peri_front_choose_port(f, w->conf, w->now.master, err);
    if (moved < 0) return -1;
    w->moved = moved;
    if (w->only_place) return 1;
    if (peri_front_prepare(f, w->conf, w->rights, err)) return -1;
    return peri_front_write(&f->conf, &w->text, w->mark, err);
}

static void end(work_t *w)
{
    free(w->program);
    peri_buf_free(&w->text);
}

static int start(work_t *w, peri_err_t *err)
{
    peri_doors_t *d = w->d;
    if (peri_nginx_install(&d->front, w->program, w->text.data, w->text.len, err) ||
        peri_nginx_start(&d->front, w->program, w->mark, &d->child, err))
        return -1;
    d->way = PERI_WAY_STARTED;
    return 0;
}

static bool is_current(const work_t *w)
{
    peri_nginxsay_t said;
    return peri_nginx_ask(&w->d->front, &said) == 0 && !strcmp(said.mark, w->mark);
}

int peri_door_place(const peri_config_t *c, const peri_rights_t *r, bool *moved,
                    peri_err_t *err)
{
    peri_doors_t d = {0};
    work_t w = {.conf = c, .rights = r, .d = &d, .only_place = true};
    int rc = begin(&w, err);
    *moved = w.moved;
    end(&w);
    peri_door_free(&d);
    return rc < 0 ? -1 : 0;
}

int peri_door_up(const peri_config_t *c, const peri_rights_t *r, peri_doors_t *d,
                 peri_err_t *err)
{
    work_t w = {.conf = c, .rights = r, .d = d};
    *d = (peri_doors_t){0};
    int rc = begin(&w, err);
    /* A port that was free a moment ago may be another's by now. */
    for (int tries = 1; rc == 0 && !w.now.master && d->way != PERI_WAY_STARTED; tries++) {
        if ((rc = start(&w, err)) == 0) break;
        if (c->web.port || tries == PORT_TRIES) break;
        end(&w);
        peri_door_free(d);
        w = (work_t){.conf = c, .rights = r, .d = d};
        *d = (peri_doors_t){0};
        rc = begin(&w, err);
    }
    if (rc == 0 && d->way != PERI_WAY_STARTED) {
        d->way = PERI_WAY_RAN;
        if (!is_current(&w))
            d->note = "it has another configuration than perigee.yaml says by now: "
                      "'perigee reload' renews it";
    }
    end(&w);
    return rc < 0 ? -1 : 0;
}

/* A port that the nginx of now may not open, but a new one may. */
static int start_anew(work_t *w, peri_err_t *err)
{
    if (peri_nginx_stop(&w->d->front, err)) return -1;
    return start(w, err);
}

static int renew(work_t *w, peri_err_t *err)
{
    peri_doors_t *d = w->d;
    const peri_front_t *f = &d->front;
    size_t len = 0;
    if (peri_file_slurp(f->file, TEXT_MAX, &d->kept, &len, err) ||
        peri_nginx_install(f, w->program, w->text.data, w->text.len, err))
        return -1;
    d->way = PERI_WAY_RELOADED;
    if (peri_nginx_reload(f, w->mark, err) == 0) return 0;
    if (strstr(err->text, "Permission denied") && start_anew(w, err) == 0) return 0;
    /* What it goes on with is what it would start with. */
    (void)peri_file_write_atomic(f->file, d->kept, len, NULL);
    return -1;
}

int peri_door_reload(const peri_config_t *c, const peri_rights_t *r, peri_doors_t *d,
                     peri_err_t *err)
{
    work_t w = {.conf = c, .rights = r, .d = d};
    *d = (peri_doors_t){0};
    int rc = begin(&w, err);
    if (rc == 0) peri_nginx_rotate(&d->front, &w.now, true);
    if (rc == 0 && !w.now.master)
        rc = start(&w, err);
    else if (rc == 0 && is_current(&w))
        d->way = PERI_WAY_UNCHANGED;
    else if (rc == 0)
        rc = renew(&w, err);
    end(&w);
    return rc < 0 ? -1 : 0;
}

int peri_door_down(const peri_config_t *c, bool *was, peri_err_t *err)
{
    peri_front_t f;
    peri_nginx_t n;
    peri_front_init(&f, c);
    int rc = peri_nginx_look(&f, &n, err);
    *was = rc == 0 && n.alive;
    if (*was) rc = peri_nginx_stop(&f, err);
    peri_front_free(&f);
    return rc;
}
