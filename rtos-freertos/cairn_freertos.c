/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The agent's task, the record queue and the waiters: the part of cairn_port.h that is about tasks. Called by the
 * library and by cairn_freertos_start; the clocks are in cairn_freertos_clock.c; UART, entropy and flash are
 * the product's. No heap. */
#include "cairn_freertos.h"
#include "cairn_freertos_internal.h"
#include "cairn_port.h"

#include "queue.h"
#include "semphr.h"

#if tskKERNEL_VERSION_MAJOR < 10 || (tskKERNEL_VERSION_MAJOR == 10 && tskKERNEL_VERSION_MINOR < 4) ||                      \
    (tskKERNEL_VERSION_MAJOR == 10 && tskKERNEL_VERSION_MINOR == 4 && tskKERNEL_VERSION_BUILD < 3)
#error "Cairn needs FreeRTOS V10.4.3 or later"
#endif
#if configSUPPORT_STATIC_ALLOCATION != 1
#error "Cairn needs configSUPPORT_STATIC_ALLOCATION 1 in FreeRTOSConfig.h"
#endif
#if configUSE_TASK_NOTIFICATIONS != 1
#error "Cairn needs configUSE_TASK_NOTIFICATIONS 1 in FreeRTOSConfig.h"
#endif
#if INCLUDE_xTaskGetCurrentTaskHandle != 1
#error "Cairn needs INCLUDE_xTaskGetCurrentTaskHandle 1 in FreeRTOSConfig.h"
#endif
#if CONFIG_CAIRN_TASK_PRIORITY >= configMAX_PRIORITIES
#error "CONFIG_CAIRN_TASK_PRIORITY must be below configMAX_PRIORITIES"
#endif

#define STACK_WORDS ((CONFIG_CAIRN_TASK_STACK_BYTES + sizeof(StackType_t) - 1u) / sizeof(StackType_t))

static cairn_storage_t storage;

static StaticTask_t task_memory;
static StackType_t task_stack[STACK_WORDS];
static TaskHandle_t task;

static StaticQueue_t queue_memory;
static uint8_t queue_records[CONFIG_CAIRN_QUEUE_LENGTH * sizeof(cairn_record_t)];
static QueueHandle_t queue;

static StaticSemaphore_t waiter_memory[CONFIG_CAIRN_WAITERS];
static SemaphoreHandle_t waiters[CONFIG_CAIRN_WAITERS];

/* Milliseconds as ticks, rounded up. What is longer than a tick counter may carry becomes the longest finite wait,
 * which the callers repeat; only CAIRN_FOREVER_MS becomes portMAX_DELAY, which with INCLUDE_vTaskSuspend never ends. */
static TickType_t ticks(uint32_t ms)
{
    if (ms == CAIRN_FOREVER_MS) {
        return portMAX_DELAY;
    }
    uint64_t n = ((uint64_t)ms * configTICK_RATE_HZ + 999u) / 1000u;
    TickType_t longest = portMAX_DELAY / 2u;
    return n < longest ? (TickType_t)n : longest;
}

static void run(void *unused)
{
    (void)unused;
    (void)cairn_run();
    /* Only when the agent cannot start; cairn_status and every later call say why. */
    for (;;) {
        (void)ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
    }
}

cairn_result_t cairn_freertos_start(const cairn_config_t *config)
{
    if (cairn_port_in_isr()) {
        return CAIRN_E_CONTEXT;
    }
    cairn_result_t result = cairn_init(&storage, config);
    if (result != CAIRN_OK) {
        return result;
    }
    for (size_t i = 0; i < CONFIG_CAIRN_WAITERS; i++) {
        waiters[i] = xSemaphoreCreateBinaryStatic(&waiter_memory[i]);
    }
    queue = xQueueCreateStatic(CONFIG_CAIRN_QUEUE_LENGTH, sizeof(cairn_record_t), queue_records, &queue_memory);
    task = xTaskCreateStatic(run, "cairn", STACK_WORDS, NULL, CONFIG_CAIRN_TASK_PRIORITY, task_stack, &task_memory);
    return CAIRN_OK;
}

TaskHandle_t cairn_freertos_task(void)
{
    return task;
}

/* Between cairn_init and the creation of the queue another task may already submit: then the queue is full. */
bool cairn_port_queue_put(const cairn_record_t *record, uint32_t wait_ms)
{
    return queue != NULL && xQueueSend(queue, record, ticks(wait_ms)) == pdTRUE;
}

bool cairn_port_queue_put_from_isr(const cairn_record_t *record, bool *woken)
{
    BaseType_t higher = pdFALSE;
    bool put = queue != NULL && xQueueSendFromISR(queue, record, &higher) == pdTRUE;
    *woken = *woken || higher != pdFALSE;
    return put;
}

bool cairn_port_queue_take(cairn_record_t *record)
{
    return queue != NULL && xQueueReceive(queue, record, 0) == pdTRUE;
}

void cairn_port_wake(void)
{
    if (task != NULL) {
        (void)xTaskNotifyGive(task);
    }
}

void cairn_port_wake_from_isr(bool *woken)
{
    if (task != NULL) {
        BaseType_t higher = pdFALSE;
        vTaskNotifyGiveFromISR(task, &higher);
        *woken = *woken || higher != pdFALSE;
    }
}

void cairn_port_wait(uint32_t wait_ms)
{
    /* Never longer than half a turn of the tick counter, so that counting time misses none. */
    TickType_t wait = ticks(wait_ms);
    (void)ulTaskNotifyTake(pdTRUE, wait < portMAX_DELAY / 2u ? wait : portMAX_DELAY / 2u);
    cairn_freertos_count_time();
}

#if defined(CONFIG_CAIRN_SIGNER_SE050) || defined(CONFIG_CAIRN_SIGNER_SIM)
#if INCLUDE_vTaskDelay != 1
#error "Cairn's signer needs INCLUDE_vTaskDelay 1 in FreeRTOSConfig.h"
#endif
/* One tick more than the time takes: the running one counts as none. */
void cairn_port_delay_us(uint32_t us)
{
    vTaskDelay((TickType_t)(((uint64_t)us * configTICK_RATE_HZ + 999999u) / 1000000u) + 1u);
}
#endif

bool cairn_port_waiter_wait(uint8_t waiter, uint32_t wait_ms)
{
    return waiters[waiter] != NULL && xSemaphoreTake(waiters[waiter], ticks(wait_ms)) == pdTRUE;
}

void cairn_port_waiter_signal(uint8_t waiter)
{
    (void)xSemaphoreGive(waiters[waiter]);
}

const void *cairn_port_task(void)
{
    return xTaskGetCurrentTaskHandle();
}

/* xPortIsInsideInterrupt is not in every port; where it is missing the product names its own test. */
#ifndef CAIRN_IN_ISR
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
static bool in_isr(void)
{
    uint32_t ipsr;
    __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    return ipsr != 0;
}
#define CAIRN_IN_ISR() in_isr()
#else
#define CAIRN_IN_ISR() (xPortIsInsideInterrupt() != pdFALSE)
#endif
#endif

bool cairn_port_in_isr(void)
{
    return CAIRN_IN_ISR();
}

uint32_t cairn_port_lock(void)
{
    if (cairn_port_in_isr()) {
        return (uint32_t)taskENTER_CRITICAL_FROM_ISR();
    }
    taskENTER_CRITICAL();
    return 0;
}

void cairn_port_unlock(uint32_t state)
{
    if (cairn_port_in_isr()) {
        taskEXIT_CRITICAL_FROM_ISR((UBaseType_t)state);
        return;
    }
    (void)state;
    taskEXIT_CRITICAL();
}
