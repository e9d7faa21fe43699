/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* See meter.h. Time is skipped, not scaled: the task moves the clocks on by a quarter hour when, and only when, the
 * agent is idle; whatever Cairn or the modem wait for takes as long as it takes. */
#include "meter.h"

#include "cairn.h"
#include "cairn_freertos.h"
#include "console.h"
#include "load_profile.h"
#include "say.h"

#include "FreeRTOS.h"
#include "task.h"

/* What the meter showed before the day began. */
#define REGISTER_START_WH 4823177u

/* An answer takes one signature at most, if the agent is at it; a minute says that something is wrong. */
#define SUBMIT_TIMEOUT_MS 60000u
#define IDLE_LOOK_MS 20u

static StaticTask_t task_memory;
static StackType_t stack[256];
static TaskHandle_t task;

/* Between the console and the meter: the console sets what is wanted, the task clears it. */
static struct {
    volatile bool running, ended;
    uint32_t readings;
    uint64_t skip_ms;
} order;
static struct meter_run last;

static uint64_t register_wh = REGISTER_START_WH;
static uint32_t quarter; /* the next quarter hour of the profile */

/* An unsigned integer in CBOR, shortest form (RFC 8949 section 4.2). */
static size_t cbor_unsigned(uint64_t value, uint8_t out[9])
{
    static const uint64_t below[] = {24, 0x100, 0x10000, 0x100000000};
    size_t form = 0;
    while (form < 4 && value >= below[form]) {
        form++;
    }
    if (form == 0) {
        out[0] = (uint8_t)value;
        return 1;
    }
    size_t bytes = (size_t)1 << (form - 1);
    out[0] = (uint8_t)(23u + form);
    for (size_t i = 0; i < bytes; i++) {
        out[1 + i] = (uint8_t)(value >> (8u * (bytes - 1u - i)));
    }
    return 1 + bytes;
}

/* Waits until the agent has nothing to do, then lets `ms` have passed. */
static void skip(uint64_t ms)
{
    cairn_status_t status;
    while (cairn_status(&status) != CAIRN_OK || (!status.idle && status.start == CAIRN_OK)) {
        vTaskDelay(pdMS_TO_TICKS(IDLE_LOOK_MS));
    }
    cairn_freertos_add_time(ms);
}

static cairn_result_t read_meter(uint64_t *seq)
{
    register_wh += load_profile_wh[quarter];
    quarter = (quarter + 1u) % (sizeof load_profile_wh / sizeof load_profile_wh[0]);
    uint8_t payload[9];
    size_t length = cbor_unsigned(register_wh, payload);
    return cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, length, SUBMIT_TIMEOUT_MS, seq);
}

static void run(uint32_t readings)
{
    last = (struct meter_run){.wanted = readings};
    for (uint32_t i = 0; i < readings; i++) {
        skip(METER_INTERVAL_MS);
        uint64_t seq = 0;
        cairn_result_t result = read_meter(&seq);
        last.result = (int)result;
        last.register_wh = register_wh;
        if (result != CAIRN_OK) {
            return;
        }
        last.submitted++;
        last.last_seq = seq;
        if (i == 0) {
            last.first_seq = seq;
        }
        say_begin("reading");
        say_number("seq", seq);
        say_number("wh", register_wh);
        say_end();
    }
}

static void meter(void *unused)
{
    (void)unused;
    for (;;) {
        (void)ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
        if (!order.running) {
            continue;
        }
        if (order.skip_ms != 0) {
            skip(order.skip_ms);
            last = (struct meter_run){0};
        } else {
            run(order.readings);
        }
        order.ended = true;
        order.running = false;
        console_wake();
    }
}

void meter_start(void)
{
    task = xTaskCreateStatic(meter, "meter", sizeof stack / sizeof stack[0], NULL, METER_PRIORITY, stack, &task_memory);
}

static bool give(uint32_t readings, uint64_t skip_ms)
{
    if (order.running || order.ended) {
        return false;
    }
    order.readings = readings;
    order.skip_ms = skip_ms;
    order.running = true;
    (void)xTaskNotifyGive(task);
    return true;
}

bool meter_run(uint32_t readings)
{
    return give(readings, 0);
}

bool meter_skip(uint64_t ms)
{
    return give(0, ms);
}

bool meter_ended(struct meter_run *out)
{
    if (!order.ended) {
        return false;
    }
    *out = last;
    order.ended = false;
    return true;
}
