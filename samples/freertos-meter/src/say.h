/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Lines on the console, one at a time whoever writes: `say_begin`, words, `say_end`. No printf: newlib's needs
 * malloc. */
#ifndef SAY_H
#define SAY_H

#include <stddef.h>
#include <stdint.h>

/* Before the scheduler starts. */
void say_init(void);

/* Starts a line; other tasks wait until say_end. Tasks only. */
void say_begin(const char *word);
void say_end(void);

/* " text" */
void say_text(const char *text);
/* " name=text", " name=123", " name=0a0b" */
void say_word(const char *name, const char *text);
void say_number(const char *name, uint64_t number);
void say_hex(const char *name, const uint8_t *bytes, size_t length);

#endif
