/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* See beat.h. The lateness of a beat counts from the tick interrupt that made it due, read from the CMSDK timer in
 * the tick hook, so that it says what the tasks did to each other and not when QEMU's host woke up. */
#include "beat.h"

#include "board.h"

#include "FreeRTOS.h"
#include "task.h"

#include <stdbool.h>

#define PERIOD_TICKS pdMS_TO_TICKS(BEAT_PERIOD_MS)
#define PERIOD_TIMER (BEAT_PERIOD_MS * 1000u * BOARD_TICKS_PER_US)
#define DUE_SLOTS 64u /* a beat may be 1.28 s late before its due time is overwritten */

static StaticTask_t task_memory;
static StackType_t stack[configMINIMAL_STACK_SIZE * 2];
static volatile uint32_t due_at[DUE_SLOTS];

static struct beat_report report = {.fewest_inside = UINT32_MAX};

/* The signature being made, or the last one while its late beats come in. */
static struct {
    bool running, ended;
    uint32_t from, to, inside, last_beat;
} signature;

void vApplicationTickHook(void)
{
    TickType_t tick = xTaskGetTickCountFromISR();
    if (tick % PERIOD_TICKS == 0) {
        due_at[(tick / PERIOD_TICKS) % DUE_SLOTS] = board_timer();
    }
}

static void raise(uint32_t *worst, uint32_t value)
{
    if (value > *worst) {
        *worst = value;
    }
}

static void note_beat(uint32_t now, uint32_t due)
{
    report.beats++;
    if (!signature.running && !signature.ended) {
        return;
    }
    /* Was it due while the signature was made? Unsigned differences survive the timer's wrap. */
    uint32_t length = (signature.running ? now : signature.to) - signature.from;
    if ((int32_t)(due - signature.from) < 0) {
        return; /* due before it, and late already: those due inside may still come */
    }
    if (due - signature.from > length) {
        signature.ended = false;
        return;
    }
    report.due_inside++;
    raise(&report.worst_late, now - due);
    if (signature.running) {
        if (signature.inside > 0) {
            uint32_t interval = now - signature.last_beat;
            raise(&report.worst_interval, interval > PERIOD_TIMER ? interval - PERIOD_TIMER : PERIOD_TIMER - interval);
        }
        signature.inside++;
        signature.last_beat = now;
    }
}

static void beat(void *unused)
{
    (void)unused;
    TickType_t wake = xTaskGetTickCount() / PERIOD_TICKS * PERIOD_TICKS;
    for (;;) {
        (void)xTaskDelayUntil(&wake, PERIOD_TICKS);
        uint32_t now = board_timer();
        uint32_t due = due_at[(wake / PERIOD_TICKS) % DUE_SLOTS];
        taskENTER_CRITICAL();
        note_beat(now, due);
        taskEXIT_CRITICAL();
    }
}

void beat_start(void)
{
    (void)xTaskCreateStatic(beat, "beat", sizeof stack / sizeof stack[0], NULL, BEAT_PRIORITY, stack, &task_memory);
}

void beat_signing(void)
{
    taskENTER_CRITICAL();
    signature.running = true;
    signature.ended = false;
    signature.inside = 0;
    signature.from = board_timer();
    taskEXIT_CRITICAL();
}

void beat_signed(void)
{
    taskENTER_CRITICAL();
    if (signature.running) {
        signature.to = board_timer();
        signature.running = false;
        signature.ended = true;
        report.signatures++;
        report.last_signature = signature.to - signature.from;
        raise(&report.longest_signature, report.last_signature);
        if (signature.inside < report.fewest_inside) {
            report.fewest_inside = signature.inside;
        }
    }
    taskEXIT_CRITICAL();
}

void beat_get(struct beat_report *out)
{
    taskENTER_CRITICAL();
    *out = report;
    taskEXIT_CRITICAL();
    if (out->signatures == 0) {
        out->fewest_inside = 0;
    }
}
