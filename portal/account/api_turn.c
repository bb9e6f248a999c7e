/* api_turn.c - passwords are hashed by the threads that serve connections, few at a time:
 * a request that finds no turn is put aside and looks again soon, so that the other
 * threads go on serving.
 */
#include <stdio.h>

#include "core/base/util.h"
#include "portal/account/api.h"
#include "portal/account/password.h"

#define AGAIN   0.04 /* seconds */
#define PATIENT 50.0 /* less than a browser, nginx, or an idle connection would wait */

int peri_api_turn(peri_request_t *r, peri_err_t *err)
{
    if (peri_password_turn_take()) return 1;
    const double now = peri_now();
    if (now - r->first > PATIENT)
        return peri_err_set(err, PERI_EIO,
                            "too many people sign in at this moment; try again in a few "
                            "seconds");
    /* There is never news of this: it only waits. */
    snprintf(r->wait_uuid, sizeof(r->wait_uuid), "turn");
    r->wait_until = now + AGAIN;
    return 0;
}

int peri_api_wait(peri_request_t *r, double seconds, const char *what, peri_err_t *err)
{
    char text[32];
    snprintf(text, sizeof(text), "%.0f", seconds + 0.5);
    peri_request_set_header(r, "Retry-After", text);
    return peri_err_set(err, PERI_EBUSY, "%s: try again in %s seconds", what, text);
}
