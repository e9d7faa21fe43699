/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The wall clock from SNTP, every four hours: at the start, with an exchange when there is one from half that time on, otherwise by
 * itself. In virtual time; nobody answers the agent's exchanges. */
#include "fixtures.h"
#include "server.h"

#include <cairn_zephyr.h>
#include <cairn_port.h>

#include <zephyr/ztest.h>

#define HOUR_MS   (3600LL * MSEC_PER_SEC)
#define MINUTE_MS (60LL * MSEC_PER_SEC)
/* 2026-01-14T00:00:00Z, and a year later. */
#define NOW_MS    1768348800000ULL
#define LATER_MS  (NOW_MS + 365ULL * 24 * HOUR_MS)

static cairn_status_t status(void)
{
	cairn_status_t out;
	zassert_equal(cairn_status(&out), CAIRN_OK);
	return out;
}

/* The wall clock's offset to the uptime is that of a server, but for the way of the datagrams. */
static void clock_is(uint64_t offset_ms, uint8_t quality)
{
	uint64_t unix_ms;
	zassert_equal(cairn_port_wall(&unix_ms), quality);
	int64_t off = (int64_t)(unix_ms - (uint64_t)k_uptime_get() - offset_ms);
	zassert_true(off <= 0 && off > -200, "the clock is %d ms off", (int)off);
}

static void *start(void)
{
	const cairn_config_t config = {.factory = factory_meter, .factory_length = sizeof(factory_meter)};
	server_offset_ms = NOW_MS;
	zassert_equal(cairn_zephyr_start(&config), CAIRN_OK);
	k_sleep(K_MSEC(MINUTE_MS));
	return NULL;
}

ZTEST_SUITE(sntp, NULL, start, NULL, NULL, NULL);

/* Tests run in the order of their names, and each goes on where the one before ended. */
ZTEST(sntp, test_1_it_asks_at_the_start_and_the_step_is_a_record)
{
	zassert_equal(questions, 1);
	clock_is(NOW_MS, CAIRN_TIME_NETWORK);
	zassert_equal(status().clock_steps, 1);
	zassert_equal(status().wall_quality, CAIRN_TIME_NETWORK);
	zassert_equal(status().exchanges, 0, "the agent went by its schedule");
}

/* Only the first of the exchanges, and only from half the interval on, is taken for a question. */
ZTEST(sntp, test_2_it_asks_with_an_exchange_from_half_the_interval_on)
{
	k_sleep(K_MSEC(HOUR_MS - k_uptime_get()));
	zassert_equal(cairn_flush(), CAIRN_OK);
	k_sleep(K_MSEC(HOUR_MS / 2));
	zassert_true(status().exchanges > 0);
	zassert_equal(questions, 1, "before half the interval");
	server_offset_ms = LATER_MS;
	/* Nobody answers the agent: it tries again every hour or so. */
	k_sleep(K_MSEC(3 * HOUR_MS - k_uptime_get() + MINUTE_MS));
	uint32_t exchanges = status().exchanges;
	k_sleep(K_MSEC(HOUR_MS + 2 * MINUTE_MS));
	zassert_true(status().exchanges > exchanges);
	zassert_equal(questions, 2, "asked %u times", questions);
	clock_is(LATER_MS, CAIRN_TIME_NETWORK);
	zassert_equal(status().clock_steps, 2);
}

ZTEST(sntp, test_3_an_authenticated_clock_is_left_alone)
{
	uint32_t asked = questions;
	uint64_t mine = NOW_MS + HOUR_MS;
	cairn_zephyr_set_wall(mine + (uint64_t)k_uptime_get(), CAIRN_TIME_AUTHENTICATED);
	k_sleep(K_MSEC(5 * HOUR_MS));
	zassert_true(questions > asked);
	clock_is(mine, CAIRN_TIME_AUTHENTICATED);
}

ZTEST(sntp, test_4_a_server_that_is_silent_is_asked_less_and_less)
{
	cairn_zephyr_set_wall(0, CAIRN_TIME_SINCE_BOOT);
	server_answers = false;
	uint32_t asked = questions;
	k_sleep(K_MSEC(24 * HOUR_MS));
	uint32_t more = questions - asked;
	/* After 1, 2, 4 … 128 minutes and then every four hours, and with the agent's exchanges, of which an hour has one or two. */
	zassert_true(more >= 8 && more <= 8 + 6 + 2 * 24, "asked %u times", more);
	uint64_t unused;
	zassert_equal(cairn_port_wall(&unused), CAIRN_TIME_SINCE_BOOT);
	server_answers = true;
	k_sleep(K_MSEC(4 * HOUR_MS + MINUTE_MS));
	clock_is(LATER_MS, CAIRN_TIME_NETWORK);
}
