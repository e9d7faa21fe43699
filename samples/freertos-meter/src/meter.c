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

/* Between two readings of a burst, and before one that a full journal refused is tried again. */
#define BURST_GAP_MS 30u
#define FULL_PAUSE_MS 250u
/* A burst asks for a batch of at least so many records, when the relay has all before it. */
#define BURST_BATCH 6u

static StaticTask_t task_memory;
static StackType_t stack[256];
static TaskHandle_t task;

/* Between the console and the meter: the console sets what is wanted, the task clears it. */
static struct {
    volatile bool running, ended;
    enum meter_job job;
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

/* A quarter hour of the load profile passes through the meter. */
static void consume(void)
{
    register_wh += load_profile_wh[quarter];
    quarter = (quarter + 1u) % (sizeof load_profile_wh / sizeof load_profile_wh[0]);
}

static cairn_result_t submit(uint64_t *seq)
{
    uint8_t payload[9];
    size_t length = cbor_unsigned(register_wh, payload);
    return cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, length, SUBMIT_TIMEOUT_MS, seq);
}

/* The line that says a reading is accepted: only ever printed once cairn_submit_wait has said so. */
static void say_reading(uint64_t seq)
{
    last.last_seq = seq;
    if (last.submitted++ == 0) {
        last.first_seq = seq;
    }
    say_begin("reading");
    say_number("seq", seq);
    say_number("wh", register_wh);
    say_end();
}

static void run(uint32_t readings)
{
    while (last.submitted < readings && last.result == CAIRN_OK) {
        skip(METER_INTERVAL_MS);
        consume();
        uint64_t seq = 0;
        last.result = (int)submit(&seq);
        if (last.result == CAIRN_OK) {
            say_reading(seq);
        }
    }
}

/* Asks for a batch when there is enough for one and the link is free for it. */
static void flush_some(void)
{
    cairn_status_t status;
    if (cairn_status(&status) == CAIRN_OK && status.unsealed >= BURST_BATCH && status.unsent == 0) {
        (void)cairn_flush();
    }
}

static void burst(uint32_t readings)
{
    while (last.submitted < readings && last.result == CAIRN_OK) {
        consume();
        uint64_t seq = 0;
        cairn_result_t result;
        /* A full journal empties as batches become final; the reading waits for that. */
        while ((result = submit(&seq)) == CAIRN_E_JOURNAL_FULL) {
            (void)cairn_flush();
            vTaskDelay(pdMS_TO_TICKS(FULL_PAUSE_MS));
        }
        last.result = (int)result;
        if (result == CAIRN_OK) {
            say_reading(seq);
            flush_some();
            vTaskDelay(pdMS_TO_TICKS(BURST_GAP_MS));
        }
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
        last = (struct meter_run){.job = order.job, .wanted = order.readings, .result = CAIRN_OK};
        switch (order.job) {
        case METER_RUN:
            run(order.readings);
            break;
        case METER_BURST:
            burst(order.readings);
            break;
        case METER_SKIP:
            skip(order.skip_ms);
            break;
        }
        last.register_wh = register_wh;
        order.ended = true;
        order.running = false;
        console_wake();
    }
}

void meter_start(void)
{
    task = xTaskCreateStatic(meter, "meter", sizeof stack / sizeof stack[0], NULL, METER_PRIORITY, stack, &task_memory);
}

static bool give(enum meter_job job, uint32_t readings, uint64_t skip_ms)
{
    if (order.running || order.ended) {
        return false;
    }
    order.job = job;
    order.readings = readings;
    order.skip_ms = skip_ms;
    order.running = true;
    (void)xTaskNotifyGive(task);
    return true;
}

bool meter_read(enum meter_job job, uint32_t readings)
{
    return give(job, readings, 0);
}

bool meter_skip(uint64_t ms)
{
    return give(METER_SKIP, 0, ms);
}

bool meter_set_register(uint64_t wh)
{
    if (order.running) {
        return false;
    }
    register_wh = wh;
    return true;
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
