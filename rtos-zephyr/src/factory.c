/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The factory image: the partition that the devicetree chose as cairn,factory, read once when the agent starts. */
#include "internal.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/util.h>

#include <string.h>

#if DT_HAS_CHOSEN(cairn_factory)

#define PARTITION DT_CHOSEN(cairn_factory)
#define MEMORY    DT_GPARENT(PARTITION)

BUILD_ASSERT(DT_REG_SIZE(PARTITION) >= CAIRN_FACTORY_MAX, "the partition cairn,factory is too small for a factory image");

#if DT_NODE_HAS_COMPAT(MEMORY, soc_nv_flash) && !DT_NODE_HAS_COMPAT(DT_PARENT(MEMORY), zephyr_sim_flash)

/* The processor's own flash is read like memory, with a driver or without. */
bool cairn_zephyr_read_factory(uint8_t image[CAIRN_FACTORY_MAX])
{
	memcpy(image, (const void *)(uintptr_t)(DT_REG_ADDR(MEMORY) + DT_REG_ADDR(PARTITION)), CAIRN_FACTORY_MAX);
	return true;
}

#else

bool cairn_zephyr_read_factory(uint8_t image[CAIRN_FACTORY_MAX])
{
	return flash_read(FIXED_PARTITION_NODE_DEVICE(PARTITION), (off_t)DT_REG_ADDR(PARTITION), image,
			  CAIRN_FACTORY_MAX) == 0;
}

#endif

#else

bool cairn_zephyr_read_factory(uint8_t image[CAIRN_FACTORY_MAX])
{
	ARG_UNUSED(image);
	return false;
}

#endif
