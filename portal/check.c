/* check.c - see check.h. */
#include "portal/check.h"

#include <stdlib.h>

#include "core/base/util.h"
#include "jobs/store/db.h"
#include "jobs/store/store.h"
#include "portal/account/mail.h"
#include "portal/account/oidc.h"
#include "scheduler/scheduler.h"

int peri_check_sections(const peri_config_t *c, bool plugins, peri_err_t *err)
{
    peri_err_t why = {0};
    if ((c->mail.server && peri_mailconf_check(&c->mail, err)) ||
        peri_oidc_check(c->oidc, c->noidc, err))
        return -1;
    for (size_t i = 0; i < c->nschedulers; i++)
        if (peri_sched_check(c->schedulers[i].name, c->schedulers[i].conf, NULL, &why) &&
            (plugins || why.code != PERI_EUNSUPP)) {
            *err = why;
            return -1;
        }
    return 0;
}

int peri_check_config(const char *config, peri_err_t *err)
{
    peri_config_t *c = peri_config_load(config, err);
    int rc = c ? peri_check_sections(c, true, err) : -1;
    peri_config_free(c);
    return rc;
}

int peri_check_log(const char *config, peri_err_t *err)
{
    peri_config_t *c = peri_config_load(config, err);
    if (!c) return -1;
    char *conninfo =
        c->database ? peri_xstrdup(c->database) : peri_pg_conninfo(c->pg_dir);
    peri_db_t *db = peri_db_connect(conninfo, err);
    int rc = db ? peri_store_verify(db, NULL, err) : -1;
    if (db) peri_db_close(db);
    free(conninfo);
    peri_config_free(c);
    return rc;
}
