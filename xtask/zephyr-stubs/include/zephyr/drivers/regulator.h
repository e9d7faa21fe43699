/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Supplies. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_DRIVERS_REGULATOR_H
#define STUB_DRIVERS_REGULATOR_H

#include <zephyr/device.h>

int regulator_enable(const struct device *dev);
int regulator_disable(const struct device *dev);

#endif
