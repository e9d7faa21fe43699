/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* How the agent does its work: below the application's threads, urgent records first, and telling what it did. */
#include "device.h"

/* So long does the application's callback keep the agent's thread busy. */
#define BUSY_US 50000

/* Longer than an urgent record may wait. */
#define SOON_MS (120 * MSEC_PER_SEC)

static struct {
	volatile uint32_t count[CAIRN_EVENT_ROTATED + 1];
	volatile bool busy;
	volatile cairn_result_t waits[4];
	volatile bool asked;
} told;

static void listen(const cairn_event_t *event, void *context)
{
	uint8_t byte;
	size_t length;
	zassert_equal_ptr(context, &told);
	told.count[event->kind]++;
	if (event->kind != CAIRN_EVENT_SIGNING) {
		return;
	}
	/* What would wait for the agent is refused here, in its own thread. */
	told.waits[0] = reading_wait(10, NULL);
	told.waits[1] = cairn_evidence(0, &byte, 1, &length, 10);
	told.waits[2] = cairn_release(0, 10);
	told.waits[3] = cairn_selftest(0, &byte);
	told.asked = true;
	told.busy = true;
	k_busy_wait(BUSY_US);
	told.busy = false;
}

BOOT_SUITE(agent, BOOT_AGENT, NULL);

ZTEST(agent, test_a_it_runs_below_the_application)
{
	erase_journal();
	start(factory_meter, sizeof(factory_meter));
	EXPECT(cairn_set_event_callback(listen, &told), CAIRN_OK);
	zassert_equal(k_thread_priority_get(cairn_zephyr_thread()), K_PRIO_PREEMPT(CONFIG_CAIRN_TASK_PRIORITY));
	zassert_true(k_thread_priority_get(cairn_zephyr_thread()) > k_thread_priority_get(k_current_get()));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	EXPECT(cairn_flush(), CAIRN_OK);
	/* This thread runs on while the agent's is busy. */
	uint32_t in_between = 0;
	for (uint32_t waited = 0; waited < PATIENCE_MS && told.count[CAIRN_EVENT_SIGNED] == 0; waited++) {
		in_between += told.busy;
		k_msleep(1);
	}
	zassert_true(in_between > 1);
	zassert_equal(told.count[CAIRN_EVENT_SIGNED], 1);
	zassert_equal(told.count[CAIRN_EVENT_SEALED], 1);
	zassert_true(told.asked);
	for (unsigned int i = 0; i < ARRAY_SIZE(told.waits); i++) {
		EXPECT(told.waits[i], CAIRN_E_CONTEXT);
	}
}

ZTEST(agent, test_b_urgent_records_go_soon_and_others_wait)
{
	uint64_t routine;
	until_idle();
	uint32_t signatures = status().signatures;
	EXPECT(reading_wait(PATIENCE_MS, &routine), CAIRN_OK);
	k_msleep(SOON_MS);
	zassert_equal(status().signatures, signatures);
	zassert_equal(status().unsealed, 1);
	EXPECT(cairn_submit(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, 4), CAIRN_OK);
	k_msleep(SOON_MS);
	zassert_equal(status().signatures, signatures + 1);
	zassert_equal(status().unsealed, 0);
}

ZTEST(agent, test_c_a_primitive_is_tested_on_demand)
{
	uint8_t failed = 77;
	EXPECT(cairn_selftest(PATIENCE_MS, NULL), CAIRN_OK);
	EXPECT(cairn_selftest(PATIENCE_MS, &failed), CAIRN_OK);
	zassert_equal(failed, CAIRN_PRIMITIVE_NONE);
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
}

ZTEST(agent, test_d_its_status_adds_up)
{
	EXPECT(cairn_submit(CAIRN_KIND_EVENT, CAIRN_PRIORITY_BULK, NULL, 0), CAIRN_OK);
	until_idle();
	cairn_status_t now = status();
	EXPECT(now.start, CAIRN_OK);
	EXPECT(now.last_signer, CAIRN_OK);
	zassert_equal(now.accepted, 5);
	zassert_equal(now.unsealed, 2);
	zassert_equal(now.signatures, told.count[CAIRN_EVENT_SIGNED]);
	zassert_equal(now.refused, 0);
	zassert_equal(now.queue_full, 0);
	zassert_equal(now.signer_failures, 0);
	zassert_equal(now.clock_steps, 0);
	zassert_equal(now.wall_quality, CAIRN_TIME_SINCE_BOOT);
	zassert_equal(now.final_through, CAIRN_NO_BATCH);
	zassert_equal(now.stored_through, CAIRN_NO_BATCH);
	/* Nobody answers on the loopback interface. */
	zassert_true(now.exchanges > 0);
	zassert_equal(now.exchange_failures, told.count[CAIRN_EVENT_EXCHANGE_FAILED]);
	zassert_equal(now.bytes_down, 0);
}

ZTEST(agent, test_e_a_clock_that_is_set_is_recorded)
{
	uint64_t next = status().next_seq;
	cairn_zephyr_set_wall(UINT64_C(1800000000000), CAIRN_TIME_NETWORK);
	until_idle();
	cairn_status_t now = status();
	zassert_equal(now.wall_quality, CAIRN_TIME_NETWORK);
	zassert_true(now.wall_ms >= UINT64_C(1800000000000));
	zassert_equal(now.clock_steps, 1);
	zassert_equal(now.next_seq, next + 1);
	zassert_equal(told.count[CAIRN_EVENT_CLOCK_STEPPED], 1);
}

BOOT_SUITE(rattled, BOOT_RATTLED, NULL);

static cairn_result_t alarm_wait(uint16_t kind, uint64_t *seq)
{
	return cairn_submit_wait(kind, CAIRN_PRIORITY_URGENT, payload, 1, PATIENCE_MS, seq);
}

static void expect_next(uint64_t seq)
{
	until_idle();
	zassert_equal(status().coalesced, 2);
	zassert_equal(status().next_seq, seq);
}

ZTEST(rattled, test_what_comes_over_the_limit_is_counted_and_told_once_when_its_kind_may_have_another)
{
	uint64_t last = 0;
	erase_journal();
	start(factory_meter, sizeof(factory_meter));
	for (unsigned int i = 0; i < CONFIG_CAIRN_URGENT_BURST; i++) {
		EXPECT(alarm_wait(CAIRN_KIND_EVENT, NULL), CAIRN_OK);
	}
	EXPECT(alarm_wait(CAIRN_KIND_EVENT, NULL), CAIRN_E_COALESCED);
	EXPECT(alarm_wait(CAIRN_KIND_EVENT, NULL), CAIRN_E_COALESCED);
	/* Another kind has a limit of its own. */
	EXPECT(alarm_wait(CAIRN_KIND_READING, &last), CAIRN_OK);
	/* The identity is record 0. */
	zassert_equal(last, CONFIG_CAIRN_URGENT_BURST + 1);
	expect_next(last + 1);
	k_msleep(CONFIG_CAIRN_URGENT_INTERVAL_S * MSEC_PER_SEC);
	expect_next(last + 2);
}
