/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The end. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_FATAL_H
#define STUB_FATAL_H

#include <zephyr/kernel.h>

#endif
