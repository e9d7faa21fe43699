/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cairn_port.h on POSIX threads, for the tests: an interrupt is a thread that says so. */
#ifndef PTHREAD_PORT_H
#define PTHREAD_PORT_H

#include "cairn_port.h"

/* The calling thread pretends to serve an interrupt. */
extern _Thread_local bool port_pretend_isr;

/* The entropy source fails. */
extern volatile bool port_entropy_fails;

/* The flash cannot be reached; the flash takes no more bits but says it did. */
extern volatile bool port_flash_fails;
extern volatile bool port_flash_is_worn;

/* Takes a file for the flash, instead of blank memory. Before the agent's first step. */
void port_flash_file(const char *path);

/* The counter does not answer. */
extern volatile bool port_counter_fails;

/* Takes a file of 24 bytes for the counter. Before the agent's first step. */
void port_counter_file(const char *path);

/* The key's flash: takes a file instead of blank memory, before the agent's first step. */
void port_key_flash_file(const char *path);

/* The platform has no secret; it is another device's; the noise source gives the same sample again and again. */
extern volatile bool port_device_secret_fails;
extern volatile bool port_device_secret_is_another;
extern volatile bool port_noise_is_stuck;

/* Cuts the power in the middle of the operation of this number that changes a flash, the journal's or the key's: the process ends
 * with code 99. 0 never. */
void port_cut_after(unsigned operations);

/* Starts and stops a thread that runs cairn_poll and cairn_port_wait in turns. */
void port_agent_start(void);
void port_agent_stop(void);

/* What the last cairn_poll of that thread answered. */
extern volatile cairn_result_t port_agent_result;

/* Adds to the clock, as if time had passed. */
void port_add_time(uint64_t ms);

/* From now on only port_add_time moves the clock: what a slow machine takes is no time. For scenarios without a thread. */
void port_stop_clock(void);

#endif
