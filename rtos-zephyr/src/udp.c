/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Datagrams over Zephyr's sockets, and how the agent's thread sleeps meanwhile: in zsock_poll, on the socket and on an
 * eventfd that whoever has news writes to. Called by the agent's thread, cairn_port_wake by every thread and interrupt. */
#include "cairn_port.h"
#include "internal.h"

#include <errno.h>

#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>
#include <zephyr/zvfs/eventfd.h>

static int news = -1;
static int link = -1;

bool cairn_zephyr_prepare_wake(void)
{
	news = zvfs_eventfd(0, ZVFS_EFD_NONBLOCK);
	return news >= 0;
}

/* Writing to a nonblocking eventfd takes a spin lock and raises a poll signal: interrupts may. */
void cairn_port_wake(void)
{
	if (news >= 0) {
		(void)zvfs_eventfd_write(news, 1);
	}
}

void cairn_port_wake_from_isr(bool *woken)
{
	ARG_UNUSED(woken);
	cairn_port_wake();
}

void cairn_port_wait(uint32_t wait_ms)
{
	struct zsock_pollfd events[] = {
		{.fd = news, .events = ZSOCK_POLLIN},
		{.fd = link, .events = ZSOCK_POLLIN}, /* -1 is passed over */
	};
	int ms = wait_ms == CAIRN_FOREVER_MS ? -1 : (int)MIN(wait_ms, (uint32_t)INT_MAX);
	if (zsock_poll(events, ARRAY_SIZE(events), ms) < 0) {
		/* Sockets of a driver that cannot be polled beside an eventfd: never spin, look again in a second. */
		(void)k_sleep(K_MSEC(MIN(wait_ms, 1000U)));
	}
	zvfs_eventfd_t count;
	(void)zvfs_eventfd_read(news, &count);
}

bool cairn_port_udp_open(const uint8_t address[4], uint16_t port)
{
	struct sockaddr_in relay = {.sin_family = AF_INET, .sin_port = htons(port)};
	memcpy(&relay.sin_addr, address, sizeof(relay.sin_addr));
	link = zsock_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	if (link < 0) {
		return false;
	}
	if (zsock_connect(link, (struct sockaddr *)&relay, sizeof(relay)) != 0) {
		cairn_port_udp_close();
		return false;
	}
#if defined(CONFIG_CAIRN_SNTP)
	cairn_zephyr_radio_is_up();
#endif
	return true;
}

void cairn_port_udp_close(void)
{
	if (link >= 0) {
		(void)zsock_close(link);
		link = -1;
	}
}

int cairn_port_udp_send(const uint8_t *bytes, size_t length)
{
	ssize_t sent = zsock_send(link, bytes, length, ZSOCK_MSG_DONTWAIT);
	if (sent < 0) {
		return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? CAIRN_UDP_LATER : CAIRN_UDP_FAILED;
	}
	return (size_t)sent == length ? (int)length : CAIRN_UDP_FAILED;
}

int cairn_port_udp_receive(uint8_t *bytes, size_t capacity)
{
	ssize_t length = zsock_recv(link, bytes, capacity, ZSOCK_MSG_DONTWAIT);
	if (length < 0) {
		return errno == EAGAIN ? CAIRN_UDP_LATER : CAIRN_UDP_FAILED;
	}
	return (int)length;
}
