/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Which firmware runs: one record an image, once the boot loader keeps it. The image is a header and a hash in the partition
 * cairn,image; whether it is confirmed this file says. */
#include "device.h"

#include <string.h>

#include <zephyr/drivers/flash.h>
#include <zephyr/storage/flash_map.h>

#define PARTITION DT_CHOSEN(cairn_image)

static bool confirmed;

/* Instead of MCUboot. */
bool cairn_zephyr_image_confirmed(void)
{
	return confirmed;
}

/* MCUboot's image 1.<minor>.3 of no program at all, and its hash. */
static void write_image(uint8_t minor)
{
	static uint8_t image[72];
	static const uint8_t header[] = {
		0x3d, 0xb8, 0xf3, 0x96, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3,
	};
	static const uint8_t list[] = {0x07, 0x69, 40, 0, 0x10, 0, 32, 0};
	const struct device *device = FIXED_PARTITION_NODE_DEVICE(PARTITION);
	memcpy(image, header, sizeof(header));
	image[21] = minor;
	memcpy(&image[32], list, sizeof(list));
	memset(&image[40], 0xc0 + minor, 32);
	zassert_ok(flash_erase(device, DT_REG_ADDR(PARTITION), DT_REG_SIZE(PARTITION)));
	zassert_ok(flash_write(device, DT_REG_ADDR(PARTITION), image, sizeof(image)));
}

/* Records since the last look. */
static uint64_t new_records(void)
{
	static uint64_t before;
	until_idle();
	uint64_t now = status().next_seq;
	uint64_t more = now - before;
	before = now;
	return more;
}

BOOT_SUITE(firmware, BOOT_FIRMWARE, NULL);

ZTEST(firmware, test_each_image_is_recorded_once_when_it_is_confirmed)
{
	static const uint8_t hash[CAIRN_FIRMWARE_HASH_BYTES];
	EXPECT(cairn_firmware_confirmed("1.0.0", hash, 0), CAIRN_E_NOT_INITIALISED);
	write_image(2);
	start(factory_meter, sizeof(factory_meter));
	(void)new_records();
	EXPECT(cairn_zephyr_firmware_check(), CAIRN_E_NOT_FOUND);
	zassert_equal(new_records(), 0);
	confirmed = true;
	EXPECT(cairn_zephyr_firmware_check(), CAIRN_OK);
	zassert_equal(new_records(), 1);
	EXPECT(cairn_zephyr_firmware_check(), CAIRN_OK);
	zassert_equal(new_records(), 0);
	write_image(3);
	EXPECT(cairn_zephyr_firmware_check(), CAIRN_OK);
	zassert_equal(new_records(), 1);
	EXPECT(cairn_firmware_confirmed(NULL, hash, 0), CAIRN_E_NULL);
	EXPECT(cairn_firmware_confirmed("1.0.0", NULL, 0), CAIRN_E_NULL);
	EXPECT(cairn_firmware_confirmed("", hash, 0), CAIRN_E_ARGUMENT);
	EXPECT(cairn_firmware_confirmed("1.0.0\n", hash, 0), CAIRN_E_ARGUMENT);
	zassert_equal(new_records(), 0);
}

BOOT_SUITE(firmware_again, BOOT_FIRMWARE_AGAIN, NULL);

ZTEST(firmware_again, test_after_a_restart_the_same_image_is_not_recorded_again)
{
	confirmed = true;
	/* cairn_zephyr_start looks by itself. */
	start(factory_meter, sizeof(factory_meter));
	until_idle();
	uint64_t next = status().next_seq;
	EXPECT(cairn_zephyr_firmware_check(), CAIRN_OK);
	until_idle();
	zassert_equal(status().next_seq, next);
	zassert_equal(status().accepted, 0);
	erase_journal();
}

BOOT_SUITE(firmware_first, BOOT_FIRMWARE_FIRST, NULL);

ZTEST(firmware_first, test_a_start_records_the_confirmed_image_in_a_new_journal)
{
	confirmed = true;
	start(factory_meter, sizeof(factory_meter));
	until_idle();
	/* The identity is record 0. */
	zassert_equal(status().next_seq, 2);
	/* Nothing with a hash where the image should be. */
	memset(journal_memory() + (DT_REG_ADDR(PARTITION) - DT_REG_ADDR(DT_CHOSEN(cairn_journal))), 0, 64);
	EXPECT(cairn_zephyr_firmware_check(), CAIRN_E_NOT_FOUND);
}
