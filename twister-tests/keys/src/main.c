/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A key in flash of its own, and a counter that flash cannot be rolled back behind: the product's functions are here, and fail when
 * they are told to. */
#include "fixtures.h"
#include "harness.h"
#include "results.h"

#include <cairn_port.h>
#include <string.h>

#include <zephyr/devicetree.h>

enum boots {
	BOOT_NO_SECRET,
	BOOT_BORN,
	BOOT_ROLLED_BACK,
	BOOT_SILENT_COUNTER,
	BOOT_FORMATTED,
	BOOT_DAMAGED,
	BOOT_OTHER_SECRET,
	BOOT_WORN,
	BOOT_BURIED,
	BOOT_LAST,
};

const uint32_t last_boot = BOOT_LAST;

/* ---- the product ---- */

static volatile bool secret_fails;
static volatile bool secret_is_another;
static volatile bool counter_fails;

bool cairn_port_device_secret(uint8_t *secret)
{
	memset(secret, secret_is_another ? 0x77 : 0x66, 32);
	return !secret_fails;
}

/* The marks are at the first places of what the harness remembers. */
bool cairn_port_counter_read(uint8_t mark, uint64_t *value)
{
	*value = remembered(mark);
	return !counter_fails;
}

bool cairn_port_counter_raise(uint8_t mark, uint64_t value)
{
	if (counter_fails) {
		return false;
	}
	remember(mark, MAX(remembered(mark), value));
	return true;
}

/* ---- what the boots share ---- */

#define STREAM 3

static uint8_t *keys_memory(void)
{
	return journal_memory() - DT_REG_ADDR(DT_CHOSEN(cairn_journal)) + DT_REG_ADDR(DT_CHOSEN(cairn_keys));
}

static void start_meter(void)
{
	start(factory_meter, sizeof(factory_meter));
}

static void expect_no_start(cairn_result_t result)
{
	start_meter();
	EXPECT(reading_wait(PATIENCE_MS, NULL), result);
	EXPECT(status().start, result);
}

/* Turns bits over in all that is programmed of the key's flash; done twice it is as before. */
static void damage_keys(void)
{
	uint8_t *memory = keys_memory();
	for (size_t unit = 0; unit < 2; unit++) {
		uint8_t *start_of = memory + unit * CONFIG_CAIRN_FLASH_ERASE_SIZE;
		for (size_t at = 8; at < 512; at += 16) {
			start_of[at] ^= 0x01;
		}
	}
}

/* The old key has signed its last batch; the next one cannot be opened, and waits for its turn. */
static void lose_secret_when_rotated(const cairn_event_t *event, void *context)
{
	ARG_UNUSED(context);
	if (event->kind == CAIRN_EVENT_ROTATED) {
		secret_fails = true;
	}
}

static void until_rotation(uint8_t rotation)
{
	for (uint32_t waited = 0; waited < 600000 && status().rotation != rotation; waited += 100) {
		k_msleep(100);
	}
	zassert_equal(status().rotation, rotation);
}

BOOT_SUITE(no_secret, BOOT_NO_SECRET, NULL);

ZTEST(no_secret, test_without_a_secret_to_seal_it_under_no_key_is_written)
{
	secret_fails = true;
	expect_no_start(CAIRN_E_KEY_SEAL);
	for (size_t at = 0; at < 2 * CONFIG_CAIRN_FLASH_ERASE_SIZE; at++) {
		zassert_true(keys_memory()[at] == 0xff || keys_memory()[at] == 0x00);
	}
}

BOOT_SUITE(born, BOOT_BORN, NULL);

static uint8_t older[CONFIG_CAIRN_JOURNAL_BYTES];

ZTEST(born, test_the_key_rotates_and_one_rotation_at_a_time)
{
	uint8_t first[CAIRN_PUBLIC_KEY_BYTES];
	uint8_t second[CAIRN_PUBLIC_KEY_BYTES];
	uint64_t seq = 0;
	start_meter();
	EXPECT(cairn_set_event_callback(lose_secret_when_rotated, NULL), CAIRN_OK);
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	until_idle();
	EXPECT(cairn_public_key(first), CAIRN_OK);
	memcpy(older, journal_memory(), sizeof(older));
	EXPECT(cairn_rotate(PATIENCE_MS, &seq), CAIRN_OK);
	zassert_true(seq > 0);
	/* The next key cannot take its turn while the secret is away. */
	until_rotation(2);
	k_msleep(1000);
	EXPECT(status().last_rotation, CAIRN_E_KEY_SEAL);
	EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_E_CONFLICT);
	secret_fails = false;
	until_rotation(0);
	EXPECT(cairn_public_key(second), CAIRN_OK);
	zassert_not_equal(memcmp(first, second, sizeof(first)), 0);
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	EXPECT(cairn_flush(), CAIRN_OK);
	until_signed(status().signatures + 1);
	until_idle();
	remember(STREAM, status().stream);
	/* Somebody puts the flash back as it was. */
	k_thread_suspend(cairn_zephyr_thread());
	for (size_t at = 0; at < sizeof(older); at++) {
		uint8_t newer = journal_memory()[at];
		journal_memory()[at] = older[at];
		older[at] = newer;
	}
}

BOOT_SUITE(rolled_back, BOOT_ROLLED_BACK, NULL);

ZTEST(rolled_back, test_a_journal_that_was_rolled_back_is_refused)
{
	expect_no_start(CAIRN_E_JOURNAL_ROLLED_BACK);
}

BOOT_SUITE(silent_counter, BOOT_SILENT_COUNTER, NULL);

ZTEST(silent_counter, test_nothing_starts_without_the_counter)
{
	counter_fails = true;
	expect_no_start(CAIRN_E_COUNTER);
}

BOOT_SUITE(formatted, BOOT_FORMATTED, NULL);

ZTEST(formatted, test_a_new_stream_is_the_way_on_and_says_why)
{
	EXPECT(cairn_journal_format(), CAIRN_OK);
	start_meter();
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	until_idle();
	zassert_true(status().after_rollback);
	zassert_not_equal(status().stream, remembered(STREAM));
	damage_keys();
}

BOOT_SUITE(damaged, BOOT_DAMAGED, NULL);

ZTEST(damaged, test_a_key_whose_copies_are_all_damaged_is_said_to_be)
{
	expect_no_start(CAIRN_E_KEY_DAMAGED);
	damage_keys();
}

BOOT_SUITE(other_secret, BOOT_OTHER_SECRET, NULL);

ZTEST(other_secret, test_a_key_of_another_device_does_not_open)
{
	secret_is_another = true;
	expect_no_start(CAIRN_E_KEY_SEAL);
}

BOOT_SUITE(worn, BOOT_WORN, NULL);

ZTEST(worn, test_a_key_that_the_flash_does_not_take_is_none)
{
	uint8_t before[CAIRN_PUBLIC_KEY_BYTES];
	uint8_t after[CAIRN_PUBLIC_KEY_BYTES];
	start_meter();
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	until_idle();
	EXPECT(cairn_public_key(before), CAIRN_OK);
	wear_flash(true);
	EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_E_KEY_STORE);
	wear_flash(false);
	EXPECT(cairn_public_key(after), CAIRN_OK);
	zassert_mem_equal(before, after, sizeof(before));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
}

BOOT_SUITE(buried, BOOT_BURIED, NULL);

/* The caller may be faster than the agent's last step, which still has the key's flash: it asks again. */
static cairn_result_t destroy(void)
{
	cairn_result_t result = CAIRN_E_BUSY;
	for (uint32_t waited = 0; waited < PATIENCE_MS && result == CAIRN_E_BUSY; waited++) {
		result = cairn_key_destroy(PATIENCE_MS);
		k_msleep(1);
	}
	return result;
}

ZTEST(buried, test_a_key_that_cannot_be_erased_is_said_to_be_there_and_one_that_can_is_gone)
{
	start_meter();
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	until_idle();
	stick_flash(true);
	EXPECT(destroy(), CAIRN_E_KEY_NOT_ERASED);
	stick_flash(false);
	EXPECT(destroy(), CAIRN_OK);
	EXPECT(reading(1), CAIRN_E_KEY_DESTROYED);
	EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_E_KEY_DESTROYED);
	EXPECT(status().start, CAIRN_E_KEY_DESTROYED);
}

BOOT_SUITE(results, BOOT_LAST, NULL);

ZTEST(results, test_every_result_of_this_image_was_seen)
{
	expect_results_of(KEYS);
	/* And the key stays destroyed. */
	expect_no_start(CAIRN_E_KEY_DESTROYED);
}
