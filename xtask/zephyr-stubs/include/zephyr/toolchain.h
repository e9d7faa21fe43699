/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Attributes and assertions. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_TOOLCHAIN_H
#define STUB_TOOLCHAIN_H

#define __weak           __attribute__((__weak__))
#define __aligned(bytes) __attribute__((__aligned__(bytes)))
#define __printf_like(format_at, first) __attribute__((format(printf, format_at, first)))
#define BUILD_ASSERT(condition, ...)    _Static_assert((condition), "" __VA_ARGS__)
#define CODE_UNREACHABLE                __builtin_unreachable()

#endif
