/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The log when all is over. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_LOGGING_LOG_CTRL_H
#define STUB_LOGGING_LOG_CTRL_H

#include <zephyr/logging/log.h>

void log_panic(void);
#define LOG_PANIC() log_panic()

#endif
