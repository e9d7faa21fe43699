/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the files of this folder tell each other. */
#ifndef CAIRN_ZEPHYR_INTERNAL_H
#define CAIRN_ZEPHYR_INTERNAL_H

#include "cairn.h"

#define CAIRN_FACTORY_MAX 256u

#include <stdbool.h>

/* Makes what cairn_port_wake and cairn_port_wait need. False when the system has no room for it. */
bool cairn_zephyr_prepare_wake(void);

/* Whether the journal's flash is there. */
bool cairn_zephyr_prepare_flash(void);

/* Reads the factory image from the partition cairn,factory. False when there is none, or the flash does not answer. */
bool cairn_zephyr_read_factory(uint8_t image[CAIRN_FACTORY_MAX]);

/* Starts the thread that asks for the time. Builds with CONFIG_CAIRN_SNTP only, as the next. */
void cairn_zephyr_begin_sntp(void);

/* The radio is up for an exchange: whoever waits for that may send too. */
void cairn_zephyr_radio_is_up(void);

#endif /* CAIRN_ZEPHYR_INTERNAL_H */
