/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The clocks of cairn_port.h: the kernel's uptime, and a wall clock that is an offset to it. Called by the library in any
 * context. */
#include "cairn_zephyr.h"
#include "cairn_port.h"

#include <zephyr/spinlock.h>

static struct k_spinlock lock;
static uint64_t wall_offset_ms;
static uint8_t wall_quality = CAIRN_TIME_SINCE_BOOT;

uint64_t cairn_port_now_ms(void)
{
	return (uint64_t)k_uptime_get();
}

uint8_t cairn_port_wall(uint64_t *unix_ms)
{
	k_spinlock_key_t key = k_spin_lock(&lock);
	uint8_t quality = wall_quality;
	*unix_ms = cairn_port_now_ms() + wall_offset_ms;
	k_spin_unlock(&lock, key);
	return quality;
}

void cairn_port_set_wall(uint64_t unix_ms, uint8_t quality)
{
	k_spinlock_key_t key = k_spin_lock(&lock);
	wall_offset_ms = unix_ms - cairn_port_now_ms(); /* may wrap below zero; adding it wraps back */
	wall_quality = quality;
	k_spin_unlock(&lock, key);
}

void cairn_zephyr_set_wall(uint64_t unix_ms, cairn_time_quality_t quality)
{
	cairn_port_set_wall(unix_ms, (uint8_t)quality);
	(void)cairn_wake();
}
