/* check.h - what perigeed looks at before it runs, or instead of it.
 *
 * Changes nothing. config: as for peri_config_load.
 */
#ifndef PORTAL_CHECK_H
#define PORTAL_CHECK_H

#include <stdbool.h>

#include "perigee/err.h"
#include "portal/config/config.h"

/* Of a configuration what its parser cannot know: mail, providers, settings of
 * schedulers. plugins: a scheduler whose plugin is missing is a mistake, too; a daemon
 * lives without. */
int peri_check_sections(const peri_config_t *c, bool plugins, peri_err_t *err);
/* `perigeed --check` */
int peri_check_config(const char *config, peri_err_t *err);
/* `perigeed --check-log`: the events of all jobs give what is stored of them. */
int peri_check_log(const char *config, peri_err_t *err);

#endif
