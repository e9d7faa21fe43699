/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Cairn on FreeRTOS, V10.4.3 or later: what an application calls beside cairn.h. Everything is static: it works with
 * configSUPPORT_DYNAMIC_ALLOCATION 0. Size and priority of the task, length of the queue and number of waiters come
 * from the configuration (cairn_config.h). */
#ifndef CAIRN_FREERTOS_H
#define CAIRN_FREERTOS_H

#include "cairn.h"

#include "FreeRTOS.h"
#include "task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Calls cairn_init with storage of its own and creates the agent's task. Call once, before or after the scheduler
 * was started. `config` and what it points to need not stay.
 *
 * Blocks: no. Tasks: yes, or main. Interrupts: CAIRN_E_CONTEXT. Errors: those of cairn_init; there is no task then. */
cairn_result_t cairn_freertos_start(const cairn_config_t *config);

/* The agent's task, for uxTaskGetStackHighWaterMark and the like. NULL before cairn_freertos_start. */
TaskHandle_t cairn_freertos_task(void);

/* Sets the wall clock. `quality` says where the time came from; CAIRN_TIME_SINCE_BOOT unsets the clock.
 *
 * Blocks: no. Tasks: yes, or main. Interrupts: no. */
void cairn_freertos_set_wall(uint64_t unix_ms, cairn_time_quality_t quality);

/* Adds time that passed while the tick did not count: a deep sleep that stopped it and gave nothing to
 * vTaskStepTick. All of Cairn's clocks move on, and the agent looks what became due.
 *
 * Blocks: no. Tasks: yes. Interrupts: no. */
void cairn_freertos_add_time(uint64_t ms);

#ifdef __cplusplus
}
#endif

#endif /* CAIRN_FREERTOS_H */
