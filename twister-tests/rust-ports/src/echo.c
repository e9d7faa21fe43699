/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the ports' sockets talk to, on 127.0.0.1: datagrams come back on port 7; a stream's bytes come back on port 7 until a
 * line ends, and then the connection is closed. An interrupt calls back when the test asks for one. */
#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>

#define ECHO 7

static int bound(int type, int protocol)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(ECHO), .sin_addr = INADDR_LOOPBACK_INIT};
	int fd = zsock_socket(AF_INET, type, protocol);
	if (fd < 0 || zsock_bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0) {
		printk("echo: no socket\n");
		k_panic();
	}
	return fd;
}

static void datagrams(void *unused1, void *unused2, void *unused3)
{
	static char buffer[64];
	int fd = bound(SOCK_DGRAM, IPPROTO_UDP);
	for (;;) {
		struct sockaddr_in from;
		socklen_t from_length = sizeof(from);
		ssize_t length = zsock_recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &from_length);
		if (length > 0) {
			/* Late enough that whoever waits for it sleeps. */
			k_msleep(50);
			(void)zsock_sendto(fd, buffer, length, 0, (struct sockaddr *)&from, from_length);
		}
	}
}

static void streams(void *unused1, void *unused2, void *unused3)
{
	static char buffer[64];
	int listener = bound(SOCK_STREAM, IPPROTO_TCP);
	if (zsock_listen(listener, 1) != 0) {
		printk("echo: cannot listen\n");
		k_panic();
	}
	for (;;) {
		int fd = zsock_accept(listener, NULL, NULL);
		ssize_t length;
		do {
			length = zsock_recv(fd, buffer, sizeof(buffer), 0);
			k_msleep(50);
			(void)zsock_send(fd, buffer, MAX(length, 0), 0);
		} while (length > 0 && buffer[length - 1] != '\n');
		(void)zsock_close(fd);
	}
}

K_THREAD_DEFINE(datagram_echo, 1024, datagrams, NULL, NULL, NULL, 5, 0, 0);
K_THREAD_DEFINE(stream_echo, 1024, streams, NULL, NULL, NULL, 5, 0, 0);

static void (*asked)(void);

static void expired(struct k_timer *timer)
{
	ARG_UNUSED(timer);
	asked();
}

K_TIMER_DEFINE(interrupt, expired, NULL);

/* Calls back once, from the clock's interrupt, 50 ms from now. */
void ports_in_isr(void (*routine)(void))
{
	asked = routine;
	k_timer_start(&interrupt, K_MSEC(50), K_NO_WAIT);
}
