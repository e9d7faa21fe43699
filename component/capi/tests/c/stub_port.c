/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Every function of cairn_port.h, doing nothing: what to start from when Cairn comes to a system that has no glue
 * yet. Compiled and linked by the tests, so that the header and the library agree on names and types. It is no port:
 * nothing waits here. */
#include "cairn_port.h"

bool cairn_port_queue_put(const cairn_record_t *record, uint32_t wait_ms)
{
    (void)record;
    (void)wait_ms;
    return false;
}

bool cairn_port_queue_put_from_isr(const cairn_record_t *record, bool *woken)
{
    (void)record;
    (void)woken;
    return false;
}

bool cairn_port_queue_take(cairn_record_t *record)
{
    (void)record;
    return false;
}

void cairn_port_wake(void)
{
}

void cairn_port_wake_from_isr(bool *woken)
{
    (void)woken;
}

void cairn_port_wait(uint32_t wait_ms)
{
    (void)wait_ms;
}

bool cairn_port_waiter_wait(uint8_t waiter, uint32_t wait_ms)
{
    (void)waiter;
    (void)wait_ms;
    return false;
}

void cairn_port_waiter_signal(uint8_t waiter)
{
    (void)waiter;
}

uint32_t cairn_port_lock(void)
{
    return 0;
}

void cairn_port_unlock(uint32_t state)
{
    (void)state;
}

int cairn_port_key_flash_read(uint32_t offset, void *to, size_t length)
{
    (void)offset;
    (void)to;
    (void)length;
    return -1;
}

int cairn_port_key_flash_program(uint32_t offset, const void *from, size_t length)
{
    (void)offset;
    (void)from;
    (void)length;
    return -1;
}

int cairn_port_key_flash_erase(uint32_t offset, size_t length)
{
    (void)offset;
    (void)length;
    return -1;
}

bool cairn_port_device_secret(uint8_t *secret)
{
    (void)secret;
    return false;
}

bool cairn_port_noise(uint8_t *sample)
{
    (void)sample;
    return false;
}

bool cairn_port_in_isr(void)
{
    return false;
}

const void *cairn_port_task(void)
{
    static const char task;
    return &task;
}

uint64_t cairn_port_now_ms(void)
{
    return 0;
}

uint8_t cairn_port_wall(uint64_t *unix_ms)
{
    (void)unix_ms;
    return CAIRN_TIME_SINCE_BOOT;
}

void cairn_port_set_wall(uint64_t unix_ms, uint8_t quality)
{
    (void)unix_ms;
    (void)quality;
}

bool cairn_port_entropy(uint8_t *out, size_t length)
{
    (void)out;
    (void)length;
    return false;
}

size_t cairn_port_uart_read(uint8_t *buffer, size_t capacity)
{
    (void)buffer;
    (void)capacity;
    return 0;
}

size_t cairn_port_uart_write(const uint8_t *bytes, size_t length)
{
    (void)bytes;
    return length;
}

int cairn_port_flash_read(uint32_t offset, void *to, size_t length)
{
    (void)offset;
    (void)to;
    (void)length;
    return -1;
}

int cairn_port_flash_program(uint32_t offset, const void *from, size_t length)
{
    (void)offset;
    (void)from;
    (void)length;
    return -1;
}

int cairn_port_flash_erase(uint32_t offset, size_t length)
{
    (void)offset;
    (void)length;
    return -1;
}

void cairn_port_delay_us(uint32_t us)
{
    (void)us;
}

int cairn_port_i2c_write(uint8_t address, const uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    (void)address;
    (void)bytes;
    (void)length;
    (void)timeout_ms;
    return -1;
}

int cairn_port_i2c_read(uint8_t address, uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    (void)address;
    (void)bytes;
    (void)length;
    (void)timeout_ms;
    return -1;
}

bool cairn_port_se_power(bool on)
{
    (void)on;
    return false;
}

bool cairn_port_se_keys(uint8_t *version, uint8_t *enc, uint8_t *mac)
{
    (void)version;
    (void)enc;
    (void)mac;
    return false;
}

_Noreturn void cairn_port_panic(void)
{
    for (;;) {
    }
}
