/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Sockets. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_NET_SOCKET_H
#define STUB_NET_SOCKET_H

#include <zephyr/kernel.h>

#define AF_INET            1
#define AF_INET6           2
#define SOCK_STREAM        1
#define SOCK_DGRAM         2
#define IPPROTO_TCP        6
#define IPPROTO_UDP        17
#define SOL_SOCKET         1
#define SO_ERROR           4
#define ZSOCK_POLLIN       1
#define ZSOCK_POLLOUT      4
#define ZSOCK_POLLERR      8
#define ZSOCK_POLLHUP      0x10
#define ZSOCK_POLLNVAL     0x20
#define ZVFS_F_GETFL       3
#define ZVFS_F_SETFL       4
#define ZVFS_O_NONBLOCK    0x4000
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

struct in6_addr {
	uint8_t s6_addr[16];
};

struct sockaddr_in6 {
	sa_family_t sin6_family;
	uint16_t sin6_port;
	struct in6_addr sin6_addr;
	uint8_t sin6_scope_id;
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
int zsock_fcntl(int sock, int cmd, int flags);
int zsock_getsockopt(int sock, int level, int optname, void *optval, socklen_t *optlen);
int zsock_poll(struct zsock_pollfd *fds, int nfds, int timeout);

#endif
