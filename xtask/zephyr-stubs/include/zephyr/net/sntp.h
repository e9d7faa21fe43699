/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* SNTP. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_NET_SNTP_H
#define STUB_NET_SNTP_H

#include <zephyr/net/socket.h>

struct sntp_time {
	uint64_t seconds;
	uint32_t fraction;
};

int sntp_simple_addr(struct sockaddr *addr, socklen_t addr_len, uint32_t timeout, struct sntp_time *ts);
int sntp_simple(const char *server, uint32_t timeout, struct sntp_time *ts);

#endif
