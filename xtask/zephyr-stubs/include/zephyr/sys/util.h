/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Small things. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_SYS_UTIL_H
#define STUB_SYS_UTIL_H

#include <zephyr/toolchain.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define ARG_UNUSED(x)     (void)(x)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)         (((a) < (b)) ? (a) : (b))
#define MAX(a, b)         (((a) > (b)) ? (a) : (b))

size_t bin2hex(const uint8_t *buf, size_t buflen, char *hex, size_t hexlen);

#endif
