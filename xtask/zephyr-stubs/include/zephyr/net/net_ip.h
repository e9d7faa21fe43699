/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Addresses. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_NET_NET_IP_H
#define STUB_NET_NET_IP_H

#include <zephyr/net/socket.h>

bool net_ipaddr_parse(const char *str, size_t str_len, struct sockaddr *addr);

#endif
