/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Random numbers. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_RANDOM_RANDOM_H
#define STUB_RANDOM_RANDOM_H

#include <zephyr/kernel.h>

void sys_rand_get(void *dst, size_t len);
int sys_csrand_get(void *dst, size_t len);

#endif
