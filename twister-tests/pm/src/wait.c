/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The agent's wait, counted; and, where the build says so, as it must not be: looking every second whether something is due. */
#include "sleep.h"

#include <cairn_port.h>

#include <zephyr/sys/util.h>

#define LONGEST_MS (IS_ENABLED(CONFIG_TEST_POLLING_WAIT) ? 1000u : CAIRN_FOREVER_MS)

uint32_t waits;

void __real_cairn_port_wait(uint32_t wait_ms);

void __wrap_cairn_port_wait(uint32_t wait_ms)
{
	/* With 0 the agent goes on at once. */
	waits += wait_ms > 0;
	__real_cairn_port_wait(MIN(wait_ms, LONGEST_MS));
}
