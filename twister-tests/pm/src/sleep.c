/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The system's power state and its counts. Zephyr's power management calls pm_state_set when nothing is due for as long as the state
 * is worth it; its tracing says which thread runs. */
#include "sleep.h"

#include <cairn_zephyr.h>

#include <zephyr/pm/pm.h>

static struct span now;

void pm_state_set(enum pm_state state, uint8_t substate)
{
	ARG_UNUSED(state);
	ARG_UNUSED(substate);
	int64_t since = k_uptime_get();
	/* Returns at the next interrupt. */
	k_cpu_idle();
	now.asleep_ms += k_uptime_get() - since;
	now.wakes++;
}

void pm_state_exit_post_ops(enum pm_state state, uint8_t substate)
{
	ARG_UNUSED(state);
	ARG_UNUSED(substate);
	irq_unlock(0);
}

/* Of Zephyr's tracing; weak there. */
void sys_trace_thread_switched_in_user(void)
{
	if (cairn_zephyr_thread() != NULL && k_sched_current_thread_query() == cairn_zephyr_thread()) {
		now.agent_ran++;
	}
}

struct span sleep_for(int64_t ms)
{
	int64_t since = k_uptime_get();
	uint32_t waits_before = waits;
	now = (struct span){0};
	k_sleep(K_MSEC(ms));
	struct span span = now;
	span.ms = k_uptime_get() - since;
	span.waits = waits - waits_before;
	printk("%lld s: asleep %lld s, %u wakes; the agent ran %u times and waited %u times\n", span.ms / 1000,
	       span.asleep_ms / 1000, span.wakes, span.agent_ran, span.waits);
	return span;
}

bool slept_through(const struct span *span)
{
	return span->wakes == 1 && span->agent_ran == 0 && span->ms - span->asleep_ms < 100;
}
