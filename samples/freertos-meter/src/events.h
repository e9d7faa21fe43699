/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Cairn's events on their way from the agent's task to the console: the callback only notes them, so that it is
 * quick. */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Before the scheduler starts, after cairn_init. */
void events_start(void);

/* Prints what happened since it was last called. The console's task. */
void events_print(void);

/* Whether there is something to print. */
bool events_waiting(void);

#endif
