/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the test images share. The library has one instance a boot, so each suite runs in a boot of its own: the harness restarts the
 * device between them, and the flash stays. */
#ifndef CAIRN_TEST_HARNESS_H
#define CAIRN_TEST_HARNESS_H

#include <cairn_zephyr.h>

#include <stdbool.h>
#include <stdint.h>

#include <zephyr/ztest.h>

/* Never reached unless something hangs. */
#define PATIENCE_MS 60000u

/* ---- boots.c ---- */

/* A suite that runs in boot number `boot`, the first is 0. `last_boot` is the image's highest. */
#define BOOT_SUITE(name, boot, setup)                                                                                  \
	static bool name##_runs(const void *now)                                                                       \
	{                                                                                                              \
		return *(const uint32_t *)now == (boot);                                                               \
	}                                                                                                              \
	ZTEST_SUITE(name, name##_runs, setup, NULL, NULL, NULL)

/* The number of the last boot, defined by each image. */
extern const uint32_t last_boot;

/* Which boot this is, the first is 0. */
uint32_t boot_number(void);

/* A number that a later boot reads, one of REMEMBERED. 0 when none was kept. */
#define REMEMBERED 8u
void remember(unsigned int place, uint64_t number);
uint64_t remembered(unsigned int place);

/* Results that this image saw, over all its boots. */
void saw(cairn_result_t result);
bool was_seen(cairn_result_t result);

/* ---- entropy.c ---- */

/* The source of random bytes fails from now on. */
extern volatile bool entropy_fails;

/* ---- nobody.c, with CONFIG_CAIRN_TRANSPORT_CUSTOM ---- */

extern unsigned int datagrams_to_nobody;

/* ---- device.c: a device and its agent ---- */

/* Whether a call gives what it must; the result counts as seen. */
#define EXPECT(call, result)                                                                                           \
	do {                                                                                                           \
		cairn_result_t got = (call);                                                                           \
		zassert_equal(got, (result), "%s is %d (%s), not %s", #call, got, cairn_strerror(got), #result);       \
		saw(got);                                                                                              \
	} while (0)

extern const uint8_t payload[CONFIG_CAIRN_PAYLOAD_MAX + 1];

/* Starts the agent's thread as the device of `factory`. */
void start(const uint8_t *factory, size_t length);

/* The device's status, as it is now. It lies in one place: with a copy for each look a test's stack had no room for cairn_init. */
const cairn_status_t *status_now(void);
#define status() (*status_now())

/* A reading of `length` bytes. */
cairn_result_t reading(size_t length);

/* A reading of 4 bytes that is waited for. */
cairn_result_t reading_wait(uint32_t timeout_ms, uint64_t *seq);

void until_idle(void);
void until_signed(uint32_t signatures);

/* The memory behind the journal's flash, as it is. */
uint8_t *journal_memory(void);

/* Makes that flash blank, as it left the factory. Before start(), or as the last that a boot does. */
void erase_journal(void);

/* The flash takes no more bits, but says it did. */
void wear_flash(bool worn);

/* The flash erases nothing, but says it did. */
void stick_flash(bool stuck);

#endif /* CAIRN_TEST_HARNESS_H */
