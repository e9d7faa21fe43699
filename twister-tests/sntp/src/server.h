/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* An SNTP server on the loopback interface, and what it was asked. */
#ifndef CAIRN_TEST_SNTP_SERVER_H
#define CAIRN_TEST_SNTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* The server's clock is the uptime and this, Unix milliseconds. Whole seconds: what the server says has none less. */
extern volatile uint64_t server_offset_ms;

/* Whether it answers. */
extern volatile bool server_answers;

/* Datagrams that came, and how many of them came ten seconds or more after the one before: each is a question of its own. */
extern volatile uint32_t datagrams;
extern volatile uint32_t questions;

#endif /* CAIRN_TEST_SNTP_SERVER_H */
