/* failpoint.h - places where a test can have a process killed, as a crash would.
 *
 * Only in builds with PERIGEE_FAILPOINTS=1 (the debug preset); elsewhere nothing is left
 * of them. PERIGEE_FAILPOINT="NAME:N" kills the process (SIGKILL) at the Nth pass of that
 * point; "*:N" at the Nth pass of any. The file PERIGEE_FAILPOINT_LOG gets its name.
 */
#ifndef CORE_BASE_FAILPOINT_H
#define CORE_BASE_FAILPOINT_H

#if PERIGEE_FAILPOINTS
void peri_failpoint(const char *name);
#else
static inline void peri_failpoint(const char *name)
{
    (void)name;
}
#endif

#endif
