/* elder.h - a command that a portal runs for somebody who waits steps back when it takes
 * long, so that short ones are quick beside it. */
#ifndef CLI_ELDER_H
#define CLI_ELDER_H

/* Only if PERIGEE_WORD is set: from now on its age counts, from PERIGEE_AGE seconds. */
void peri_elder_begin(void);

#endif
