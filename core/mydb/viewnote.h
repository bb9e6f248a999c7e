/* viewnote.h - the description of a view: lines of "-- " above its SELECT. Texts only; no
 * file is touched here. */
#ifndef CORE_MYDB_VIEWNOTE_H
#define CORE_MYDB_VIEWNOTE_H

/* What the view's text says of itself, lines joined by \n ("": nothing); the caller
 * frees. *select: where the rest begins. */
char *peri_viewnote_read(const char *text, const char **select);
/* The text of a view with this description; the caller frees. */
char *peri_viewnote_write(const char *note, const char *select);

#endif
