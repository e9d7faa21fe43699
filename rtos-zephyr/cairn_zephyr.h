/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Cairn on Zephyr 4.1 or later: what an application calls beside cairn.h. Everything is static. Size and priority of the
 * thread, length of the queue and number of waiters come from Kconfig. */
#ifndef CAIRN_ZEPHYR_H
#define CAIRN_ZEPHYR_H

#include "cairn.h"

#include <zephyr/kernel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calls cairn_init with storage of its own and starts the agent's thread. Call once. `config` and what it points to need
 * not stay; NULL takes the factory image from the partition that the devicetree chose as cairn,factory.
 *
 * Blocks: no. Threads: yes. Interrupts: CAIRN_E_CONTEXT. Errors: those of cairn_init; there is no thread then. */
cairn_result_t cairn_zephyr_start(const cairn_config_t *config);

/* The agent's thread, for k_thread_stack_space_get and the like. NULL before cairn_zephyr_start. */
k_tid_t cairn_zephyr_thread(void);

/* Records that wait for the agent's thread. */
uint32_t cairn_zephyr_queued(void);

/* Sets the wall clock. `quality` says where the time came from; CAIRN_TIME_SINCE_BOOT unsets the clock.
 *
 * Blocks: no. Threads: yes. Interrupts: no. */
void cairn_zephyr_set_wall(uint64_t unix_ms, cairn_time_quality_t quality);

/* Most of the agent's stack that was ever used, in bytes; 0 without CONFIG_INIT_STACKS and CONFIG_THREAD_STACK_INFO. */
size_t cairn_zephyr_stack_used(void);

/* Bytes of the modem that were lost because CONFIG_CAIRN_AT_RX_BYTES was full. Builds with CONFIG_CAIRN_AT_MODEM only. */
uint32_t cairn_zephyr_uart_lost(void);

/* Has a firmware record journaled for the image that runs, once, if it is confirmed (docs/capi.md, Firmware). Builds with
 * CONFIG_CAIRN_FIRMWARE_RECORD only. cairn_zephyr_start does it; call it again after the image was confirmed later, by
 * boot_write_img_confirmed or MCUmgr.
 *
 * Blocks: while the image's header is read from flash. Threads: yes. Interrupts: CAIRN_E_CONTEXT. Errors: CAIRN_E_NOT_FOUND when the
 * image is not confirmed, or none with a SHA-256 is in its slot; those of cairn_firmware_confirmed. */
cairn_result_t cairn_zephyr_firmware_check(void);

/* Whether the boot loader keeps the image that runs. Weak: asks MCUboot with CONFIG_MCUBOOT_IMG_MANAGER, and answers false without. A
 * product with another way of knowing defines it. */
bool cairn_zephyr_image_confirmed(void);

#ifdef __cplusplus
}
#endif

#endif /* CAIRN_ZEPHYR_H */
