/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The factory image, read once when the agent starts: from the partition that the devicetree chose as cairn,factory, or, on the
 * bench, from the firmware itself. Called by cairn_zephyr_start; never writes. */
#include "internal.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/util.h>

#include <string.h>

#if defined(CONFIG_CAIRN_FACTORY_IN_IMAGE)

static const uint8_t embedded[] = {
#include "cairn_factory.inc"
};

BUILD_ASSERT(sizeof(embedded) <= CAIRN_FACTORY_MAX, "CONFIG_CAIRN_FACTORY_FILE is too long for a factory image");

bool cairn_zephyr_read_factory(uint8_t image[CAIRN_FACTORY_MAX])
{
	memset(image, 0xff, CAIRN_FACTORY_MAX);
	memcpy(image, embedded, sizeof(embedded));
	return true;
}

#elif DT_HAS_CHOSEN(cairn_factory)

#define PARTITION DT_CHOSEN(cairn_factory)
#define MEMORY    DT_GPARENT(PARTITION)

BUILD_ASSERT(DT_REG_SIZE(PARTITION) >= CAIRN_FACTORY_MAX, "the partition cairn,factory is too small for a factory image");

#if DT_NODE_HAS_COMPAT(MEMORY, soc_nv_flash) && !DT_NODE_HAS_COMPAT(DT_PARENT(MEMORY), zephyr_sim_flash)

/* The processor's own flash is read like memory, with a driver or without. */
bool cairn_zephyr_read_factory(uint8_t image[CAIRN_FACTORY_MAX])
{
	memcpy(image, (const void *)(uintptr_t)(DT_REG_ADDR(MEMORY) + FIXED_PARTITION_NODE_OFFSET(PARTITION)),
	       CAIRN_FACTORY_MAX);
	return true;
}

#else

bool cairn_zephyr_read_factory(uint8_t image[CAIRN_FACTORY_MAX])
{
	return flash_read(FIXED_PARTITION_NODE_DEVICE(PARTITION), (off_t)FIXED_PARTITION_NODE_OFFSET(PARTITION), image,
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
