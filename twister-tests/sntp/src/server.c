/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* An SNTP server (RFC 4330) in a thread of its own. */
#include "server.h"

#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>
#include <zephyr/sys/byteorder.h>

#define PORT 10123
/* Seconds from 1900 to 1970. */
#define NTP_EPOCH 2208988800u

volatile uint64_t server_offset_ms;
volatile bool server_answers = true;
volatile uint32_t datagrams;
volatile uint32_t questions;

static void count(void)
{
	static int64_t last_ms = INT64_MIN / 2;
	int64_t now_ms = k_uptime_get();
	datagrams++;
	questions += now_ms - last_ms >= 10 * MSEC_PER_SEC;
	last_ms = now_ms;
}

static void serve(void *unused1, void *unused2, void *unused3)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	const struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int socket = zsock_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	if (socket < 0 || zsock_bind(socket, (const struct sockaddr *)&here, sizeof(here)) != 0) {
		printk("no socket for the server\n");
		return;
	}
	for (;;) {
		uint8_t packet[48];
		struct sockaddr from;
		socklen_t length = sizeof(from);
		if (zsock_recvfrom(socket, packet, sizeof(packet), 0, &from, &length) != sizeof(packet)) {
			continue;
		}
		count();
		if (!server_answers) {
			continue;
		}
		/* Version 3, a server's answer, stratum 1; what the client sent at comes back as the originate time. */
		packet[0] = 3 << 3 | 4;
		packet[1] = 1;
		memcpy(&packet[24], &packet[40], 8);
		uint64_t unix_ms = (uint64_t)k_uptime_get() + server_offset_ms;
		uint32_t fraction = (uint32_t)(((unix_ms % 1000) << 32) / 1000);
		sys_put_be32((uint32_t)(unix_ms / 1000 + NTP_EPOCH), &packet[40]);
		sys_put_be32(fraction, &packet[44]);
		(void)zsock_sendto(socket, packet, sizeof(packet), 0, &from, length);
	}
}

K_THREAD_DEFINE(sntp_server, 4096, serve, NULL, NULL, NULL, 5, 0, 0);
