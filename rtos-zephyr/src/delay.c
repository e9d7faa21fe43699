/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The delay of cairn_port.h, for signers outside this processor. Called by the agent's thread. */
#include "cairn_port.h"

#include <zephyr/kernel.h>

/* Shorter ones are not worth a switch to another thread and back. */
#define SPIN_US 100u

void cairn_port_delay_us(uint32_t us)
{
	if (us <= SPIN_US) {
		k_busy_wait(us);
		return;
	}
	/* k_wakeup may end a sleep early. */
	for (int64_t left = us; left > 0;) {
		left = k_usleep((int32_t)MIN(left, INT32_MAX)) + (left > INT32_MAX ? left - INT32_MAX : 0);
	}
}
