/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The shell: formats are checked as those of printf. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_SHELL_SHELL_H
#define STUB_SHELL_SHELL_H

#include <zephyr/kernel.h>

struct shell {
	char unused;
};

typedef int (*shell_cmd_handler)(const struct shell *sh, size_t argc, char **argv);

struct shell_static_args {
	uint8_t mandatory;
	uint8_t optional;
};

struct shell_static_entry {
	const char *syntax;
	const char *help;
	const void *subcmd;
	shell_cmd_handler handler;
	struct shell_static_args args;
};

#define SHELL_CMD_ARG(_syntax, _subcmd, _help, _handler, _mandatory, _optional)                                                \
	{#_syntax, _help, _subcmd, _handler, {_mandatory, _optional}}
#define SHELL_CMD(_syntax, _subcmd, _help, _handler) SHELL_CMD_ARG(_syntax, _subcmd, _help, _handler, 0, 0)
#define SHELL_SUBCMD_SET_END                         {NULL, NULL, NULL, NULL, {0, 0}}
#define SHELL_STATIC_SUBCMD_SET_CREATE(name, ...)                                                                              \
	static const struct shell_static_entry name[] __attribute__((unused)) = {__VA_ARGS__}
#define SHELL_CMD_REGISTER(_syntax, _subcmd, _help, _handler)                                                                  \
	static const struct shell_static_entry stub_shell_##_syntax __attribute__((unused)) =                                  \
		SHELL_CMD(_syntax, _subcmd, _help, _handler)

__printf_like(2, 3) void shell_fprintf_normal(const struct shell *sh, const char *fmt, ...);
__printf_like(2, 3) void shell_fprintf_error(const struct shell *sh, const char *fmt, ...);
#define shell_print(_sh, _ft, ...) shell_fprintf_normal(_sh, _ft "\n", ##__VA_ARGS__)
#define shell_error(_sh, _ft, ...) shell_fprintf_error(_sh, _ft "\n", ##__VA_ARGS__)

#endif
