/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The registers of the MPS2 board (image AN385) that this sample uses: two CMSDK UARTs, one CMSDK timer, one
 * GPIO port and one I2C bus. Source: Arm DAI 0385 (AN385), Arm DDI 0479 (Cortex-M System Design Kit), sections 3.6 (UART), 3.5
 * (timer) and 3.2 (GPIO); for the bus Arm DUI 0417 (two-wire serial bus interface). */
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

struct cmsdk_gpio {
    volatile uint32_t data;
    volatile uint32_t data_out;
    uint32_t reserved[2];
    volatile uint32_t out_enable_set; /* write 1 to drive */
};

#define GPIO0 ((struct cmsdk_gpio *)0x40010000u)
#define GPIO0_ELEMENT (1u << 2)

struct sbcon {
    volatile uint32_t set;   /* reads the lines; write 1 to let go */
    volatile uint32_t clear; /* write 1 to pull down */
};

#define I2C_SCL 1u
#define I2C_SDA 2u
#define SHIELD0_I2C ((struct sbcon *)0x40029000u)

/* Interrupt numbers: external interrupt n is vector 16 + n. */
#define IRQ_UART0_RX 0u
#define IRQ_UART1_RX 2u

#define NVIC_ENABLE ((volatile uint32_t *)0xE000E100u)
#define NVIC_PRIORITY ((volatile uint8_t *)0xE000E400u)

#endif
