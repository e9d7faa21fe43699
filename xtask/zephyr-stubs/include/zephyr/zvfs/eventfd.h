/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Event file descriptors. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_ZVFS_EVENTFD_H
#define STUB_ZVFS_EVENTFD_H

#include <zephyr/kernel.h>

#define ZVFS_EFD_NONBLOCK 0x4000

typedef uint64_t zvfs_eventfd_t;

int zvfs_eventfd(unsigned int initval, int flags);
int zvfs_eventfd_read(int fd, zvfs_eventfd_t *value);
int zvfs_eventfd_write(int fd, zvfs_eventfd_t value);

#endif
