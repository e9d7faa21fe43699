/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The boot loader. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_DFU_MCUBOOT_H
#define STUB_DFU_MCUBOOT_H

#include <zephyr/kernel.h>

bool boot_is_img_confirmed(void);

#endif
