/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* For builds without Zephyr's sockets, such as those with an AT modem: the agent's thread sleeps on a semaphore, and every socket
 * says that there is no such thing. Called by the crate cairn-zephyr only. */
#include "shim.h"

#include <zephyr/kernel.h>

static K_SEM_DEFINE(news, 0, 1);

bool cairn_rust_wait_prepare(void)
{
	return true;
}

void cairn_rust_wake(void)
{
	k_sem_give(&news);
}

void cairn_rust_wait(struct cairn_rust_watch *watches, size_t count, int32_t ms)
{
	ARG_UNUSED(watches);
	ARG_UNUSED(count);
	(void)k_sem_take(&news, ms < 0 ? K_FOREVER : K_MSEC(ms));
}

int32_t cairn_rust_socket(bool stream, size_t address_length)
{
	ARG_UNUSED(stream);
	ARG_UNUSED(address_length);
	return CAIRN_RUST_UNSUPPORTED;
}

int32_t cairn_rust_connect(int32_t socket, const uint8_t *address, size_t address_length, uint16_t port)
{
	ARG_UNUSED(socket);
	ARG_UNUSED(address);
	ARG_UNUSED(address_length);
	ARG_UNUSED(port);
	return CAIRN_RUST_UNSUPPORTED;
}

int32_t cairn_rust_connected(int32_t socket)
{
	ARG_UNUSED(socket);
	return CAIRN_RUST_UNSUPPORTED;
}

int32_t cairn_rust_send(int32_t socket, const uint8_t *bytes, size_t length)
{
	ARG_UNUSED(socket);
	ARG_UNUSED(bytes);
	ARG_UNUSED(length);
	return CAIRN_RUST_UNSUPPORTED;
}

int32_t cairn_rust_receive(int32_t socket, uint8_t *bytes, size_t capacity)
{
	ARG_UNUSED(socket);
	ARG_UNUSED(bytes);
	ARG_UNUSED(capacity);
	return CAIRN_RUST_UNSUPPORTED;
}

int32_t cairn_rust_close(int32_t socket)
{
	ARG_UNUSED(socket);
	return CAIRN_RUST_UNSUPPORTED;
}
