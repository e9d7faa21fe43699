/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* UARTs with receive interrupts, the timer, and the end. Called by the sample's tasks; never allocates, never waits
 * except for the console's transmitter. */
#include "board.h"

#include "FreeRTOS.h"
#include "cairn_config.h"
#include "mps2_an385.h"

#include <string.h>

/* One producer (the interrupt), one consumer (a task); each index is written by one side only. Holds capacity - 1
 * bytes. */
struct ring {
    uint8_t *bytes;
    uint32_t capacity;
    volatile uint32_t head; /* the interrupt writes here next */
    volatile uint32_t tail; /* the task reads here next */
    volatile uint32_t lost;
};

static uint8_t console_bytes[256], modem_bytes[CONFIG_CAIRN_AT_RX_BYTES];
static struct ring console = {.bytes = console_bytes, .capacity = sizeof console_bytes};
static struct ring modem = {.bytes = modem_bytes, .capacity = sizeof modem_bytes};

static uint32_t after(const struct ring *ring, uint32_t index)
{
    return index + 1u == ring->capacity ? 0u : index + 1u;
}

static void uart_init(struct cmsdk_uart *uart, unsigned irq)
{
    uart->baud_div = BOARD_CLOCK_HZ / 115200u;
    uart->ctrl = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE | UART_CTRL_RX_INTERRUPT;
    /* The lowest priority: these handlers call FreeRTOS. */
    NVIC_PRIORITY[irq] = configKERNEL_INTERRUPT_PRIORITY;
    *NVIC_ENABLE = 1u << irq;
}

void board_init(void)
{
    uart_init(UART0, IRQ_UART0_RX);
    uart_init(UART1, IRQ_UART1_RX);
    TIMER0->reload = UINT32_MAX;
    TIMER0->value = UINT32_MAX;
    TIMER0->ctrl = TIMER_CTRL_ENABLE;
}

uint32_t board_timer(void)
{
    return UINT32_MAX - TIMER0->value;
}

static void receive(struct cmsdk_uart *uart, struct ring *ring)
{
    uart->int_status = UART_INT_RX;
    while ((uart->state & UART_STATE_RX_FULL) != 0) {
        uint8_t byte = (uint8_t)uart->data;
        uint32_t next = after(ring, ring->head);
        if (next == ring->tail) {
            ring->lost++;
        } else {
            ring->bytes[ring->head] = byte;
            ring->head = next;
        }
    }
}

static size_t take(struct ring *ring, uint8_t *buffer, size_t capacity)
{
    size_t n = 0;
    while (n < capacity && ring->tail != ring->head) {
        buffer[n++] = ring->bytes[ring->tail];
        ring->tail = after(ring, ring->tail);
    }
    return n;
}

void board_uart0_rx_interrupt(void);
void board_uart1_rx_interrupt(void);

void board_uart0_rx_interrupt(void)
{
    receive(UART0, &console);
    board_console_received();
}

void board_uart1_rx_interrupt(void)
{
    receive(UART1, &modem);
    board_modem_received();
}

void board_console_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        while ((UART0->state & UART_STATE_TX_FULL) != 0) {
        }
        UART0->data = (uint8_t)text[i];
    }
}

int board_console_read(void)
{
    uint8_t byte;
    return take(&console, &byte, 1) == 1 ? byte : -1;
}

size_t board_modem_read(uint8_t *buffer, size_t capacity)
{
    return take(&modem, buffer, capacity);
}

size_t board_modem_write(const uint8_t *bytes, size_t length)
{
    size_t n = 0;
    while (n < length && (UART1->state & UART_STATE_TX_FULL) == 0) {
        UART1->data = bytes[n++];
    }
    return n;
}

uint32_t board_modem_lost(void)
{
    return modem.lost;
}

_Noreturn void board_stop(const char *why)
{
    __asm volatile("cpsid i" ::: "memory");
    board_console_write("stop ", 5);
    board_console_write(why, strlen(why));
    board_console_write("\n", 1);
    for (;;) {
        __asm volatile("wfi");
    }
}
