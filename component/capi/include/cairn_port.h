/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What Cairn asks of the system it runs on. An RTOS glue (rtos-freertos/, rtos-zephyr/) supplies the first part, a
 * product its UART, entropy and flash. The library calls these; an application never does.
 *
 * "Task" is a thread of the RTOS. "The agent's task" is the one that runs cairn_run() or calls cairn_poll(). No
 * function here may block unless it says so, and none may call back into Cairn. */
#ifndef CAIRN_PORT_H
#define CAIRN_PORT_H

#include "cairn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A wait_ms that never ends. */
#define CAIRN_FOREVER_MS UINT32_MAX

/* ---- the record queue: CONFIG_CAIRN_QUEUE_LENGTH records, first in, first out, copied by value ---- */

/* Puts a copy of *record at the end; waits for space for at most wait_ms, 0 never waits. False when there was none.
 * Called by tasks. */
bool cairn_port_queue_put(const cairn_record_t *record, uint32_t wait_ms);

/* The same from an interrupt, never waits. Sets *woken when a task more important than the interrupted one became
 * ready; leaves it alone otherwise. A system that switches by itself need not touch it. */
bool cairn_port_queue_put_from_isr(const cairn_record_t *record, bool *woken);

/* Takes the oldest record; false when there is none. Called by the agent's task, never waits. */
bool cairn_port_queue_take(cairn_record_t *record);

/* ---- the agent's task ---- */

/* Makes cairn_port_wait return, now or the next time it is called. Called by tasks. */
void cairn_port_wake(void);

/* The same from an interrupt; *woken as above. */
void cairn_port_wake_from_isr(bool *woken);

/* Sleeps until woken, at most wait_ms. May return early. Called by the agent's task; blocks. */
void cairn_port_wait(uint32_t wait_ms);

/* ---- tasks that wait for the agent: waiters 0 .. CONFIG_CAIRN_WAITERS - 1, each a binary semaphore ---- */

/* Waits for a signal to `waiter`, at most wait_ms, and consumes it. False when none came. A signal left over from
 * earlier may end a wait: the library looks again. Called by tasks; blocks. */
bool cairn_port_waiter_wait(uint8_t waiter, uint32_t wait_ms);

/* Signals `waiter`; a signal nobody waits for is kept, two are one. Called by the agent's task. */
void cairn_port_waiter_signal(uint8_t waiter);

/* ---- where are we, and leave us alone ---- */

/* Keeps out all tasks and all interrupts that may call Cairn, for the few instructions until unlock. Any context.
 * Gives what unlock needs to restore. Calls of this pair do not nest inside each other. */
uint32_t cairn_port_lock(void);
void cairn_port_unlock(uint32_t state);

/* Whether an interrupt is being served. Any context. */
bool cairn_port_in_isr(void);

/* Names the calling task: a value no other task has, never NULL while tasks run. Called by tasks. */
const void *cairn_port_task(void);

/* ---- time ---- */

/* Milliseconds since boot; never steps back, does not wrap in 64 bits. Any context. */
uint64_t cairn_port_now_ms(void);

/* Writes the wall time, Unix milliseconds, to *unix_ms and answers its quality, a cairn_time_quality_t:
 * CAIRN_TIME_SINCE_BOOT when the clock was never set; *unix_ms is then ignored. Any context. */
uint8_t cairn_port_wall(uint64_t *unix_ms);

/* Sets the wall clock from a hint of the relay; asked only while nothing better than the relay set it. A product
 * whose clock must not be set this way does nothing here. Called by the agent's task. */
void cairn_port_set_wall(uint64_t unix_ms, uint8_t quality);

/* Sleeps at least us microseconds, whatever wakes the agent's task. A system that sleeps in ticks rounds up. Builds
 * with the signer SE050 or SIM only. Called by the agent's task; blocks. */
void cairn_port_delay_us(uint32_t us);

/* ---- the end ---- */

/* Called when an invariant of the library is broken, which is a bug of it: record where, reset the device. Any
 * context. */
#ifdef __cplusplus
[[noreturn]] void cairn_port_panic(void);
#else
_Noreturn void cairn_port_panic(void);
#endif

/* ---- supplied by the product ---- */

/* Fills out[0 .. length - 1] from a cryptographically secure source. False when it failed: then nothing is drawn,
 * and a signature is made without entropy of its own (RFC 6979). Called in cairn_init and by the agent's task; may
 * block for milliseconds. */
bool cairn_port_entropy(uint8_t *out, size_t length);

/* The modem's UART, with a receive buffer of at least CONFIG_CAIRN_AT_RX_BYTES filled by its interrupt, which then
 * calls cairn_wake_from_isr(). Builds with the AT modem only. Each takes or gives what it can now, at most capacity
 * or length bytes, and answers how many; neither waits. Called by the agent's task. */
size_t cairn_port_uart_read(uint8_t *buffer, size_t capacity);
size_t cairn_port_uart_write(const uint8_t *bytes, size_t length);

/* ---- datagrams: builds with CONFIG_CAIRN_UDP, where Zephyr's glue supplies them over its sockets, or with
 * CONFIG_CAIRN_TRANSPORT_CUSTOM, where the product does ----
 *
 * One socket at a time, connected to the relay. All four are called by the agent's task only, and none waits. When a
 * datagram came, cairn_port_wait must return: a product calls cairn_wake or cairn_wake_from_isr. */

/* What send and receive answer when nothing can be done now, and when the socket is of no more use. */
#define CAIRN_UDP_LATER (-1)
#define CAIRN_UDP_FAILED (-2)

/* Opens a socket to an IPv4 address, most significant byte first, and a port. False when there is no network. */
bool cairn_port_udp_open(const uint8_t address[4], uint16_t port);

/* Sends one datagram: its length, CAIRN_UDP_LATER or CAIRN_UDP_FAILED. */
int cairn_port_udp_send(const uint8_t *bytes, size_t length);

/* Takes one datagram that came from the relay, cut to capacity: its length, CAIRN_UDP_LATER or CAIRN_UDP_FAILED. */
int cairn_port_udp_receive(uint8_t *bytes, size_t capacity);

/* Closes the socket. */
void cairn_port_udp_close(void);

/* ---- the journal's flash, supplied by the product ----
 *
 * A partition of CONFIG_CAIRN_JOURNAL_BYTES bytes of NOR flash that nothing else touches; `offset` counts from its
 * first byte, which lies at the start of an erase unit. All three are called by the agent's task only, never two at a
 * time, and may block for as long as the flash takes. 0 says that it was done, anything else that it was not.
 *
 * What a power cut may leave, and the journal copes with: of the words being programmed any may hold none, some or all
 * of its bits; of an erase unit being erased any word may be old, blank, or different at each reading. Nothing else may
 * change. A driver therefore answers only after the flash is done, and neither caches nor delays a write. */

/* Reads length bytes from any offset, of any length, to any address. Reads must not fail over what they find: where
 * the flash reports an ECC error that it could not correct (words that a power cut left half done have them for good),
 * give what the flash reads, or zeros, never 0xFF and never a fault: keep the bus fault or NMI of such a word away from
 * here. The journal's checksums find such bytes, and it never writes to them before an erase. A failure says that the
 * flash cannot be reached at all: CAIRN_E_MEDIUM. */
int cairn_port_flash_read(uint32_t offset, void *to, size_t length);

/* Programs length bytes, whole words of CONFIG_CAIRN_FLASH_WRITE_SIZE, at a multiple of it; from is 8-byte aligned. At
 * most 64 bytes at a time, which never cross a multiple of 64, so that no page of a serial flash is crossed. No word is
 * programmed twice between two erases of its unit. The journal reads back what was programmed: need not verify. */
int cairn_port_flash_program(uint32_t offset, const void *from, size_t length);

/* Erases length bytes, whole units of CONFIG_CAIRN_FLASH_ERASE_SIZE, at a multiple of it: every byte reads 0xFF then.
 * Erases also where everything reads 0xFF: what a half-finished erase left may look blank. */
int cairn_port_flash_erase(uint32_t offset, size_t length);

/* ---- the key's flash and what protects it, supplied by the product: builds with CONFIG_CAIRN_KEY_STORE only ----
 *
 * Two erase units of CONFIG_CAIRN_FLASH_ERASE_SIZE bytes that nothing else touches, of the journal's kind of flash and with the
 * same rules as cairn_port_flash_read, _program and _erase; `offset` counts from the first one's first byte. An erased unit must hold
 * nothing of what was there: no file system, no wear levelling, no copy on write. Called by the agent's task; when there is no agent, by
 * the task that calls cairn_key_destroy. Never two at a time. */
int cairn_port_key_flash_read(uint32_t offset, void *to, size_t length);
int cairn_port_key_flash_program(uint32_t offset, const void *from, size_t length);
int cairn_port_key_flash_erase(uint32_t offset, size_t length);

/* With CONFIG_CAIRN_KEY_AT_REST_SEALED: writes 32 bytes to secret that this device has and no other, and that are not in the same
 * flash: a hardware unique key, a PUF, one-time-programmable memory. The same at every start. False when there is none: then no key is
 * written, and the agent does not start. Called by the agent's task; the library wipes its copy. */
bool cairn_port_device_secret(uint8_t *secret);

/* With CONFIG_CAIRN_KEY_NOISE: the next 8-bit sample of a noise source, raw: nothing conditioned it. False when the source says that
 * it failed. Called by the agent's task when a key is drawn: 1,024 times, and then 512 / CONFIG_CAIRN_KEY_NOISE_BITS times. */
bool cairn_port_noise(uint8_t *sample);

/* Three numbers that never fall, also when somebody puts back an older content of the journal's flash: in a secure element, in
 * trusted firmware, or in flash that only this processor can write. Builds with CONFIG_CAIRN_MONOTONIC only.
 * `mark` is 0: streams and batches, 1: sender sequence numbers, 2: nonces. Called by the agent's task;
 * may block for the time of the operation. False when the counter does not answer: then nothing is signed or sent.
 *
 * Writes what the mark was raised to, 0 when it never was, to *value. */
bool cairn_port_counter_read(uint8_t mark, uint64_t *value);

/* Raises the mark to value, durably; a lower value changes nothing. Called about twice a batch and once every
 * CONFIG_CAIRN_SENDER_SEQUENCE_BLOCK exchanges. */
bool cairn_port_counter_raise(uint8_t mark, uint64_t value);

/* ---- the secure element, supplied by the product: builds with CONFIG_CAIRN_SIGNER_SE050 only ----
 *
 * All are called by the agent's task only, in a step that signs or starts the agent. */

/* One transfer on the chip's I2C bus, from start to stop, with the clock of CONFIG_CAIRN_SE050_I2C_KHZ: writes or reads
 * length bytes at the seven-bit address, at most 5 more than CONFIG_CAIRN_SE050_INFORMATION_BYTES. Blocks until it is
 * over, at most timeout_ms, and frees the bus then. 0 says that all bytes were transferred and acknowledged; anything
 * else that they were not, which is no failure: a chip that is busy does not acknowledge, and is asked again. */
int cairn_port_i2c_write(uint8_t address, const uint8_t *bytes, size_t length, uint32_t timeout_ms);
int cairn_port_i2c_read(uint8_t address, uint8_t *bytes, size_t length, uint32_t timeout_ms);

/* Switches the chip's power, with CONFIG_CAIRN_SE050_POWER_GATE only: its ENA pin or a load switch. The bus must not
 * feed the chip while it is off: pull-ups on the switched supply, pins low or open. Waiting is the library's. False when
 * the switch failed. */
bool cairn_port_se_power(bool on);

/* Writes the chip's platform keys (SCP03) to *version, enc[0 .. 15] and mac[0 .. 15], with CONFIG_CAIRN_SE050_SCP03
 * only. Asked each time the agent tries to start; the library keeps what it needs of them for as long as the signer
 * lives. False when the product has none: the agent then does not start, with CAIRN_E_SIGNER_LOCKED. */
bool cairn_port_se_keys(uint8_t *version, uint8_t *enc, uint8_t *mac);

/* ---- the product's own signer: builds with CONFIG_CAIRN_SIGNER_CUSTOM only ----
 *
 * Whatever holds the key and signs with it: ECDSA over the curve that CONFIG_CAIRN_KEY_SECP256K1 or CONFIG_CAIRN_KEY_P256 chooses.
 * Both are called by the agent's task only, never two at a time, in a step that signs or starts the agent, and may block as long
 * as a signature takes: meanwhile nothing is journaled. They answer a cairn_result_t: CAIRN_OK, CAIRN_E_SIGNER_NOT_PROVISIONED,
 * CAIRN_E_SIGNER_LOCKED, CAIRN_E_SIGNER_GONE or CAIRN_E_SIGNER_TIMEOUT; anything else counts as CAIRN_E_SIGNER_FAULT. At a start the
 * agent looks again a minute after GONE and TIMEOUT, and stays stopped after the others. */

/* Writes the public key to xy[0 .. 63]: X, then Y, each 32 bytes, most significant byte first. Asked once for each try to start. A key
 * that is no point of the curve counts as CAIRN_E_SIGNER_NOT_PROVISIONED. */
int cairn_port_signer_public_key(uint8_t xy[64]);

/* Signs digest[0 .. 31] as it is, without hashing it again, and writes the signature to signature[0 .. 63]: r, then s, as above; s may be
 * in either half, the library makes it low. The library verifies every signature with the public key, and sends none that is wrong. */
int cairn_port_signer_sign(const uint8_t digest[32], uint8_t signature[64]);

#ifdef __cplusplus
}
#endif

#endif /* CAIRN_PORT_H */
