/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The clocks of cairn_port.h, from the kernel's tick: 64-bit milliseconds since boot, and a wall clock that is an
 * offset to them. Called by the library in any context. A product with a real-time clock replaces this file. */
#include "cairn_freertos.h"
#include "cairn_freertos_internal.h"
#include "cairn_port.h"

/* Ticks since boot when `last` was read from the kernel's counter. Written under the lock only. */
static uint64_t counted;
static TickType_t last;

/* Milliseconds that no tick counted. */
static uint64_t added_ms;

static uint64_t wall_offset_ms;
static uint8_t wall_quality = CAIRN_TIME_SINCE_BOOT;

static TickType_t tick_count(void)
{
    return cairn_port_in_isr() ? xTaskGetTickCountFromISR() : xTaskGetTickCount();
}

/* Under the lock. The subtraction is right across one wrap of the counter, whatever its width. */
static uint64_t now_ms(void)
{
    uint64_t ticks = counted + (TickType_t)(tick_count() - last);
    return ticks * 1000u / configTICK_RATE_HZ + added_ms;
}

void cairn_freertos_count_time(void)
{
    uint32_t state = cairn_port_lock();
    TickType_t now = xTaskGetTickCount();
    counted += (TickType_t)(now - last);
    last = now;
    cairn_port_unlock(state);
}

uint64_t cairn_port_now_ms(void)
{
    uint32_t state = cairn_port_lock();
    uint64_t ms = now_ms();
    cairn_port_unlock(state);
    return ms;
}

uint8_t cairn_port_wall(uint64_t *unix_ms)
{
    uint32_t state = cairn_port_lock();
    uint8_t quality = wall_quality;
    *unix_ms = now_ms() + wall_offset_ms;
    cairn_port_unlock(state);
    return quality;
}

void cairn_port_set_wall(uint64_t unix_ms, uint8_t quality)
{
    uint32_t state = cairn_port_lock();
    wall_offset_ms = unix_ms - now_ms(); /* may wrap below zero; adding it wraps back */
    wall_quality = quality;
    cairn_port_unlock(state);
}

void cairn_freertos_set_wall(uint64_t unix_ms, cairn_time_quality_t quality)
{
    cairn_port_set_wall(unix_ms, (uint8_t)quality);
    (void)cairn_wake();
}

void cairn_freertos_add_time(uint64_t ms)
{
    uint32_t state = cairn_port_lock();
    added_ms += ms;
    cairn_port_unlock(state);
    (void)cairn_wake();
}
