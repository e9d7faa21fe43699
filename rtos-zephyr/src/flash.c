/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The journal's flash of cairn_port.h: the partition that the devicetree chose as cairn,journal. Called by the agent's
 * thread only; neither caches nor delays. */
#include "cairn_port.h"
#include "internal.h"

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/storage/flash_map.h>

#if !DT_HAS_CHOSEN(cairn_journal)
#error "Cairn: no partition for the journal. Choose one in a devicetree overlay: / { chosen { cairn,journal = &storage_partition; }; };"
#endif

#define PARTITION DT_CHOSEN(cairn_journal)
/* From the memory's first byte, also where partitions have absolute addresses (ranges, Zephyr 4.4). */
#define OFFSET    FIXED_PARTITION_NODE_OFFSET(PARTITION)
/* The memory the partition lies in: partitions are children of a "fixed-partitions" node in it. */
#define MEMORY    DT_GPARENT(PARTITION)

BUILD_ASSERT(DT_REG_SIZE(PARTITION) >= CONFIG_CAIRN_JOURNAL_BYTES,
	     "the partition cairn,journal is smaller than CONFIG_CAIRN_JOURNAL_BYTES");
#if DT_NODE_HAS_PROP(MEMORY, write_block_size)
BUILD_ASSERT(CONFIG_CAIRN_FLASH_WRITE_SIZE % DT_PROP(MEMORY, write_block_size) == 0,
	     "CONFIG_CAIRN_FLASH_WRITE_SIZE must be whole words of the flash (write-block-size)");
#endif
#if DT_NODE_HAS_PROP(MEMORY, erase_block_size)
BUILD_ASSERT(CONFIG_CAIRN_FLASH_ERASE_SIZE % DT_PROP(MEMORY, erase_block_size) == 0,
	     "CONFIG_CAIRN_FLASH_ERASE_SIZE must be whole erase units of the flash (erase-block-size)");
BUILD_ASSERT(OFFSET % DT_PROP(MEMORY, erase_block_size) == 0, "the partition cairn,journal begins inside an erase unit");
#endif

static const struct device *const device = FIXED_PARTITION_NODE_DEVICE(PARTITION);

int cairn_port_flash_read(uint32_t offset, void *to, size_t length)
{
	return flash_read(device, (off_t)(OFFSET + offset), to, length);
}

int cairn_port_flash_program(uint32_t offset, const void *from, size_t length)
{
	return flash_write(device, (off_t)(OFFSET + offset), from, length);
}

int cairn_port_flash_erase(uint32_t offset, size_t length)
{
	return flash_erase(device, (off_t)(OFFSET + offset), length);
}

#if DT_NODE_HAS_COMPAT(DT_PARENT(MEMORY), zephyr_sim_flash)

/* Flash comes from its maker erased, RAM that simulates it comes as zeros: what is all zeros was never a flash. Called once, before
 * the agent looks at it. */
bool cairn_zephyr_prepare_flash(void)
{
	for (off_t at = 0; at < CONFIG_CAIRN_JOURNAL_BYTES; at += sizeof(uint32_t)) {
		uint32_t word;
		if (flash_read(device, OFFSET + at, &word, sizeof(word)) != 0) {
			return false;
		}
		if (word != 0) {
			return true;
		}
	}
	return flash_erase(device, OFFSET, CONFIG_CAIRN_JOURNAL_BYTES) == 0;
}

#else

bool cairn_zephyr_prepare_flash(void)
{
	return device_is_ready(device);
}

#endif
