/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a product supplies for a signer outside its processor, for the tests: I2C bus, power switch, platform keys, UART and delay, or
 * a signer and datagrams of its own, with what is simulated behind a socket. */
#ifndef ELEMENT_PORT_H
#define ELEMENT_PORT_H

#include "pthread_port.h"

/* Connects to the ports of this host that CHIP_PORT, MODEM_PORT and SIGNER_PORT name in the environment; without them nothing answers.
 * RELAY_PORT is where datagrams go. */
void element_connect(void);

/* The bus acknowledges nothing, the signer is gone, there is no network. */
extern volatile bool element_is_away;

/* Transfers so far. */
extern volatile unsigned element_asked;

/* Wakes the agent when a datagram came, as a network stack's callback would; the sockets that are open. */
bool element_heard(void);
extern volatile int element_sockets;

/* Datagrams sent, and bytes of the last one. */
extern unsigned element_datagrams;
extern unsigned element_bytes;

#endif
