/* config_web.h - the section "web" of the configuration: the address that browsers and
 * programs of other machines reach the portal at. docs/admin/web.md is the reference.
 */
#ifndef PORTAL_CONFIG_CONFIG_WEB_H
#define PORTAL_CONFIG_CONFIG_WEB_H

#include <stdbool.h>

typedef struct {
    bool given;                    /* the section is there */
    bool off;                      /* listen: off */
    const char *address;           /* "127.0.0.1", "[::1]", "*"; NULL: 127.0.0.1 */
    int port;                      /* 0: found at the first start and kept */
    const char *url;               /* scheme, host and port; NULL: made of the address */
    const char *certificate, *key; /* absolute paths, both or none */
    int redirect;                  /* port of plain HTTP; 0: none */
} peri_confweb_t;

/* Only this machine reaches it. */
bool peri_config_web_is_loopback(const char *address);

#endif
