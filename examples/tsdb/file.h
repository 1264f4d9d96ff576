/*
 * file: the few things done to files. All of them block, so they are for the loop of files (see main.c).
 *
 * Names are relative to a folder's descriptor. False means errno says why.
 */
#ifndef TSDB_FILE_H
#define TSDB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CRC-32 as in zip; begin with 0. */
uint32_t file_crc(uint32_t crc, const void *data, size_t size);

/* Opens a folder, made if it is not there. -1: errno. */
int file_folder(const char *path);
void file_close(int fd);

/* Writes all of it. */
bool file_write(int fd, const void *data, size_t size, off_t at);

/*
 * Makes what was written to `fd` the file `name`: after a crash at any moment there is the whole file or what was there
 * before. `fd` was opened as `draft` and is closed.
 */
bool file_publish(int folder, int fd, const char *draft, const char *name);

/* Opens the draft of a file, empty. -1: errno. */
int file_draft(int folder, const char *draft);

/* A file's bytes, to read. */
struct file_view {
    const uint8_t *data;
    size_t size;
};

bool file_map(int folder, const char *name, struct file_view *view);
void file_unmap(struct file_view *view);

#endif
