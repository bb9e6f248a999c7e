/* log.c - a line on stderr and in syslog for what the helper does. */
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "portal/helper/helper.h"

void peri_helper_log(const char *fmt, ...)
{
    char text[1024], when[32];
    const time_t now = time(NULL);
    struct tm tm;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127) *p = '?';
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    fprintf(stderr, "%s perigee-helper[%d] %s\n", when, (int)getpid(), text);
    syslog(LOG_INFO, "%s", text);
}
