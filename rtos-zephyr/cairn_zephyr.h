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

#ifdef __cplusplus
}
#endif

#endif /* CAIRN_ZEPHYR_H */
