/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Firmware records: which image runs, once the boot loader will not take it back. Looks into the image's own slot, when the agent
 * starts and when the application says that something was confirmed; never by a timer. */
#include "cairn_zephyr.h"
#include "mcuboot_image.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/logging/log.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/util.h>
#if defined(CONFIG_MCUBOOT_IMG_MANAGER)
#include <zephyr/dfu/mcuboot.h>
#endif

LOG_MODULE_DECLARE(cairn, CONFIG_CAIRN_LOG_LEVEL);

#if DT_HAS_CHOSEN(cairn_image)
#define PARTITION DT_CHOSEN(cairn_image)
#elif DT_HAS_CHOSEN(zephyr_code_partition)
#define PARTITION DT_CHOSEN(zephyr_code_partition)
#else
#error "Cairn: no partition with the running image. Choose it in a devicetree overlay: / { chosen { cairn,image = &slot0_partition; }; }; \
or say CONFIG_CAIRN_FIRMWARE_RECORD=n"
#endif

/* The boot loader's number of the slot: where images run in place, those for the second say so. */
#if DT_NODE_EXISTS(DT_NODELABEL(slot1_partition))
#define SLOT (DT_SAME_NODE(PARTITION, DT_NODELABEL(slot1_partition)) ? 1 : 0)
#else
#define SLOT 0
#endif

BUILD_ASSERT(CAIRN_IMAGE_VERSION_MAX == CAIRN_FIRMWARE_VERSION_MAX + 1 && CAIRN_IMAGE_HASH_BYTES == CAIRN_FIRMWARE_HASH_BYTES,
	     "versions and hashes of images are those of firmware records");

__weak bool cairn_zephyr_image_confirmed(void)
{
#if defined(CONFIG_MCUBOOT_IMG_MANAGER)
	return boot_is_img_confirmed();
#else
	return false;
#endif
}

static bool read_slot(void *unused, uint32_t offset, void *to, size_t length)
{
	ARG_UNUSED(unused);
	off_t at = (off_t)(FIXED_PARTITION_NODE_OFFSET(PARTITION) + offset);
	return flash_read(FIXED_PARTITION_NODE_DEVICE(PARTITION), at, to, length) == 0;
}

cairn_result_t cairn_zephyr_firmware_check(void)
{
	if (k_is_in_isr()) {
		return CAIRN_E_CONTEXT;
	}
	if (!cairn_zephyr_image_confirmed()) {
		return CAIRN_E_NOT_FOUND;
	}
	struct cairn_image image;
	if (!cairn_image_find(read_slot, NULL, DT_REG_SIZE(PARTITION), &image)) {
		LOG_ERR("no image with a SHA-256 where the running one should be");
		return CAIRN_E_NOT_FOUND;
	}
	return cairn_firmware_confirmed(image.version, image.hash, SLOT);
}
