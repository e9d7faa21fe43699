/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Partitions. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_STORAGE_FLASH_MAP_H
#define STUB_STORAGE_FLASH_MAP_H

#include <zephyr/device.h>

#define FIXED_PARTITION_NODE_OFFSET(node) DT_REG_ADDR(node)
#define FIXED_PARTITION_NODE_SIZE(node)   DT_REG_SIZE(node)
#define FIXED_PARTITION_NODE_DEVICE(node) DEVICE_DT_GET(DT_GPARENT(node))
#define FIXED_PARTITION_NODE_OFFSET(node) DT_REG_ADDR(node)

#endif
