/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* While it waits the agent never holds the system awake: between a record and its batch's deadline nothing of Cairn's is due, and the
 * system is in its power state all the time. In virtual time, with Zephyr's own power management. */
#include "fixtures.h"
#include "sleep.h"

#include <cairn_zephyr.h>

#include <zephyr/ztest.h>

#define HOUR_MS     (3600 * MSEC_PER_SEC)
#define DEADLINE_MS ((int64_t)CONFIG_CAIRN_DEADLINE_ROUTINE_S * MSEC_PER_SEC)
#define MINUTE_MS   (60 * MSEC_PER_SEC)

static cairn_status_t status(void)
{
	cairn_status_t out;
	zassert_equal(cairn_status(&out), CAIRN_OK);
	return out;
}

static void *start(void)
{
	const cairn_config_t config = {.factory = factory_meter, .factory_length = sizeof(factory_meter)};
	zassert_equal(cairn_zephyr_start(&config), CAIRN_OK);
	(void)sleep_for(MINUTE_MS);
	zassert_true(status().idle && status().start == CAIRN_OK);
	return NULL;
}

static void read_meter(void)
{
	static const uint8_t reading[] = {0x1a, 0x00, 0x49, 0x98, 0x69};
	zassert_equal(cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, reading, sizeof(reading), MINUTE_MS, NULL),
		      CAIRN_OK);
	/* The agent's step ends after its answer. */
	(void)sleep_for(MSEC_PER_SEC);
	zassert_true(status().idle);
}

ZTEST_SUITE(pm, NULL, start, NULL, NULL, NULL);

#if defined(CONFIG_TEST_POLLING_WAIT)

ZTEST(pm, test_an_agent_that_polls_is_found_out)
{
	read_meter();
	struct span hour = sleep_for(HOUR_MS);
	zassert_false(slept_through(&hour));
	zassert_true(hour.agent_ran > 3000, "it polled %u times", hour.agent_ran);
	zassert_equal(hour.asleep_ms, 0, "nothing is due for a minute");
}

#else

/* Tests run in the order of their names. */
ZTEST(pm, test_1_without_records_the_system_sleeps)
{
	struct span hour = sleep_for(HOUR_MS);
	zassert_true(slept_through(&hour));
}

ZTEST(pm, test_2_between_a_record_and_its_batch_the_system_sleeps)
{
	read_meter();
	struct span hours = sleep_for(10 * HOUR_MS);
	zassert_true(slept_through(&hours));
	zassert_equal(status().exchanges, 0);
}

/* The first batch is due at a random time between an eighth and seven eighths of the deadline. Until then the schedule looks every
 * twelve hours: no longer time is credited to its budget. */
ZTEST(pm, test_3_the_agent_wakes_for_its_batch_and_hardly_before)
{
	int64_t begun = k_uptime_get(), now = begun;
	uint32_t looked = 0;
	while (status().exchanges == 0 && now < DEADLINE_MS) {
		uint32_t signatures = status().signatures;
		struct span hour = sleep_for(HOUR_MS);
		now = k_uptime_get();
		if (status().exchanges == 0) {
			zassert_equal(status().signatures, signatures, "signed long before it is sent");
			looked += hour.waits;
		}
	}
	zassert_true(status().exchanges > 0);
	zassert_equal(status().signatures, 1);
	zassert_true(now > DEADLINE_MS / 8 && now < DEADLINE_MS / 8 * 7 + HOUR_MS + MINUTE_MS);
	zassert_true(looked <= (uint32_t)((now - begun) / (12 * HOUR_MS)) + 1, "it looked %u times", looked);
}

/* Nobody answers: retransmissions and retries are all that wakes the agent. */
ZTEST(pm, test_4_while_nobody_answers_each_wake_has_its_reason)
{
	cairn_status_t before = status();
	struct span hours = sleep_for(6 * HOUR_MS);
	cairn_status_t after = status();
	uint32_t datagrams = after.datagrams_up - before.datagrams_up;
	uint32_t exchanges = after.exchanges - before.exchanges;
	zassert_true(exchanges > 0 && datagrams >= exchanges);
	/* One for each datagram, one for an exchange's end, and one for each that comes when the hour has had its four. */
	zassert_true(hours.waits <= datagrams + 2 * exchanges + 1, "%u waits for %u datagrams in %u exchanges", hours.waits, datagrams,
		     exchanges);
	zassert_true(hours.asleep_ms > hours.ms - (int64_t)(exchanges + 1) * 2 * MINUTE_MS);
}

#endif
