/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The wall clock from SNTP: a thread of its own, so that neither the agent nor the system's work queue waits for an answer. It asks
 * when the radio is up for an exchange anyway, and wakes it only when none came for CONFIG_CAIRN_SNTP_INTERVAL_H. */
#include "cairn_zephyr.h"
#include "cairn_port.h"
#include "internal.h"

#include <errno.h>

#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/net_ip.h>
#include <zephyr/net/sntp.h>

LOG_MODULE_DECLARE(cairn, CONFIG_CAIRN_LOG_LEVEL);

BUILD_ASSERT(sizeof(CONFIG_CAIRN_SNTP_SERVER) > 1, "CONFIG_CAIRN_SNTP_SERVER says no server");

#define HOUR_MS     3600000LL
#define INTERVAL_MS (CONFIG_CAIRN_SNTP_INTERVAL_H * HOUR_MS)
/* How long one question is asked again, and how long the radio stays up after it for what the agent has. */
#define ANSWER_MS   5000u
/* After a question without an answer: doubled each time, at most the interval. */
#define AGAIN_MS    60000LL

static K_SEM_DEFINE(radio_is_up, 0, 1);

void cairn_zephyr_radio_is_up(void)
{
	k_sem_give(&radio_is_up);
}

/* Nobody overrules a clock that was set from an authenticated source. */
static bool may_set(void)
{
	uint64_t unix_ms;
	return cairn_port_wall(&unix_ms) != CAIRN_TIME_AUTHENTICATED;
}

/* An address needs no resolver, which takes memory from the C library's heap. */
static int query(struct sntp_time *time)
{
	static const char server[] = CONFIG_CAIRN_SNTP_SERVER;
	struct sockaddr address = {0};
	if (net_ipaddr_parse(server, sizeof(server) - 1, &address)) {
		socklen_t length = address.sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		return sntp_simple_addr(&address, length, ANSWER_MS, time);
	}
#if defined(CONFIG_DNS_RESOLVER)
	return sntp_simple(server, ANSWER_MS, time);
#else
	return -EINVAL;
#endif
}

static bool ask(void)
{
	struct sntp_time time;
	int error = query(&time);
	if (error != 0) {
		LOG_WRN("SNTP: no answer (%d)", error);
		return false;
	}
	if (may_set()) {
		cairn_zephyr_set_wall(time.seconds * 1000u + (((uint64_t)time.fraction * 1000u) >> 32), CAIRN_TIME_NETWORK);
	}
	return true;
}

/* Waits until the next question is due: from not_before on with an exchange, at the latest at not_after. Whether there is an
 * exchange. */
static bool wait_for_radio(int64_t not_before, int64_t not_after)
{
	k_sem_reset(&radio_is_up);
	do {
		int64_t left = not_after - k_uptime_get();
		if (left <= 0 || k_sem_take(&radio_is_up, K_MSEC(left)) != 0) {
			return false;
		}
	} while (k_uptime_get() < not_before);
	return true;
}

static void run(void *unused1, void *unused2, void *unused3)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	int64_t again = AGAIN_MS;
	/* At the start the agent goes by its schedule. */
	bool rides_along = true;
	for (;;) {
		bool answered = ask();
		int64_t now = k_uptime_get();
		if (answered && !rides_along) {
			/* The radio was woken for this: what the agent has may ride along. */
			(void)cairn_radio_hint(ANSWER_MS);
		}
		if (answered) {
			again = AGAIN_MS;
			rides_along = wait_for_radio(now + INTERVAL_MS / 2, now + INTERVAL_MS);
		} else {
			rides_along = wait_for_radio(now, now + again);
			again = MIN(2 * again, INTERVAL_MS);
		}
	}
}

/* Begins when there is an agent to tell. */
K_THREAD_DEFINE(cairn_sntp, CONFIG_CAIRN_SNTP_STACK_BYTES, run, NULL, NULL, NULL, K_LOWEST_APPLICATION_THREAD_PRIO, 0,
		SYS_FOREVER_MS);

void cairn_zephyr_begin_sntp(void)
{
	k_thread_start(cairn_sntp);
}
