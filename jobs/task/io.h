/* io.h - reading and writing of small files, whole. Errors are in errno. */
#ifndef JOBS_TASK_IO_H
#define JOBS_TASK_IO_H

#include <stddef.h>
#include <sys/types.h>

/* 0, or -1 with errno. */
int peri_write_all(int fd, const void *data, size_t len);
/* From `offset` on until the end or until size bytes are there; -1 with errno. */
ssize_t peri_read_some(int fd, void *data, size_t size, off_t offset);
/* A file such as those of /proc into out, with a NUL; its length, -1 with errno. */
ssize_t peri_read_small(int dirfd, const char *name, char *out, size_t size);

#endif
