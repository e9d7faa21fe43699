/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* See events.h. The brackets of a signature go to the beat task at once, everything also to a queue for the console. */
#include "events.h"

#include "beat.h"
#include "cairn.h"
#include "console.h"
#include "say.h"

#include "FreeRTOS.h"
#include "queue.h"

#define EVENTS 32u

static StaticQueue_t queue_memory;
static uint8_t queue_bytes[EVENTS * sizeof(cairn_event_t)];
static QueueHandle_t queue;
static volatile uint32_t lost;

static void note(const cairn_event_t *event, void *unused)
{
    (void)unused;
    if (event->kind == CAIRN_EVENT_SIGNING) {
        beat_signing();
    } else if (event->kind == CAIRN_EVENT_SIGNED) {
        beat_signed();
    }
    if (xQueueSend(queue, event, 0) != pdTRUE) {
        lost++;
    }
    console_wake();
}

void events_start(void)
{
    queue = xQueueCreateStatic(EVENTS, sizeof(cairn_event_t), queue_bytes, &queue_memory);
    (void)cairn_set_event_callback(note, NULL);
}

bool events_waiting(void)
{
    return uxQueueMessagesWaiting(queue) != 0;
}

static const char *link_name(cairn_link_t link)
{
    switch (link) {
    case CAIRN_LINK_OK:
        return "ok";
    case CAIRN_LINK_REFUSED:
        return "refused";
    case CAIRN_LINK_TIMEOUT:
        return "timeout";
    case CAIRN_LINK_UNREACHABLE:
        return "unreachable";
    case CAIRN_LINK_REJECTED:
        return "rejected";
    case CAIRN_LINK_SEQUENCE_EXHAUSTED:
        return "sequence-exhausted";
    case CAIRN_LINK_UNUSABLE:
        return "unusable";
    }
    return "unknown";
}

static void print(const cairn_event_t *event)
{
    say_begin("event");
    switch (event->kind) {
    case CAIRN_EVENT_SEALED:
        say_text("sealed");
        say_number("batch", event->batch);
        say_number("records", event->value);
        break;
    case CAIRN_EVENT_SIGNING:
        say_text("signing");
        say_number("batch", event->batch);
        break;
    case CAIRN_EVENT_SIGNED:
        say_text("signed");
        say_number("batch", event->batch);
        say_number("result", event->result);
        break;
    case CAIRN_EVENT_ROTATED:
        say_text("rotated");
        say_number("batch", event->batch);
        break;
    case CAIRN_EVENT_SENT:
        say_text("sent");
        say_number("batch", event->batch);
        say_number("bytes", event->value);
        break;
    case CAIRN_EVENT_STORED:
        say_text("stored");
        say_number("batch", event->batch);
        break;
    case CAIRN_EVENT_INCLUDED:
        say_text("included");
        say_number("batch", event->batch);
        break;
    case CAIRN_EVENT_FINAL:
        say_text("final");
        say_number("batch", event->batch);
        break;
    case CAIRN_EVENT_EXCHANGE_FAILED:
        say_text("exchange-failed");
        say_word("link", link_name(event->link));
        say_number("code", event->value);
        break;
    case CAIRN_EVENT_CLOCK_STEPPED:
        say_text("clock-stepped");
        say_number("old_ms", event->old_ms);
        say_number("new_ms", event->new_ms);
        break;
    case CAIRN_EVENT_DISPLACED:
        say_text("displaced");
        say_number("records", event->value);
        break;
    case CAIRN_EVENT_REFUSED:
        say_text("refused");
        say_word("why", cairn_strerror(event->result));
        break;
    }
    say_end();
}

void events_print(void)
{
    cairn_event_t event;
    while (xQueueReceive(queue, &event, 0) == pdTRUE) {
        print(&event);
    }
    if (lost != 0) {
        say_begin("event lost");
        say_number("count", lost);
        say_end();
        lost = 0;
    }
}
