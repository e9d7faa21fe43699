/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Sockets. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_NET_SOCKET_H
#define STUB_NET_SOCKET_H

#include <zephyr/kernel.h>

#define AF_INET            1
#define SOCK_DGRAM         2
#define IPPROTO_UDP        17
#define ZSOCK_POLLIN       1
#define ZSOCK_MSG_DONTWAIT 0x40

typedef unsigned short int sa_family_t;
typedef size_t socklen_t;

struct in_addr {
	uint8_t s4_addr[4];
};

struct sockaddr {
	sa_family_t sa_family;
	char data[22];
};

struct sockaddr_in {
	sa_family_t sin_family;
	uint16_t sin_port;
	struct in_addr sin_addr;
};

struct zsock_pollfd {
	int fd;
	short events;
	short revents;
};

uint16_t stub_swapped(uint16_t value);
#define htons(value) stub_swapped(value)

int zsock_socket(int family, int type, int proto);
int zsock_close(int sock);
int zsock_connect(int sock, const struct sockaddr *addr, socklen_t addrlen);
ssize_t zsock_send(int sock, const void *buf, size_t len, int flags);
ssize_t zsock_recv(int sock, void *buf, size_t max_len, int flags);
int zsock_poll(struct zsock_pollfd *fds, int nfds, int timeout);

#endif
