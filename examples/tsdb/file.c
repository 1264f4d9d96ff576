#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint32_t file_crc(uint32_t crc, const void *data, size_t size)
{
    /* Four bits at a time: the table is small enough to be read. */
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

int file_folder(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        return -1;
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void file_close(int fd)
{
    close(fd);
}

bool file_write(int fd, const void *data, size_t size, off_t at)
{
    const uint8_t *bytes = data;
    while (size > 0) {
        ssize_t written = pwrite(fd, bytes, size, at);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        bytes += written;
        size -= (size_t)written;
        at += written;
    }
    return true;
}

int file_draft(int folder, const char *draft)
{
    return openat(folder, draft, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

bool file_publish(int folder, int fd, const char *draft, const char *name)
{
    bool synced = fdatasync(fd) == 0;
    int error = errno;
    close(fd);
    if (!synced) {
        errno = error;
        return false;
    }
    /* The content is on disk before the name is, and the name before anybody acts on it. */
    return renameat(folder, draft, folder, name) == 0 && fsync(folder) == 0;
}

bool file_map(int folder, const char *name, struct file_view *view)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct stat status;
    void *data = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size > 0) {
        data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    } else {
        errno = EILSEQ; /* no file here is empty */
    }
    int error = errno;
    close(fd);
    errno = error;
    if (data == MAP_FAILED) {
        return false;
    }
    *view = (struct file_view){data, (size_t)status.st_size};
    return true;
}

void file_unmap(struct file_view *view)
{
    if (view->data != NULL) {
        munmap((void *)(uintptr_t)view->data, view->size);
        view->data = NULL;
    }
}
