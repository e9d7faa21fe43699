/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the system and the agent's thread did while the test's own thread slept. */
#ifndef CAIRN_TEST_SLEEP_H
#define CAIRN_TEST_SLEEP_H

#include <stdbool.h>
#include <stdint.h>

#include <zephyr/kernel.h>

struct span {
	/* How long it was. */
	int64_t ms;
	/* How long the system was in its power state. */
	int64_t asleep_ms;
	/* How often it came out of it, the test's own time-out at the end included. */
	uint32_t wakes;
	/* How often the agent's thread was given the processor. */
	uint32_t agent_ran;
	/* How often it began to wait. */
	uint32_t waits;
};

/* Waits that the agent's thread began since boot, those of no time left out. */
extern uint32_t waits;

/* Sleeps for ms, and says what happened meanwhile. */
struct span sleep_for(int64_t ms);

/* Whether the system slept through: nothing but the test itself woke it. */
bool slept_through(const struct span *span);

#endif /* CAIRN_TEST_SLEEP_H */
