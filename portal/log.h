/* log.h - the daemon's log: one line an entry on stderr, "TIME LEVEL text key=value ...".
 *
 * The text is a sentence for an administrator. Any thread; an entry is one write.
 */
#ifndef PORTAL_LOG_H
#define PORTAL_LOG_H

typedef enum {
    PERI_LOG_DEBUG,
    PERI_LOG_INFO,
    PERI_LOG_WARN,
    PERI_LOG_ERROR
} peri_level_t;

void peri_log_level(peri_level_t least);
void peri_log(peri_level_t level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, but a text that was logged under this key less than `seconds` ago is left
 * out: for what goes wrong again and again. */
void peri_log_seldom(peri_level_t level, const char *key, double seconds, const char *fmt,
                     ...) __attribute__((format(printf, 4, 5)));

#endif
