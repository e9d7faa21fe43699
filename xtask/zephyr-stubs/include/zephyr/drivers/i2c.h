/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* I2C. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_DRIVERS_I2C_H
#define STUB_DRIVERS_I2C_H

#include <zephyr/device.h>

int i2c_write(const struct device *dev, const uint8_t *buf, uint32_t num_bytes, uint16_t addr);
int i2c_read(const struct device *dev, uint8_t *buf, uint32_t num_bytes, uint16_t addr);

#endif
