/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What an application does wrong: before cairn_init, in cairn_init, and after. */
#include "device.h"

#include <string.h>

#include <zephyr/irq_offload.h>

/* What a verifier drew. */
static const uint8_t nonce[CAIRN_NONCE_BYTES] = {0x6e};

/* Room for a cairn_storage_t, also where it must not lie. */
static _Alignas(16) uint8_t room[sizeof(cairn_storage_t) + 16];
#define SPARE ((cairn_storage_t *)room)
/* A cell that is good for Cairn, and a model that costs nothing. */
static const cairn_battery_t cell = {8500, 3600, 800, 10, 10, 0};
static const cairn_energy_model_t model;
static const cairn_config_t good = {.factory = factory_meter, .factory_length = sizeof(factory_meter)};

/* Calls of an interrupt, each with what it must answer. EXPECT cannot end a test from there. */
#define INTERRUPT_CALLS 24
static struct {
	cairn_result_t got[INTERRUPT_CALLS];
	unsigned int count;
} interrupt;

static void call_everything(const void *unused)
{
	cairn_status_t out;
	uint8_t byte;
	size_t length;
	uint32_t wait_ms;
	const cairn_result_t got[] = {
		cairn_init(SPARE, &good),
		cairn_zephyr_start(&good),
		reading(1),
		reading_wait(0, NULL),
		cairn_flush(),
		cairn_set_upload(CAIRN_UPLOAD_DATA),
		cairn_radio_hint(1),
		cairn_radio_timers(2, 3600),
		cairn_set_battery(&cell),
		cairn_set_energy_model(&model),
		cairn_status(&out),
		cairn_evidence(0, &byte, 1, &length, 0),
		cairn_endorse(nonce, &byte, 1, &length, 0),
		cairn_selftest(0, &byte),
		cairn_release(0, 0),
		cairn_set_event_callback(NULL, NULL),
		cairn_wake(),
		cairn_poll(&wait_ms),
		cairn_run(),
		cairn_journal_format(),
	};
	ARG_UNUSED(unused);
	BUILD_ASSERT(ARRAY_SIZE(got) <= INTERRUPT_CALLS);
	memcpy(interrupt.got, got, sizeof(got));
	interrupt.count = ARRAY_SIZE(got);
}

/* What is not for interrupts says so, whether there is an agent or not. */
static void expect_context_in_an_interrupt(void)
{
	irq_offload(call_everything, NULL);
	zassert_true(interrupt.count > 0);
	for (unsigned int i = 0; i < interrupt.count; i++) {
		zassert_equal(interrupt.got[i], CAIRN_E_CONTEXT, "call %u: %s", i, cairn_strerror(interrupt.got[i]));
	}
	saw(CAIRN_E_CONTEXT);
}

static cairn_result_t of_interrupt[2];

static void submit_and_wake(const void *unused)
{
	ARG_UNUSED(unused);
	of_interrupt[0] = cairn_submit_from_isr(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, 1, NULL);
	of_interrupt[1] = cairn_wake_from_isr(NULL);
}

BOOT_SUITE(before_init, BOOT_BEFORE_INIT, NULL);

ZTEST(before_init, test_every_function_says_so)
{
	cairn_status_t out;
	uint8_t byte;
	size_t length;
	uint64_t seq = 77;
	uint32_t wait_ms;
	EXPECT(reading(1), CAIRN_E_NOT_INITIALISED);
	EXPECT(reading_wait(0, &seq), CAIRN_E_NOT_INITIALISED);
	zassert_equal(seq, 77);
	EXPECT(cairn_flush(), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_set_upload(CAIRN_UPLOAD_DATA), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_radio_hint(1000), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_radio_timers(2, 3600), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_set_battery(&cell), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_set_energy_model(&model), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_status(&out), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_evidence(0, &byte, 1, &length, 0), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_endorse(nonce, &byte, 1, &length, 0), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_release(0, 0), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_selftest(0, &byte), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_set_event_callback(NULL, NULL), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_wake(), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_poll(&wait_ms), CAIRN_E_NOT_INITIALISED);
	EXPECT(cairn_run(), CAIRN_E_NOT_INITIALISED);
	irq_offload(submit_and_wake, NULL);
	EXPECT(of_interrupt[0], CAIRN_E_NOT_INITIALISED);
	EXPECT(of_interrupt[1], CAIRN_E_NOT_INITIALISED);
	zassert_is_null(cairn_zephyr_thread());
	zassert_equal(cairn_zephyr_queued(), 0);
}

ZTEST(before_init, test_names_are_known_and_what_has_none_says_so)
{
	zassert_equal(strcmp(cairn_strerror(CAIRN_OK), "done"), 0);
	zassert_equal(strcmp(cairn_strerror(12345), "unknown result"), 0);
	zassert_equal(strcmp(cairn_primitive_name(CAIRN_PRIMITIVE_NONE), "none"), 0);
	zassert_equal(strcmp(cairn_primitive_name(CAIRN_PRIMITIVE_SIGNER + 1), "unknown"), 0);
}

BOOT_SUITE(wrong_init, BOOT_WRONG_INIT, NULL);

ZTEST(wrong_init, test_each_mistake_has_its_error_and_the_next_right_call_is_taken_once)
{
	static const uint8_t erased[] = {[0 ... 299] = 0xff};
	static uint8_t damaged[sizeof(factory_meter)];
	const cairn_config_t none = {.factory = NULL, .factory_length = 10};
	const cairn_config_t absent = {.factory = erased, .factory_length = sizeof(erased)};
	const cairn_config_t cut = {.factory = factory_meter, .factory_length = 9};
	const cairn_config_t wrong = {.factory = damaged, .factory_length = sizeof(damaged)};
	const cairn_config_t p256 = {.factory = factory_p256, .factory_length = sizeof(factory_p256)};
	const cairn_config_t version = {.factory = factory_version, .factory_length = sizeof(factory_version)};
	const cairn_config_t keyless = {.factory = factory_keyless, .factory_length = sizeof(factory_keyless)};
	EXPECT(cairn_init(NULL, &good), CAIRN_E_NULL);
	EXPECT(cairn_init(SPARE, NULL), CAIRN_E_NULL);
	EXPECT(cairn_init(SPARE, &none), CAIRN_E_NULL);
	EXPECT(cairn_init_configured(NULL, SPARE, sizeof(*SPARE), &good), CAIRN_E_NULL);
	EXPECT(cairn_init_configured(&CAIRN_CONFIG_SYMBOL, SPARE, sizeof(*SPARE) - 1, &good), CAIRN_E_STORAGE);
	EXPECT(cairn_init_configured(&CAIRN_CONFIG_SYMBOL, (cairn_storage_t *)&room[1], sizeof(*SPARE), &good), CAIRN_E_STORAGE);
	memcpy(damaged, factory_meter, sizeof(damaged));
	damaged[20] ^= 1;
	EXPECT(cairn_zephyr_start(&absent), CAIRN_E_FACTORY_ABSENT);
	EXPECT(cairn_zephyr_start(&wrong), CAIRN_E_FACTORY_DAMAGED);
	EXPECT(cairn_zephyr_start(&cut), CAIRN_E_FACTORY_DAMAGED);
	EXPECT(cairn_zephyr_start(&p256), CAIRN_E_FACTORY_UNSUPPORTED);
	EXPECT(cairn_zephyr_start(&version), CAIRN_E_FACTORY_UNSUPPORTED);
	EXPECT(cairn_zephyr_start(&keyless), CAIRN_E_KEY_MISSING);
	/* The devicetree of the tests chooses no cairn,factory. */
	EXPECT(cairn_zephyr_start(NULL), CAIRN_E_FACTORY_ABSENT);
	entropy_fails = true;
	EXPECT(cairn_zephyr_start(&good), CAIRN_E_ENTROPY);
	entropy_fails = false;
	expect_context_in_an_interrupt();
	zassert_is_null(cairn_zephyr_thread());
	EXPECT(cairn_zephyr_start(&good), CAIRN_OK);
	zassert_not_null(cairn_zephyr_thread());
	EXPECT(cairn_zephyr_start(&good), CAIRN_E_ALREADY_INITIALISED);
	EXPECT(cairn_init(SPARE, &good), CAIRN_E_ALREADY_INITIALISED);
	EXPECT(cairn_journal_format(), CAIRN_E_ALREADY_INITIALISED);
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
}

BOOT_SUITE(wrong_calls, BOOT_WRONG_CALLS, NULL);

ZTEST(wrong_calls, test_each_has_its_error_and_none_reaches_the_agent)
{
	uint8_t byte;
	size_t length;
	start(factory_meter, sizeof(factory_meter));
	until_idle();
	uint64_t next_seq = status().next_seq;
	EXPECT(reading(CONFIG_CAIRN_PAYLOAD_MAX + 1), CAIRN_E_TOO_LONG);
	EXPECT(reading(SIZE_MAX), CAIRN_E_TOO_LONG);
	EXPECT(cairn_submit(CAIRN_KIND_READING, 3, payload, 1), CAIRN_E_ARGUMENT);
	EXPECT(cairn_submit(CAIRN_KIND_READING, CAIRN_PRIORITY_BULK, NULL, 1), CAIRN_E_NULL);
	for (uint16_t kind = 0; kind < CAIRN_KIND_APPLICATION; kind++) {
		if (kind != CAIRN_KIND_READING && kind != CAIRN_KIND_EVENT) {
			EXPECT(cairn_submit(kind, CAIRN_PRIORITY_ROUTINE, payload, 1), CAIRN_E_KIND);
		}
	}
	EXPECT(cairn_set_upload(2), CAIRN_E_ARGUMENT);
	const cairn_battery_t none = {0, 3600, 800, 10, 10, 0}, empty = {8500, 3600, 100, 10, 10, 0};
	EXPECT(cairn_set_battery(NULL), CAIRN_E_NULL);
	EXPECT(cairn_set_battery(&none), CAIRN_E_ARGUMENT);
	EXPECT(cairn_set_battery(&empty), CAIRN_E_BATTERY);
	cairn_energy_model_t wrong;
	EXPECT(cairn_energy_model_configured(&wrong), CAIRN_OK);
	wrong.levels[1].byte_uj = wrong.levels[0].byte_uj - 1;
	EXPECT(cairn_set_energy_model(&wrong), CAIRN_E_ENERGY_MODEL);
	EXPECT(cairn_set_energy_model(NULL), CAIRN_E_NULL);
	EXPECT(cairn_radio_timers(2, 0), CAIRN_E_ARGUMENT);
	EXPECT(cairn_status(NULL), CAIRN_E_NULL);
	EXPECT(cairn_evidence(0, NULL, 1, &length, 0), CAIRN_E_NULL);
	EXPECT(cairn_evidence(0, &byte, 1, NULL, 0), CAIRN_E_NULL);
	EXPECT(cairn_endorse(NULL, &byte, 1, &length, 0), CAIRN_E_NULL);
	EXPECT(cairn_endorse(nonce, NULL, 1, &length, 0), CAIRN_E_NULL);
	EXPECT(cairn_endorse(nonce, &byte, 1, NULL, 0), CAIRN_E_NULL);
	EXPECT(cairn_submit_from_isr(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, 1, NULL), CAIRN_E_CONTEXT);
	EXPECT(cairn_wake_from_isr(NULL), CAIRN_E_CONTEXT);
	expect_context_in_an_interrupt();
	until_idle();
	cairn_status_t now = status();
	zassert_equal(now.accepted, 0);
	zassert_equal(now.refused, 0);
	zassert_equal(now.next_seq, next_seq);
}

ZTEST(wrong_calls, test_there_is_no_endorsement_without_a_root_of_trust)
{
	static uint8_t out[CAIRN_ENDORSEMENT_MAX];
	size_t length = 79;
	EXPECT(cairn_endorse(nonce, out, sizeof(out), &length, PATIENCE_MS), CAIRN_E_ROOT);
	zassert_equal(length, 79);
}

BOOT_SUITE(no_start, BOOT_NO_START, NULL);

ZTEST(no_start, test_an_agent_that_cannot_start_says_why_to_everybody)
{
	start(factory_zero, sizeof(factory_zero));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_FACTORY_UNSUPPORTED);
	EXPECT(reading(1), CAIRN_E_FACTORY_UNSUPPORTED);
	EXPECT(cairn_flush(), CAIRN_E_FACTORY_UNSUPPORTED);
	EXPECT(cairn_release(0, 0), CAIRN_E_FACTORY_UNSUPPORTED);
	EXPECT(status().start, CAIRN_E_FACTORY_UNSUPPORTED);
	zassert_false(status().idle);
	/* Its thread has ended. */
	zassert_ok(k_thread_join(cairn_zephyr_thread(), K_MSEC(PATIENCE_MS)));
}
