/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The journal over restarts: it goes on where it was, and flash that holds something else is refused untouched until somebody gives
 * it up. */
#include "device.h"

#include <string.h>

enum {
	STREAM,
	EVIDENCE_CHECK,
	FLASH_CHECK,
};

uint8_t evidence[CAIRN_EVIDENCE_MAX];

/* FNV-1a, to compare what two boots saw. */
static uint64_t check_of(const uint8_t *bytes, size_t length)
{
	uint64_t check = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < length; i++) {
		check = (check ^ bytes[i]) * UINT64_C(0x100000001b3);
	}
	return check;
}

static uint64_t check_of_evidence(uint64_t seq)
{
	size_t length = 0;
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_OK);
	return check_of(evidence, length);
}

static uint64_t check_of_flash(void)
{
	return check_of(journal_memory(), CONFIG_CAIRN_JOURNAL_BYTES);
}

/* Flash full of `rest`, but for what it begins with. */
static void for_the_next_boot(uint8_t rest, const uint8_t *first, size_t length)
{
	memset(journal_memory(), rest, CONFIG_CAIRN_JOURNAL_BYTES);
	memcpy(journal_memory(), first, length);
	remember(FLASH_CHECK, check_of_flash());
}

static void expect_refused_untouched(cairn_result_t result)
{
	start(factory_meter, sizeof(factory_meter));
	EXPECT(reading_wait(PATIENCE_MS, NULL), result);
	EXPECT(status().start, result);
	EXPECT(cairn_flush(), result);
	EXPECT(cairn_journal_format(), CAIRN_E_ALREADY_INITIALISED);
	zassert_equal(check_of_flash(), remembered(FLASH_CHECK));
}

BOOT_SUITE(first_boot, BOOT_JOURNAL_FIRST, NULL);

ZTEST(first_boot, test_records_are_journaled_and_a_batch_is_signed)
{
	uint64_t seq = 0;
	start(factory_meter, sizeof(factory_meter));
	for (uint64_t i = 1; i <= 5; i++) {
		EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
		zassert_equal(seq, i);
	}
	EXPECT(cairn_flush(), CAIRN_OK);
	until_signed(1);
	for (uint64_t i = 6; i <= 8; i++) {
		EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
		zassert_equal(seq, i);
	}
	remember(STREAM, status().stream);
	remember(EVIDENCE_CHECK, check_of_evidence(3));
}

BOOT_SUITE(second_boot, BOOT_JOURNAL_SECOND, NULL);

ZTEST(second_boot, test_the_stream_its_numbers_and_its_evidence_are_those_of_the_first)
{
	uint64_t seq = 0;
	size_t length;
	start(factory_meter, sizeof(factory_meter));
	until_idle();
	cairn_status_t now = status();
	zassert_equal(now.next_seq, 9);
	zassert_equal(now.unsent, 1);
	zassert_equal(now.signatures, 0);
	zassert_equal(now.stream, remembered(STREAM));
	zassert_equal(check_of_evidence(3), remembered(EVIDENCE_CHECK));
	EXPECT(cairn_evidence(7, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_E_NOT_SEALED);
	EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
	zassert_equal(seq, 9);
	EXPECT(cairn_flush(), CAIRN_OK);
	until_signed(1);
	zassert_not_equal(check_of_evidence(7), remembered(EVIDENCE_CHECK));
	EXPECT(cairn_release(1, PATIENCE_MS), CAIRN_OK);
	EXPECT(cairn_release(2, PATIENCE_MS), CAIRN_E_NOT_FOUND);
	remember(FLASH_CHECK, check_of_flash());
}

BOOT_SUITE(another_device, BOOT_JOURNAL_OTHER_DEVICE, NULL);

ZTEST(another_device, test_the_journal_of_another_key_is_refused_untouched)
{
	start(factory_other, sizeof(factory_other));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_OTHER_KEY);
	EXPECT(status().start, CAIRN_E_OTHER_KEY);
	EXPECT(cairn_flush(), CAIRN_E_OTHER_KEY);
	zassert_equal(check_of_flash(), remembered(FLASH_CHECK));
	for_the_next_boot(0x5a, NULL, 0);
}

BOOT_SUITE(foreign_flash, BOOT_JOURNAL_FOREIGN, NULL);

ZTEST(foreign_flash, test_what_is_no_journal_is_refused_untouched)
{
	expect_refused_untouched(CAIRN_E_JOURNAL_FOREIGN);
	for_the_next_boot(0xff, journal_version, sizeof(journal_version));
}

BOOT_SUITE(later_format, BOOT_JOURNAL_VERSION, NULL);

ZTEST(later_format, test_a_journal_of_a_later_format_is_refused_untouched)
{
	expect_refused_untouched(CAIRN_E_JOURNAL_VERSION);
	for_the_next_boot(0xff, journal_geometry, sizeof(journal_geometry));
}

BOOT_SUITE(other_geometry, BOOT_JOURNAL_GEOMETRY, NULL);

ZTEST(other_geometry, test_a_journal_of_another_flash_is_refused_untouched)
{
	expect_refused_untouched(CAIRN_E_JOURNAL_GEOMETRY);
}

BOOT_SUITE(given_up, BOOT_JOURNAL_GIVEN_UP, NULL);

ZTEST(given_up, test_a_journal_that_was_refused_is_formatted_when_somebody_gives_it_up)
{
	uint64_t seq = 0;
	EXPECT(cairn_journal_format(), CAIRN_OK);
	start(factory_meter, sizeof(factory_meter));
	EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
	zassert_equal(seq, 1);
	until_idle();
	zassert_not_equal(status().stream, remembered(STREAM));
	zassert_not_equal(status().stream, 0);
}
