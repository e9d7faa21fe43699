/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A meter that anchors its readings: sets up the board, starts Cairn, creates the tasks. Also here: what Cairn asks
 * of a product (UART, entropy, flash, secure element, the end) and the kernel's hooks. */
#include "beat.h"
#include "board.h"
#include "cairn_freertos.h"
#include "cairn_port.h"
#include "console.h"
#include "events.h"
#include "meter.h"
#ifdef METER_PSA
#include "meter_psa.h"
#endif
#include "say.h"

#include "FreeRTOS.h"
#include "task.h"

size_t cairn_port_uart_read(uint8_t *buffer, size_t capacity)
{
    return board_modem_read(buffer, capacity);
}

size_t cairn_port_uart_write(const uint8_t *bytes, size_t length)
{
    return board_modem_write(bytes, length);
}

bool cairn_port_entropy(uint8_t *out, size_t length)
{
    return board_entropy(out, length);
}

int cairn_port_flash_read(uint32_t offset, void *to, size_t length)
{
    return board_flash_read(offset, to, length);
}

int cairn_port_flash_program(uint32_t offset, const void *from, size_t length)
{
    return board_flash_program(offset, from, length);
}

int cairn_port_flash_erase(uint32_t offset, size_t length)
{
    return board_flash_erase(offset, length);
}

#if defined(CONFIG_CAIRN_KEY_STORE)
int cairn_port_key_flash_read(uint32_t offset, void *to, size_t length)
{
    return board_key_flash_read(offset, to, length);
}

int cairn_port_key_flash_program(uint32_t offset, const void *from, size_t length)
{
    return board_key_flash_program(offset, from, length);
}

int cairn_port_key_flash_erase(uint32_t offset, size_t length)
{
    return board_key_flash_erase(offset, length);
}

bool cairn_port_device_secret(uint8_t *secret)
{
    return board_device_secret(secret);
}
#endif

#if defined(CONFIG_CAIRN_SIGNER_SE050)
#if defined(CONFIG_CAIRN_SE050_SCP03)
#error "this sample has no place for a chip's platform keys: unset CONFIG_CAIRN_SE050_SCP03, or supply cairn_port_se_keys"
#endif

int cairn_port_i2c_write(uint8_t address, const uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    return board_i2c_write(address, bytes, length, timeout_ms) ? 0 : -1;
}

int cairn_port_i2c_read(uint8_t address, uint8_t *bytes, size_t length, uint32_t timeout_ms)
{
    return board_i2c_read(address, bytes, length, timeout_ms) ? 0 : -1;
}

bool cairn_port_se_power(bool on)
{
    board_element_power(on);
    return true;
}
#endif

_Noreturn void cairn_port_panic(void)
{
    board_stop("cairn panicked");
}

void board_modem_received(void)
{
    bool woken = false;
    (void)cairn_wake_from_isr(&woken);
    portYIELD_FROM_ISR(woken);
}

void vApplicationIdleHook(void)
{
    __asm volatile("wfi");
}

void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
    (void)task;
    board_stop(name);
}

int main(void)
{
    board_init();
    say_init();
#ifdef METER_PSA
    meter_psa_prepare();
#endif
    const cairn_config_t config = {
        .factory = board_factory,
        .factory_length = (size_t)(uintptr_t)board_factory_bytes,
    };
    cairn_result_t result = cairn_freertos_start(&config);
    if (result != CAIRN_OK) {
        board_stop(cairn_strerror(result));
    }
    cairn_freertos_set_wall(METER_DAY_START_MS, CAIRN_TIME_NETWORK);
    events_start();
    beat_start();
    meter_start();
    console_start();
    vTaskStartScheduler();
    board_stop("the scheduler returned");
}
