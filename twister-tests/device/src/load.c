/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* More than the device can take: a full queue, full waiters, a full journal, flash that fails; from threads and from interrupts. */
#include "device.h"

#include <string.h>

#include <zephyr/irq_offload.h>

/* What one boot remembers for the next. */
#define ROTTEN_SEQ 0

/* While the agent is suspended the queue keeps what comes. */
static void suspend_agent(void)
{
	until_idle();
	k_thread_suspend(cairn_zephyr_thread());
}

static void resume_agent(void)
{
	k_thread_resume(cairn_zephyr_thread());
	until_idle();
}

/* What an interrupt got. */
static cairn_result_t of_interrupt;

static void submit_urgent(const void *unused)
{
	bool woken = false;
	ARG_UNUSED(unused);
	of_interrupt = cairn_submit_from_isr(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, 1, &woken);
}

static volatile unsigned int of_timer;

static void submit_from_timer(struct k_timer *timer)
{
	ARG_UNUSED(timer);
	of_timer += cairn_submit_from_isr(CAIRN_KIND_EVENT, CAIRN_PRIORITY_BULK, payload, 8, NULL) == CAIRN_OK;
}

static K_TIMER_DEFINE(pulse, submit_from_timer, NULL);

BOOT_SUITE(queue, BOOT_QUEUE, NULL);

ZTEST(queue, test_a_full_queue_refuses_counts_and_loses_nothing_it_took)
{
	start(factory_meter, sizeof(factory_meter));
	suspend_agent();
	cairn_status_t before = status();
	EXPECT(cairn_submit(CAIRN_KIND_EVENT, CAIRN_PRIORITY_BULK, NULL, 0), CAIRN_OK);
	irq_offload(submit_urgent, NULL);
	EXPECT(of_interrupt, CAIRN_OK);
	for (unsigned int i = 2; i < CONFIG_CAIRN_QUEUE_LENGTH; i++) {
		EXPECT(reading(CONFIG_CAIRN_PAYLOAD_MAX), CAIRN_OK);
	}
	zassert_equal(cairn_zephyr_queued(), CONFIG_CAIRN_QUEUE_LENGTH);
	EXPECT(reading(1), CAIRN_E_QUEUE_FULL);
	EXPECT(reading_wait(20, NULL), CAIRN_E_QUEUE_FULL);
	irq_offload(submit_urgent, NULL);
	EXPECT(of_interrupt, CAIRN_E_QUEUE_FULL);
	cairn_status_t full = status();
	zassert_equal(full.queue_full - before.queue_full, 3);
	zassert_false(full.idle);
	resume_agent();
	cairn_status_t after = status();
	zassert_equal(after.accepted - before.accepted, CONFIG_CAIRN_QUEUE_LENGTH);
	zassert_equal(after.next_seq - before.next_seq, CONFIG_CAIRN_QUEUE_LENGTH);
	zassert_equal(cairn_zephyr_queued(), 0);
}

ZTEST(queue, test_b_a_timer_interrupt_submits_while_threads_do)
{
	cairn_status_t before = status();
	unsigned int of_thread = 0;
	k_timer_start(&pulse, K_MSEC(3), K_MSEC(7));
	for (unsigned int i = 0; i < 40; i++) {
		of_thread += reading(4) == CAIRN_OK;
		k_msleep(5);
	}
	k_timer_stop(&pulse);
	until_idle();
	cairn_status_t after = status();
	zassert_true(of_thread > 0 && of_timer > 0);
	zassert_equal(after.accepted - before.accepted, of_thread + of_timer);
	zassert_equal(after.refused, before.refused);
}

BOOT_SUITE(waits, BOOT_WAITS, NULL);

ZTEST(waits, test_they_time_out_and_what_timed_out_is_never_written_later)
{
	uint64_t seq = 77;
	size_t length = 78;
	start(factory_meter, sizeof(factory_meter));
	suspend_agent();
	uint64_t accepted = status().accepted;
	for (unsigned int i = 0; i < CONFIG_CAIRN_WAITERS; i++) {
		EXPECT(reading_wait(30, &seq), CAIRN_E_TIMEOUT);
	}
	zassert_equal(seq, 77);
	/* Their records are in the queue, and the queue names their places. */
	EXPECT(reading_wait(30, &seq), CAIRN_E_BUSY);
	EXPECT(cairn_release(0, 0), CAIRN_E_BUSY);
	EXPECT(cairn_evidence(0, evidence, 1, &length, 0), CAIRN_E_BUSY);
	EXPECT(cairn_selftest(0, NULL), CAIRN_E_BUSY);
	resume_agent();
	zassert_equal(status().accepted - accepted, CONFIG_CAIRN_WAITERS);
	zassert_equal(seq, 77);
	EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
	until_idle();
	zassert_equal(seq, status().next_seq - 1);
	/* A request that timed out is forgotten: its buffer stays as it was. */
	suspend_agent();
	EXPECT(cairn_flush(), CAIRN_OK);
	memset(evidence, 0xa5, sizeof(evidence));
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, 30), CAIRN_E_TIMEOUT);
	EXPECT(cairn_release(0, 30), CAIRN_E_TIMEOUT);
	zassert_equal(length, 78);
	k_thread_resume(cairn_zephyr_thread());
	until_signed(1);
	until_idle();
	for (size_t i = 0; i < sizeof(evidence); i++) {
		zassert_equal(evidence[i], 0xa5);
	}
	/* Evidence is given whole or not at all. */
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_OK);
	zassert_true(length > 300 && length <= sizeof(evidence) && evidence[0] == 0x89);
	size_t whole = length;
	EXPECT(cairn_evidence(seq, evidence, whole - 1, &length, PATIENCE_MS), CAIRN_E_BUFFER);
	EXPECT(cairn_evidence(seq, evidence, whole, &length, PATIENCE_MS), CAIRN_OK);
	zassert_equal(length, whole);
}

BOOT_SUITE(flash, BOOT_FLASH, NULL);

ZTEST(flash, test_a_it_fails_and_that_costs_only_what_it_was_asked_for)
{
	uint64_t seq = 0;
	uint64_t next = 0;
	start(factory_meter, sizeof(factory_meter));
	EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
	/* Nothing that was written reads back: refused, and nothing has that number. */
	wear_flash(true);
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_MEDIUM);
	wear_flash(false);
	EXPECT(reading_wait(PATIENCE_MS, &next), CAIRN_OK);
	zassert_equal(next, seq + 1);
}

ZTEST(flash, test_b_a_record_rots_and_its_batch_is_open)
{
	static const uint8_t mark[] = "a record that will be lost";
	uint64_t seq;
	unsigned int found = 0;
	EXPECT(cairn_submit_wait(CAIRN_KIND_EVENT, CAIRN_PRIORITY_ROUTINE, mark, sizeof(mark), PATIENCE_MS, &seq), CAIRN_OK);
	for (uint8_t *at = journal_memory(), *end = at + CONFIG_CAIRN_JOURNAL_BYTES - sizeof(mark); at < end; at++) {
		if (memcmp(at, mark, sizeof(mark)) == 0) {
			at[3] ^= 0x10;
			found++;
		}
	}
	zassert_equal(found, 1);
	/* What rots at the end of the journal is a write that was cut. */
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	remember(ROTTEN_SEQ, seq);
}

BOOT_SUITE(rotten, BOOT_ROTTEN, NULL);

ZTEST(rotten, test_after_a_restart_its_batch_says_that_it_is_lost)
{
	size_t length;
	uint64_t seq = remembered(ROTTEN_SEQ);
	start(factory_meter, sizeof(factory_meter));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	EXPECT(cairn_flush(), CAIRN_OK);
	until_signed(1);
	EXPECT(cairn_evidence(seq, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_E_LOST);
	EXPECT(cairn_evidence(seq + 1, evidence, sizeof(evidence), &length, PATIENCE_MS), CAIRN_OK);
}

BOOT_SUITE(full_journal, BOOT_FULL_JOURNAL, NULL);

ZTEST(full_journal, test_it_refuses_and_counts)
{
	cairn_result_t result = CAIRN_OK;
	uint64_t journaled = 0;
	start(factory_meter, sizeof(factory_meter));
	until_idle();
	uint64_t first = status().next_seq;
	while (result == CAIRN_OK && journaled < CONFIG_CAIRN_JOURNAL_BYTES) {
		result = cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, CONFIG_CAIRN_PAYLOAD_MAX,
					   PATIENCE_MS, NULL);
		journaled += result == CAIRN_OK;
	}
	EXPECT(result, CAIRN_E_JOURNAL_FULL);
	until_idle();
	cairn_status_t now = status();
	zassert_equal(now.accepted, journaled);
	zassert_equal(now.journal_full, 1);
	zassert_equal(now.next_seq, first + journaled);
}
