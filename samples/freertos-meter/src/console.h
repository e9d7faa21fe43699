/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Commands on the console UART, one a line; README.md lists them and their answers. */
#ifndef CONSOLE_H
#define CONSOLE_H

#define CONSOLE_PRIORITY 2u

/* Creates the task. Before the scheduler starts. */
void console_start(void);

/* Has the task look for input and events. Tasks only. */
void console_wake(void);

#endif
