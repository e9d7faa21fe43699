/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the crate cairn-zephyr asks of Zephyr, as functions with fixed types: Zephyr's own are inline, macros, or have types that
 * depend on the configuration. Called by the crate only; rust/shim.rs declares the same for it. */
#ifndef CAIRN_ZEPHYR_RUST_SHIM_H
#define CAIRN_ZEPHYR_RUST_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a function that answers a number answers when it failed: errno differs from one C library to the next, these do not. */
enum cairn_rust_answer {
	CAIRN_RUST_LATER = -1,       /* nothing can be done now */
	CAIRN_RUST_CLOSED = -2,      /* the other side ended the connection */
	CAIRN_RUST_REFUSED = -3,     /* nobody listens there */
	CAIRN_RUST_UNREACHABLE = -4, /* no network, or no way to that address */
	CAIRN_RUST_TIMED_OUT = -5,   /* the network gave up */
	CAIRN_RUST_NO_ROOM = -6,     /* no socket, descriptor or context is free */
	CAIRN_RUST_TOO_LONG = -7,    /* longer than a datagram may be */
	CAIRN_RUST_UNSUPPORTED = -8, /* the build has no such protocol */
	CAIRN_RUST_FAILED = -9,      /* anything else */
};

/* ---- clock, context: any context */
uint64_t cairn_rust_uptime_ms(void);
bool cairn_rust_in_isr(void);

/* ---- entropy: threads. False when the generator failed. */
bool cairn_rust_entropy(uint8_t *out, size_t length);

/* ---- the partition cairn,journal: the agent's thread. False when the flash did not do it. */
struct cairn_rust_geometry {
	uint32_t offset;       /* of the partition in its memory, bytes */
	uint32_t capacity;     /* of the partition, bytes */
	uint32_t write_bytes;  /* a word */
	uint32_t erase_bytes;  /* an erase unit, 0 when the driver cannot say */
};
bool cairn_rust_flash_open(struct cairn_rust_geometry *geometry);
bool cairn_rust_flash_read(uint32_t offset, uint8_t *to, size_t length);
bool cairn_rust_flash_program(uint32_t offset, const uint8_t *from, size_t length);
bool cairn_rust_flash_erase(uint32_t offset, size_t length);

/* ---- the partition cairn,factory: reads its first bytes. False when there is none, or it is shorter, or does not answer. */
bool cairn_rust_factory_read(uint8_t *out, size_t length);

/* ---- how the agent's thread sleeps */
/* One descriptor to be watched, for what somebody was told LATER about. */
struct cairn_rust_watch {
	int32_t socket; /* below 0: none */
	uint8_t read;   /* not 0: until there is something to receive */
	uint8_t write;  /* not 0: until it can be written to */
	uint8_t fired;  /* set to 1 when it has news of either kind, or failed */
};
/* Once, before the two others. False when the system has no room for it. */
bool cairn_rust_wait_prepare(void);
/* Ends the wait, or the next one. Any context. */
void cairn_rust_wake(void);
/* Sleeps until woken, until a watched socket has news, at most ms; -1 is for ever. The agent's thread. */
void cairn_rust_wait(struct cairn_rust_watch *watches, size_t count, int32_t ms);

/* ---- threads that wait for the agent: places 0 .. CAIRN_RUST_WAITERS - 1, each a binary semaphore */
#define CAIRN_RUST_WAITERS 4
/* Waits for a signal, at most ms. Threads. */
void cairn_rust_waiter_wait(uint8_t waiter, int32_t ms);
/* Signals. Any context. */
void cairn_rust_waiter_signal(uint8_t waiter);

/* ---- sockets, which never wait. Answers below 0 are of the enum. Threads. */
/* A new socket, of datagrams or of a stream, for addresses of 4 or 16 bytes: its descriptor. */
int32_t cairn_rust_socket(bool stream, size_t address_length);
/* Begins to connect: 0, or LATER when cairn_rust_connected will tell. The port is in the processor's byte order. */
int32_t cairn_rust_connect(int32_t socket, const uint8_t *address, size_t address_length, uint16_t port);
/* Whether a stream that was begun is connected: 0, LATER, or why it will not be. */
int32_t cairn_rust_connected(int32_t socket);
/* How many bytes were sent. */
int32_t cairn_rust_send(int32_t socket, const uint8_t *bytes, size_t length);
/* How many bytes were received; a longer datagram is cut. 0 from a stream says that the other side closed it. */
int32_t cairn_rust_receive(int32_t socket, uint8_t *bytes, size_t capacity);
int32_t cairn_rust_close(int32_t socket);

#endif /* CAIRN_ZEPHYR_RUST_SHIM_H */
