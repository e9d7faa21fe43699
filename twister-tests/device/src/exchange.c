/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* An uplink over Zephyr's sockets, taken by a socket of the test behind the loopback interface. It answers what a forger would. */
#include "device.h"

#include <string.h>

#include <zephyr/net/socket.h>

#define PORT 5683

/* CoAP's fixed header (RFC 7252, section 3). */
#define VERSION_AND_TYPE(byte) ((byte) >> 4)
#define CONFIRMABLE            0x4
#define POST                   0x02

static uint8_t datagram[600];

/* Receives a datagram of the device, and where from. */
static size_t take(int socket, struct sockaddr_in *from)
{
	struct zsock_pollfd wait = {.fd = socket, .events = ZSOCK_POLLIN};
	socklen_t length = sizeof(*from);
	zassert_equal(zsock_poll(&wait, 1, PATIENCE_MS), 1, "no datagram came");
	ssize_t got = zsock_recvfrom(socket, datagram, sizeof(datagram), 0, (struct sockaddr *)from, &length);
	zassert_true(got > 0);
	return (size_t)got;
}

BOOT_SUITE(exchange, BOOT_EXCHANGE, NULL);

ZTEST(exchange, test_an_uplink_goes_out_and_a_forged_answer_changes_nothing)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in device;
	memcpy(&here.sin_addr, (const uint8_t[]){127, 0, 0, 1}, 4);
	int relay = zsock_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	zassert_true(relay >= 0);
	zassert_ok(zsock_bind(relay, (struct sockaddr *)&here, sizeof(here)));
	start(factory_meter, sizeof(factory_meter));
	EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
	EXPECT(cairn_flush(), CAIRN_OK);
	size_t length = take(relay, &device);
	zassert_true(length > 100);
	zassert_equal(VERSION_AND_TYPE(datagram[0]), CONFIRMABLE);
	zassert_equal(datagram[1], POST);
	zassert_equal(status().exchanges, 1);
	/* 2.04 with the right message id and token, and nothing that the relay's key made. */
	size_t header = 4 + (datagram[0] & 0xfu);
	datagram[0] = (uint8_t)(0x60 | (datagram[0] & 0xfu));
	datagram[1] = 0x44;
	zassert_equal(zsock_sendto(relay, datagram, header, 0, (struct sockaddr *)&device, sizeof(device)), header);
	for (uint32_t waited = 0; waited < 600000u && status().exchange_failures == 0; waited += 1000) {
		k_msleep(1000);
	}
	cairn_status_t now = status();
	zassert_equal(now.exchange_failures, 1);
	zassert_true(now.datagrams_down >= 1 && now.datagrams_up >= 1 && now.bytes_up >= length);
	zassert_equal(now.stored_through, CAIRN_NO_BATCH);
	zassert_true(now.unsent > 0);
	zassert_not_equal(now.last_link, CAIRN_LINK_OK);
	/* The same anchor is sent again, later. */
	(void)take(relay, &device);
	zassert_equal(status().signatures, 1);
	zassert_ok(zsock_close(relay));
}
