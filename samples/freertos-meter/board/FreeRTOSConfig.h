/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* FreeRTOS on this board: no heap at all, 1 kHz tick, stack overflow checked. Included by the kernel. */
#ifndef FREERTOS_CONFIG_H
#define FREERTOS_CONFIG_H

#ifndef __ASSEMBLER__
_Noreturn void board_stop(const char *why);
#define BOARD_LINE_TEXT(line) #line
#define BOARD_LINE(line) BOARD_LINE_TEXT(line)
#define configASSERT(x) ((x) ? (void)0 : board_stop("assert " __FILE__ ":" BOARD_LINE(__LINE__)))
#endif

#define configCPU_CLOCK_HZ 25000000u
#define configTICK_RATE_HZ 1000u
#define configTICK_TYPE_WIDTH_IN_BITS TICK_TYPE_WIDTH_32_BITS
#define configUSE_PREEMPTION 1
#define configUSE_TIME_SLICING 0
#define configMAX_PRIORITIES 6
#define configMINIMAL_STACK_SIZE 96 /* words; the idle task's */
#define configMAX_TASK_NAME_LEN 8
#define configIDLE_SHOULD_YIELD 1
#define configUSE_IDLE_HOOK 1
#define configUSE_TICK_HOOK 1
#define configUSE_TIMERS 0
#define configUSE_EVENT_GROUPS 0
#define configUSE_STREAM_BUFFERS 0
#define configUSE_MUTEXES 1
#define configUSE_PORT_OPTIMISED_TASK_SELECTION 1

#define configSUPPORT_STATIC_ALLOCATION 1
#define configSUPPORT_DYNAMIC_ALLOCATION 0
#define configKERNEL_PROVIDED_STATIC_MEMORY 1
#define configENABLE_BACKWARD_COMPATIBILITY 0

#define configCHECK_FOR_STACK_OVERFLOW 2

/* Three priority bits; interrupts at 0xA0 and below may call FreeRTOS. */
#define configPRIO_BITS 3
#define configKERNEL_INTERRUPT_PRIORITY 0xE0
#define configMAX_SYSCALL_INTERRUPT_PRIORITY 0xA0

#define INCLUDE_vTaskDelay 1
#define INCLUDE_xTaskDelayUntil 1
#define INCLUDE_xTaskGetCurrentTaskHandle 1
#define INCLUDE_uxTaskGetStackHighWaterMark 1
#define INCLUDE_xTaskGetSchedulerState 1
#define INCLUDE_xTaskGetIdleTaskHandle 1
#define INCLUDE_vTaskSuspend 1

#endif
