/* rights.c - see rights.h. */
#include "portal/front/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/util.h"

#define PEM_MAX   (1u << 20)
#define LOW_PORTS 1024

/* ---- the certificate ---- */

static void read_certificate(const peri_config_t *c, peri_rights_t *r)
{
    peri_err_t err = {0};
    if (!c->web.certificate) return;
    if (peri_file_slurp(c->web.certificate, PEM_MAX, &r->certificate, &r->certificate_len,
                        &err) ||
        peri_file_slurp(c->web.key, PEM_MAX, &r->key, &r->key_len, &err))
        r->why_not = peri_xasprintf(
            "%s%s", err.text,
            geteuid() == 0 ? ""
                           : " (only root may read it? then root runs this command)");
}

void peri_rights_free(peri_rights_t *r)
{
    if (r->key) explicit_bzero(r->key, r->key_len);
    free(r->key);
    free(r->certificate);
    free(r->hint);
    free(r->why_not);
    free(r->later);
    *r = (peri_rights_t){0};
}

/* ---- whose folder ---- */

/* Nothing in it that perigee has made. */
static bool is_fresh(const char *state)
{
    static const char *const made[] = {"postgres", "perigeed.pid", "jobs"};
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        char *path = peri_xasprintf("%s/%s", state, made[i]);
        bool there = access(path, F_OK) == 0;
        free(path);
        if (there) return false;
    }
    return true;
}

/* The folder, and nothing a link may lead to. */
static int give_folder(const char *path, const struct passwd *pw, peri_err_t *err)
{
    if (peri_mkdirs(path, err)) return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = fd < 0 || fchown(fd, pw->pw_uid, pw->pw_gid) ? -1 : 0;
    if (rc)
        peri_err_set(err, PERI_EIO, "cannot give the folder %s to the user %s: %m", path,
                     pw->pw_name);
    if (fd >= 0) close(fd);
    return rc;
}

static int give_folders(const peri_config_t *c, const struct passwd *pw, peri_err_t *err)
{
    if (give_folder(c->state, pw, err)) return -1;
    if (access(c->spool, F_OK) == 0 || peri_path_is_below(c->spool, c->state)) return 0;
    return give_folder(c->spool, pw, err);
}

/* ---- who ---- */

static char *how_to_make(const peri_config_t *c, const char *name)
{
    return peri_xasprintf("useradd --system --user-group --home-dir %s --shell "
                          "/usr/sbin/nologin %s",
                          c->state, name);
}

static char *how_to_convert(const peri_config_t *c, const char *name)
{
    bool apart = !peri_path_is_below(c->spool, c->state) && access(c->spool, F_OK) == 0;
    /* The configuration stays root's. */
    bool within = c->source && peri_path_is_below(c->source, c->state);
    return peri_xasprintf("perigee down && chown -R %s: %s%s%s%s%s", name, c->state,
                          apart ? " " : "", apart ? c->spool : "",
                          within ? " && chown root " : "", within ? c->source : "");
}

/* Root by nobody's wish: no door, and a word how that is mended. */
static int stay_root(peri_rights_t *r, const char *why, char *command)
{
    r->hint = peri_xasprintf("%s: %s", why, command);
    free(command);
    return 0;
}

static int refuse(peri_err_t *err, const char *why, char *command)
{
    peri_err_set(err, PERI_EDENIED, "%s: %s", why, command);
    free(command);
    return -1;
}

/* The user to become in *pw, or NULL in *found: stay root. */
static int choose(const peri_config_t *c, bool start, peri_rights_t *r, struct passwd *pw,
                  char *space, size_t cap, struct passwd **found, peri_err_t *err)
{
    const char *name = c->user ? c->user : c->all_users ? "root" : PERI_RIGHTS_USER;
    char why[256];
    struct stat st;
    *found = NULL;
    const bool there = lstat(c->state, &st) == 0;
    if (!start && there && st.st_uid != 0) {
        /* Who owns it runs it, whatever the configuration says by now. */
        if (getpwuid_r(st.st_uid, pw, space, cap, found)) *found = NULL;
        return 0;
    }
    if (getpwnam_r(name, pw, space, cap, found) || !*found) {
        *found = NULL;
        if (c->user) {
            snprintf(why, sizeof(why), "there is no user \"%.64s\" to run perigee as",
                     name);
            return start ? refuse(err, why, how_to_make(c, name)) : 0;
        }
        return stay_root(r,
                         "not opened, for root runs perigee and there is no user "
                         "\"" PERI_RIGHTS_USER "\" to run it as",
                         how_to_make(c, name));
    }
    if (start && pw->pw_uid != 0 && c->all_users)
        return peri_err_set(
            err, PERI_EINVAL,
            "\"users: all\" needs root, and \"user: %.64s\" is another one: "
            "remove one of the two",
            name);
    if (pw->pw_uid == 0 || (there && st.st_uid == pw->pw_uid)) {
        if (pw->pw_uid == 0) *found = NULL;
        return 0;
    }
    if (!there || (st.st_uid == 0 && is_fresh(c->state))) {
        if (start) return give_folders(c, pw, err);
        r->later = peri_xstrdup(name);
        *found = NULL;
        return 0;
    }
    *found = NULL;
    if (st.st_uid != 0)
        return peri_err_set(
            err, PERI_EDENIED,
            "the state folder %s belongs to another user (uid %u) than the "
            "one to run as, \"%.64s\"",
            c->state, (unsigned)st.st_uid, name);
    snprintf(why, sizeof(why),
             "the state folder is root's, and perigee is to run as \"%.64s\"", name);
    if (c->user && start) return refuse(err, why, how_to_convert(c, name));
    return stay_root(r, why, how_to_convert(c, name));
}

/* ---- becoming ---- */

static int set_capabilities(bool ports)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (ports) {
        data[0].permitted = 1u << CAP_NET_BIND_SERVICE;
        data[0].effective = data[0].inheritable = data[0].permitted;
    }
    return (int)syscall(SYS_capset, &head, data);
}

bool peri_rights_lend_ports(void)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0) == 1)
        return false;
    /* Fails where we have no such right ourselves. */
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

void peri_rights_unlend_ports(void)
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_NET_BIND_SERVICE, 0, 0);
}

static bool needs_ports(const peri_confweb_t *w)
{
    return !w->off &&
           ((w->port && w->port < LOW_PORTS) || (w->redirect && w->redirect < LOW_PORTS));
}

static void set_environment(const peri_config_t *c, const struct passwd *pw)
{
    static const char *const foreign[] = {"XDG_STATE_HOME",  "XDG_RUNTIME_DIR",
                                          "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
                                          "XDG_DATA_HOME",   "MAIL"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        unsetenv(foreign[i]);
    setenv("HOME", pw->pw_dir, 1);
    setenv("USER", pw->pw_name, 1);
    setenv("LOGNAME", pw->pw_name, 1);
    /* Where root's default lies, that of the user does not. */
    setenv("PERIGEE_STATE", c->state, 1);
}

static int become(const peri_config_t *c, const struct passwd *pw, peri_err_t *err)
{
    bool ports = needs_ports(&c->web);
    if (prctl(PR_SET_KEEPCAPS, ports, 0, 0, 0) || initgroups(pw->pw_name, pw->pw_gid) ||
        setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) || set_capabilities(ports) ||
        prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return peri_err_set(err, PERI_EDENIED, "cannot become the user %s: %m",
                            pw->pw_name);
    if (setuid(0) == 0)
        return peri_err_set(err, PERI_EINTERNAL, "root's rights cannot be given up");
    set_environment(c, pw);
    /* Root's working folder may be closed to it. */
    if (access(".", X_OK) && chdir(c->state) && chdir("/"))
        return peri_err_set(err, PERI_EIO, "cannot change to %s: %m", c->state);
    return 0;
}

int peri_rights_become(const peri_config_t *c, bool start, peri_rights_t *r,
                       peri_err_t *err)
{
    struct passwd pw, *found = NULL;
    char space[16384];
    *r = (peri_rights_t){0};
    read_certificate(c, r);
    if (geteuid() != 0) {
        peri_rights_unlend_ports(); /* a service manager may have lent them to all */
        return 0;
    }
    r->root = true;
    if (choose(c, start, r, &pw, space, sizeof(space), &found, err)) return -1;
    if (!found) return 0;
    if (become(c, found, err)) return -1;
    r->root = false;
    return 0;
}
