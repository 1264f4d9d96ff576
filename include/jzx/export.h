/* jzx/export.h: what marks a declaration as part of the public C ABI. */
#ifndef JZX_EXPORT_H
#define JZX_EXPORT_H

#ifndef __linux__
#error "libjzx runs on Linux only: it is built on io_uring"
#endif

#define JZX_API __attribute__((visibility("default")))

/* The ABI of this header set. A library of another major number cannot be used with it. */
#define JZX_ABI_VERSION 0
#define JZX_VERSION "0.1.0"

#endif
