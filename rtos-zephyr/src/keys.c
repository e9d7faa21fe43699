/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The key's flash of cairn_port.h: the partition that the devicetree chose as cairn,keys. Called by the agent's thread, and by
 * cairn_key_destroy; neither caches nor delays. */
#include "cairn_port.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/storage/flash_map.h>

#if !DT_HAS_CHOSEN(cairn_keys)
#error "Cairn: no partition for the key. Choose one of two erase units in a devicetree overlay: \
/ { chosen { cairn,keys = &key_partition; }; }; or say CONFIG_CAIRN_KEY_STORE=n"
#endif

#define PARTITION DT_CHOSEN(cairn_keys)
#define OFFSET    FIXED_PARTITION_NODE_OFFSET(PARTITION)
#define MEMORY    DT_GPARENT(PARTITION)

BUILD_ASSERT(DT_REG_SIZE(PARTITION) >= 2 * CONFIG_CAIRN_FLASH_ERASE_SIZE,
	     "the partition cairn,keys is smaller than two units of CONFIG_CAIRN_FLASH_ERASE_SIZE");
BUILD_ASSERT(!DT_HAS_CHOSEN(cairn_journal) || !DT_SAME_NODE(PARTITION, DT_CHOSEN(cairn_journal)),
	     "cairn,keys and cairn,journal must be two partitions");
#if DT_NODE_HAS_PROP(MEMORY, erase_block_size)
BUILD_ASSERT(CONFIG_CAIRN_FLASH_ERASE_SIZE % DT_PROP(MEMORY, erase_block_size) == 0,
	     "the flash of cairn,keys needs erase units of the journal's kind (CONFIG_CAIRN_FLASH_ERASE_SIZE)");
BUILD_ASSERT(OFFSET % DT_PROP(MEMORY, erase_block_size) == 0, "the partition cairn,keys begins inside an erase unit");
#endif

static const struct device *const device = FIXED_PARTITION_NODE_DEVICE(PARTITION);

int cairn_port_key_flash_read(uint32_t offset, void *to, size_t length)
{
	return flash_read(device, (off_t)(OFFSET + offset), to, length);
}

int cairn_port_key_flash_program(uint32_t offset, const void *from, size_t length)
{
	return flash_write(device, (off_t)(OFFSET + offset), from, length);
}

int cairn_port_key_flash_erase(uint32_t offset, size_t length)
{
	return flash_erase(device, (off_t)(OFFSET + offset), length);
}
