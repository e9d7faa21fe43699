/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A transport of the product's own that reaches nobody: for images that are not about the way to the relay. It counts. */
#include "harness.h"

#include <cairn_port.h>

unsigned int datagrams_to_nobody;

bool cairn_port_udp_open(const uint8_t address[4], uint16_t port)
{
	return address[0] == 127 && port == 5683;
}

int cairn_port_udp_send(const uint8_t *bytes, size_t length)
{
	ARG_UNUSED(bytes);
	datagrams_to_nobody++;
	return (int)length;
}

int cairn_port_udp_receive(uint8_t *bytes, size_t capacity)
{
	ARG_UNUSED(bytes);
	ARG_UNUSED(capacity);
	return CAIRN_UDP_LATER;
}

void cairn_port_udp_close(void)
{
}
