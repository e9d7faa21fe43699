/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Vector table, reset and what happens on a fault. Nothing calls it but the processor. */
#include "board.h"

#include <stdint.h>
#include <string.h>

extern uint8_t data_start[], data_end[], data_load[], bss_start[], bss_end[], main_stack_top[];

int main(void);
void vPortSVCHandler(void);
void xPortPendSVHandler(void);
void xPortSysTickHandler(void);
void board_uart0_rx_interrupt(void);
void board_uart1_rx_interrupt(void);
void Reset_Handler(void);

static void fault(void)
{
    board_stop("fault");
}

void Reset_Handler(void)
{
    memcpy(data_start, data_load, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    main();
    board_stop("main returned");
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[16 + 32] = {
    [0] = (vector)(uintptr_t)main_stack_top,
    [1] = Reset_Handler,
    [2] = fault,
    [3] = fault,
    [4] = fault,
    [5] = fault,
    [6] = fault,
    [11] = vPortSVCHandler,
    [12] = fault,
    [14] = xPortPendSVHandler,
    [15] = xPortSysTickHandler,
    [16 + 0] = board_uart0_rx_interrupt, /* IRQ_UART0_RX */
    [16 + 1] = fault,
    [16 + 2] = board_uart1_rx_interrupt, /* IRQ_UART1_RX */
    [16 + 3 ... 16 + 31] = fault,
};
