/* io.h - reading of small files, whole. Errors are in errno. */
#ifndef JOBS_TASK_IO_H
#define JOBS_TASK_IO_H

#include <stddef.h>
#include <sys/types.h>

/* From `offset` on until the end or until size bytes are there; -1 with errno. */
ssize_t peri_read_some(int fd, void *data, size_t size, off_t offset);
/* A file such as those of /proc into out, with a NUL; its length, -1 with errno. */
ssize_t peri_read_small(int dirfd, const char *name, char *out, size_t size);

#endif
