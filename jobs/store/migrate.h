/* migrate.h - the numbered SQL files as the build puts them into the program. Private. */
#ifndef JOBS_STORE_MIGRATE_H
#define JOBS_STORE_MIGRATE_H

extern const char *const peri_migrations[]; /* [0] leads from nothing to version 1 */
extern const int peri_nmigrations;

#endif
