/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The log: formats are checked as those of printf. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_LOGGING_LOG_H
#define STUB_LOGGING_LOG_H

#include <zephyr/kernel.h>

#define LOG_MODULE_REGISTER(name, level) static const int stub_log_level __attribute__((unused)) = (level)
#define LOG_MODULE_DECLARE(name, level)  static const int stub_log_level __attribute__((unused)) = (level)

__printf_like(1, 2) void stub_log(const char *format, ...);
#define LOG_ERR(...) stub_log(__VA_ARGS__)
#define LOG_WRN(...) stub_log(__VA_ARGS__)
#define LOG_INF(...) stub_log(__VA_ARGS__)
#define LOG_DBG(...) stub_log(__VA_ARGS__)

#endif
