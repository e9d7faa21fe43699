/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* How the agent's thread sleeps without sockets of its own: on a semaphore. With them it is udp.c. Interrupts may wake. */
#include "cairn_port.h"
#include "internal.h"

#include <zephyr/kernel.h>

static K_SEM_DEFINE(news, 0, 1);

bool cairn_zephyr_prepare_wake(void)
{
	return true;
}

void cairn_port_wake(void)
{
	k_sem_give(&news);
}

void cairn_port_wake_from_isr(bool *woken)
{
	ARG_UNUSED(woken);
	k_sem_give(&news);
}

void cairn_port_wait(uint32_t wait_ms)
{
	(void)k_sem_take(&news, wait_ms == CAIRN_FOREVER_MS ? K_FOREVER : K_MSEC(wait_ms));
}
