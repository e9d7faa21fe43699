/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a product supplies for a signer outside its processor, for the tests: I2C bus, power switch, platform keys, UART and delay,
 * with the simulated element behind a socket. */
#ifndef ELEMENT_PORT_H
#define ELEMENT_PORT_H

#include "pthread_port.h"

/* Connects to the ports of this host that CHIP_PORT and MODEM_PORT name in the environment; without them nothing answers. */
void element_connect(void);

/* The bus acknowledges nothing. */
extern volatile bool element_is_away;

/* Transfers so far. */
extern volatile unsigned element_asked;

#endif
