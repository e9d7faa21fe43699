/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the sample asks of its board: a console, a modem UART, a 40 ns timer, random bytes, flash, the factory
 * blob. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ticks of board_timer in one microsecond. */
#define BOARD_TICKS_PER_US 25u

/* Sets up UARTs and the timer. Call once, before the scheduler starts. */
void board_init(void);

/* Free-running count up, 40 ns a tick, wraps after 171 s. Any context. */
uint32_t board_timer(void);

/* Writes to the console; waits for the transmitter. Tasks only, one at a time. */
void board_console_write(const char *text, size_t length);

/* Takes one received console byte, or -1 when there is none. One task. */
int board_console_read(void);

/* Called in the interrupt when console or modem bytes arrived. The sample defines both. */
void board_console_received(void);
void board_modem_received(void);

/* Bytes from and to the modem: what is there or fits now, never waits. One task. */
size_t board_modem_read(uint8_t *buffer, size_t capacity);
size_t board_modem_write(const uint8_t *bytes, size_t length);

/* Bytes the modem sent that found the buffer full, since boot. */
uint32_t board_modem_lost(void);

/* Fills `out` from the host's /dev/urandom by semihosting. QEMU ONLY: this board has no entropy source; a product
 * uses its true random number generator here. False when the host does not answer. */
bool board_entropy(uint8_t *out, size_t length);

/* The journal's flash, a file of the host's by semihosting (flash_file.c). QEMU ONLY. See cairn_port_flash_read and its
 * neighbours in cairn_port.h, which these stand behind. They stop the board when they are used wrongly. */
int board_flash_read(uint32_t offset, void *to, size_t length);
int board_flash_program(uint32_t offset, const void *from, size_t length);
int board_flash_erase(uint32_t offset, size_t length);

/* The same for the key's flash, two erase units: in builds with CONFIG_CAIRN_KEY_STORE. */
int board_key_flash_read(uint32_t offset, void *to, size_t length);
int board_key_flash_program(uint32_t offset, const void *from, size_t length);
int board_key_flash_erase(uint32_t offset, size_t length);

/* 32 bytes that no other device has, the same at every start: drawn at the first one and kept in a file. QEMU ONLY: a product has a
 * hardware unique key, a PUF or one-time-programmable memory. False when the host gives no random bytes. */
bool board_device_secret(uint8_t *secret);

/* One transfer on the I2C bus of shield 0, at most timeout_ms: whether all of it was acknowledged. */
bool board_i2c_write(uint8_t address, const uint8_t *bytes, size_t length, uint32_t timeout_ms);
bool board_i2c_read(uint8_t address, uint8_t *bytes, size_t length, uint32_t timeout_ms);

/* Switches the power of the secure element on that bus, by a pin of the shield. */
void board_element_power(bool on);

/* The factory blob, as the loader put it. */
extern const uint8_t board_factory[];
extern const uint8_t board_factory_bytes[]; /* its address is the length */

/* Says why on the console and stops for good. */
_Noreturn void board_stop(const char *why);

#endif
