/* verdict.h - why the program has ended, and the sentence for its user. */
#ifndef JOBS_LAUNCH_VERDICT_H
#define JOBS_LAUNCH_VERDICT_H

#include "jobs/launch/command.h"
#include "jobs/launch/watch.h"

/* Of a program that ran: kind, code, signal, core_dumped and text of r (usage is set). */
void peri_verdict(const peri_watch_t *w, const peri_command_t *c, peri_record_t *r);
/* What perigee-launch itself ends with. */
int peri_verdict_status(const peri_record_t *r);

#endif
