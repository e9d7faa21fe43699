/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What runs at the start. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_INIT_H
#define STUB_INIT_H

#include <zephyr/kernel.h>

#define SYS_INIT(init_fn, level, prio) static int (*const stub_init_##init_fn)(void) __attribute__((unused)) = (init_fn)

#endif
