/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The modem's UART of cairn_port.h: the one that the devicetree chose as cairn,modem, driven by its interrupt. Nothing else may have
 * it: not the console, and no modem driver of Zephyr's. */
#include "cairn_zephyr.h"
#include "cairn_port.h"

#include <zephyr/devicetree.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/init.h>
#include <zephyr/irq.h>
#include <zephyr/logging/log.h>
#include <zephyr/sys/ring_buffer.h>

LOG_MODULE_DECLARE(cairn, CONFIG_CAIRN_LOG_LEVEL);

#if !DT_HAS_CHOSEN(cairn_modem)
#error "Cairn: no UART for the modem. Choose one in a devicetree overlay: / { chosen { cairn,modem = &uart1; }; };"
#endif

#define UART DT_CHOSEN(cairn_modem)

#if !defined(CONFIG_UART_INTERRUPT_DRIVEN)
#error "Cairn: the modem's UART is driven by its interrupt, and its driver has none (CONFIG_SERIAL_SUPPORT_INTERRUPT)"
#endif
/* Zephyr's modem drivers are children of their UART. */
#define CHILD_IS_THERE(node) || DT_NODE_HAS_STATUS(node, okay)
#if defined(CONFIG_MODEM)
BUILD_ASSERT(!(0 DT_FOREACH_CHILD(UART, CHILD_IS_THERE)),
	     "the UART cairn,modem also has a modem driver of Zephyr's (CONFIG_MODEM): Cairn speaks to the modem itself. Disable "
	     "that node or CONFIG_MODEM, or choose CONFIG_CAIRN_UDP over the driver's sockets");
#endif
#if defined(CONFIG_UART_CONSOLE) && DT_HAS_CHOSEN(zephyr_console)
BUILD_ASSERT(!DT_SAME_NODE(UART, DT_CHOSEN(zephyr_console)), "the UART cairn,modem is the console's too");
#endif
#if defined(CONFIG_SHELL_BACKEND_SERIAL) && DT_HAS_CHOSEN(zephyr_shell_uart)
BUILD_ASSERT(!DT_SAME_NODE(UART, DT_CHOSEN(zephyr_shell_uart)), "the UART cairn,modem is the shell's too");
#endif

/* What lies between the agent's thread and the wire; a command and its datagram's beginning. */
#define TX_BYTES 128

static const struct device *const uart = DEVICE_DT_GET(UART);
RING_BUF_DECLARE(received, CONFIG_CAIRN_AT_RX_BYTES);
RING_BUF_DECLARE(to_send, TX_BYTES);
/* Bytes that came when `received` was full. Written by the interrupt only. */
static volatile uint32_t lost;

static void receive(void)
{
	uint8_t *room;
	uint32_t size;
	bool got = false;
	while ((size = ring_buf_put_claim(&received, &room, CONFIG_CAIRN_AT_RX_BYTES)) > 0) {
		int length = uart_fifo_read(uart, room, (int)size);
		(void)ring_buf_put_finish(&received, length > 0 ? (uint32_t)length : 0);
		if (length <= 0) {
			break;
		}
		got = true;
	}
	if (size == 0) {
		/* Full: what comes is lost and the modem's line with it, which the driver notices. */
		uint8_t byte;
		while (uart_fifo_read(uart, &byte, 1) == 1) {
			lost++;
		}
	}
	if (got) {
		(void)cairn_wake_from_isr(NULL);
	}
}

static void transmit(void)
{
	uint8_t *bytes;
	uint32_t size = ring_buf_get_claim(&to_send, &bytes, TX_BYTES);
	if (size == 0) {
		uart_irq_tx_disable(uart);
		(void)cairn_wake_from_isr(NULL);
		return;
	}
	int length = uart_fifo_fill(uart, bytes, (int)size);
	(void)ring_buf_get_finish(&to_send, length > 0 ? (uint32_t)length : 0);
}

static void serve(const struct device *device, void *unused)
{
	ARG_UNUSED(unused);
	while (uart_irq_update(device) && uart_irq_is_pending(device)) {
		if (uart_irq_rx_ready(device)) {
			receive();
		}
		if (uart_irq_tx_ready(device)) {
			transmit();
		}
	}
}

static int prepare(void)
{
	if (!device_is_ready(uart) || uart_irq_callback_user_data_set(uart, serve, NULL) != 0) {
		LOG_ERR("the UART cairn,modem is not ready or has no interrupts");
		return -ENODEV;
	}
	uart_irq_rx_enable(uart);
	return 0;
}

uint32_t cairn_zephyr_uart_lost(void)
{
	return lost;
}

SYS_INIT(prepare, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

size_t cairn_port_uart_read(uint8_t *buffer, size_t capacity)
{
	unsigned int key = irq_lock();
	uint32_t length = ring_buf_get(&received, buffer, (uint32_t)MIN(capacity, UINT32_MAX));
	irq_unlock(key);
	return length;
}

/* Zephyr's driver of the Stellaris UART raises its first transmit interrupt on one UART only, and the console may have that: a byte on
 * its way raises it on any. */
static size_t send_first(const uint8_t *bytes, size_t length)
{
#if defined(CONFIG_UART_STELLARIS)
	static bool begun;
	if (!begun && length > 0) {
		begun = true;
		uart_poll_out(uart, bytes[0]);
		return 1;
	}
#else
	ARG_UNUSED(bytes);
	ARG_UNUSED(length);
#endif
	return 0;
}

size_t cairn_port_uart_write(const uint8_t *bytes, size_t length)
{
	size_t first = send_first(bytes, length);
	unsigned int key = irq_lock();
	uint32_t taken = ring_buf_put(&to_send, bytes + first, (uint32_t)MIN(length - first, UINT32_MAX));
	irq_unlock(key);
	if (taken > 0) {
		uart_irq_tx_enable(uart);
	}
	return first + taken;
}
