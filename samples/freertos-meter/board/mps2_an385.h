/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The registers of the MPS2 board (image AN385) that this sample uses: two CMSDK UARTs and one CMSDK timer. Source: Arm
 * DAI 0385 (AN385), Arm DDI 0479 (Cortex-M System Design Kit), sections 3.6 (UART) and 3.5 (timer). */
#ifndef MPS2_AN385_H
#define MPS2_AN385_H

#include <stdint.h>

#define BOARD_CLOCK_HZ 25000000u

struct cmsdk_uart {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t ctrl;
    volatile uint32_t int_status; /* write 1 to clear */
    volatile uint32_t baud_div;   /* at least 16 */
};

#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_STATE_RX_OVERRUN 8u
#define UART_CTRL_TX_ENABLE 1u
#define UART_CTRL_RX_ENABLE 2u
#define UART_CTRL_RX_INTERRUPT 8u
#define UART_INT_RX 2u

#define UART0 ((struct cmsdk_uart *)0x40004000u)
#define UART1 ((struct cmsdk_uart *)0x40005000u)

struct cmsdk_timer {
    volatile uint32_t ctrl;
    volatile uint32_t value;
    volatile uint32_t reload;
    volatile uint32_t int_status;
};

#define TIMER_CTRL_ENABLE 1u

#define TIMER0 ((struct cmsdk_timer *)0x40000000u)

/* Interrupt numbers: external interrupt n is vector 16 + n. */
#define IRQ_UART0_RX 0u
#define IRQ_UART1_RX 2u

#define NVIC_ENABLE ((volatile uint32_t *)0xE000E100u)
#define NVIC_PRIORITY ((volatile uint8_t *)0xE000E400u)

#endif
