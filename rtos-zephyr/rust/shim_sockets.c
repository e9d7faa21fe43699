/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Sockets for the crate cairn-zephyr, and how the agent's thread sleeps on them: in zsock_poll, together with an eventfd that
 * whoever has news writes to. Called by the crate only. No function here waits but cairn_rust_wait. */
#include "shim.h"

#include <errno.h>
#include <string.h>

#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>
#include <zephyr/zvfs/eventfd.h>

/* The crate watches as many sockets as its Sockets may have open. */
#define WATCHED_MAX 4

static int news = -1;

bool cairn_rust_wait_prepare(void)
{
	if (news < 0) {
		news = zvfs_eventfd(0, ZVFS_EFD_NONBLOCK);
	}
	return news >= 0;
}

/* Writing to a nonblocking eventfd takes a spin lock and raises a poll signal: interrupts may. */
void cairn_rust_wake(void)
{
	if (news >= 0) {
		(void)zvfs_eventfd_write(news, 1);
	}
}

/* Sockets that nobody waits for are not looked at: a datagram that nobody wants would end every wait at once. */
void cairn_rust_wait(struct cairn_rust_watch *watches, size_t count, int32_t ms)
{
	struct zsock_pollfd events[1 + WATCHED_MAX] = {{.fd = news, .events = ZSOCK_POLLIN}};
	size_t watched = MIN(count, (size_t)WATCHED_MAX);
	for (size_t i = 0; i < watched; i++) {
		bool wanted = watches[i].read != 0 || watches[i].write != 0;
		events[1 + i].fd = wanted ? watches[i].socket : -1;
		events[1 + i].events = (watches[i].read != 0 ? ZSOCK_POLLIN : 0) | (watches[i].write != 0 ? ZSOCK_POLLOUT : 0);
	}
	if (zsock_poll(events, 1 + (int)watched, ms) > 0) {
		for (size_t i = 0; i < watched; i++) {
			watches[i].fired = events[1 + i].fd >= 0 && events[1 + i].revents != 0;
		}
	}
	zvfs_eventfd_t written;
	(void)zvfs_eventfd_read(news, &written);
}

static int32_t answer(int error)
{
	switch (error) {
	case EAGAIN:
#if EWOULDBLOCK != EAGAIN
	case EWOULDBLOCK:
#endif
	case EINPROGRESS:
	case EALREADY:
	case ENOBUFS:
	case EINTR:
		return CAIRN_RUST_LATER;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
	case ESHUTDOWN:
	case ENOTCONN:
		return CAIRN_RUST_CLOSED;
	case ECONNREFUSED:
		return CAIRN_RUST_REFUSED;
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
		return CAIRN_RUST_UNREACHABLE;
	case ETIMEDOUT:
		return CAIRN_RUST_TIMED_OUT;
	case ENFILE:
	case EMFILE:
		return CAIRN_RUST_NO_ROOM;
	case EMSGSIZE:
		return CAIRN_RUST_TOO_LONG;
	case EAFNOSUPPORT:
	case EPFNOSUPPORT:
	case EPROTONOSUPPORT:
		return CAIRN_RUST_UNSUPPORTED;
	default:
		return CAIRN_RUST_FAILED;
	}
}

int32_t cairn_rust_socket(bool stream, size_t address_length)
{
	int family = address_length == sizeof(struct in_addr) ? AF_INET : AF_INET6;
	int fd = zsock_socket(family, stream ? SOCK_STREAM : SOCK_DGRAM, stream ? IPPROTO_TCP : IPPROTO_UDP);
	if (fd < 0) {
		/* No context is free: later there will not be one either, unless something is closed. */
		return errno == ENOMEM || errno == ENOBUFS ? CAIRN_RUST_NO_ROOM : answer(errno);
	}
	int flags = zsock_fcntl(fd, ZVFS_F_GETFL, 0);
	if (flags < 0 || zsock_fcntl(fd, ZVFS_F_SETFL, flags | ZVFS_O_NONBLOCK) != 0) {
		int32_t why = answer(errno);
		(void)zsock_close(fd);
		return why;
	}
	return fd;
}

int32_t cairn_rust_connect(int32_t socket, const uint8_t *address, size_t address_length, uint16_t port)
{
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 remote6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int result;
	if (address_length == sizeof(remote.sin_addr)) {
		memcpy(&remote.sin_addr, address, sizeof(remote.sin_addr));
		result = zsock_connect(socket, (struct sockaddr *)&remote, sizeof(remote));
	} else if (address_length == sizeof(remote6.sin6_addr)) {
		memcpy(&remote6.sin6_addr, address, sizeof(remote6.sin6_addr));
		result = zsock_connect(socket, (struct sockaddr *)&remote6, sizeof(remote6));
	} else {
		return CAIRN_RUST_UNSUPPORTED;
	}
	return result == 0 ? 0 : answer(errno);
}

int32_t cairn_rust_connected(int32_t socket)
{
	struct zsock_pollfd state = {.fd = socket, .events = ZSOCK_POLLOUT};
	if (zsock_poll(&state, 1, 0) < 0) {
		return answer(errno);
	}
	if ((state.revents & (ZSOCK_POLLERR | ZSOCK_POLLHUP | ZSOCK_POLLNVAL)) != 0) {
		int error = 0;
		socklen_t length = sizeof(error);
		if (zsock_getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error == 0) {
			return CAIRN_RUST_CLOSED;
		}
		int32_t why = answer(error);
		/* It ended: later says nothing else. */
		return why == CAIRN_RUST_LATER ? CAIRN_RUST_FAILED : why;
	}
	return (state.revents & ZSOCK_POLLOUT) != 0 ? 0 : CAIRN_RUST_LATER;
}

int32_t cairn_rust_send(int32_t socket, const uint8_t *bytes, size_t length)
{
	ssize_t sent = zsock_send(socket, bytes, length, ZSOCK_MSG_DONTWAIT);
	if (sent < 0) {
		/* The stack's buffers are all in use; they come back. */
		return errno == ENOMEM ? CAIRN_RUST_LATER : answer(errno);
	}
	return (int32_t)sent;
}

int32_t cairn_rust_receive(int32_t socket, uint8_t *bytes, size_t capacity)
{
	ssize_t length = zsock_recv(socket, bytes, capacity, ZSOCK_MSG_DONTWAIT);
	return length < 0 ? answer(errno) : (int32_t)MIN((size_t)length, capacity);
}

int32_t cairn_rust_close(int32_t socket)
{
	return zsock_close(socket) == 0 ? 0 : answer(errno);
}
