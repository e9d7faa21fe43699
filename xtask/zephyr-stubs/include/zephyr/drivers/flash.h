/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Flash. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_DRIVERS_FLASH_H
#define STUB_DRIVERS_FLASH_H

#include <zephyr/device.h>

size_t flash_get_write_block_size(const struct device *dev);
int flash_read(const struct device *dev, off_t offset, void *data, size_t len);
int flash_write(const struct device *dev, off_t offset, const void *data, size_t len);
int flash_erase(const struct device *dev, off_t offset, size_t size);

#endif
