/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* See console.h: reads lines, calls Cairn, prints answers that a program can read. Each answer begins with "ok" or
 * "error" and the command's name; lines that begin with "event" or "reading" may come in between. */
#include "console.h"

#include "beat.h"
#include "board.h"
#include "cairn.h"
#include "cairn_freertos.h"
#include "cairn_port.h"
#include "events.h"
#include "meter.h"
#include "say.h"

#include "FreeRTOS.h"
#include "task.h"

#include <string.h>

#define LINE_MAX 128u
#define ASK_TIMEOUT_MS 30000u
#define DAY_SECONDS 86400u

static StaticTask_t task_memory;
static StackType_t stack[512];
static TaskHandle_t task;

void console_wake(void)
{
    if (task != NULL) {
        (void)xTaskNotifyGive(task);
    }
}

void board_console_received(void)
{
    if (task != NULL) {
        BaseType_t woken = pdFALSE;
        vTaskNotifyGiveFromISR(task, &woken);
        portYIELD_FROM_ISR(woken);
    }
}

static void refuse(const char *command, const char *why)
{
    say_begin("error");
    say_text(command);
    say_word("why", why);
    say_end();
}

/* Prints how it went; true when there is nothing more to say. */
static void answer(const char *command, cairn_result_t result)
{
    if (result != CAIRN_OK) {
        say_begin("error");
        say_text(command);
        say_number("code", result);
        say_word("why", cairn_strerror(result));
        say_end();
        return;
    }
    say_begin("ok");
    say_text(command);
    say_end();
}

/* A decimal number that is the whole of `text`. */
static bool number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9u) / 10u) {
            return false;
        }
        value = value * 10u + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

static void say_batch(const char *name, uint32_t batch)
{
    if (batch == CAIRN_NO_BATCH) {
        say_word(name, "none");
    } else {
        say_number(name, batch);
    }
}

static void command_status(const char *argument)
{
    (void)argument;
    cairn_status_t status;
    cairn_result_t result = cairn_status(&status);
    if (result != CAIRN_OK) {
        answer("status", result);
        return;
    }
    say_begin("ok status");
    say_number("start", status.start);
    say_number("idle", status.idle);
    say_hex("device", status.device, sizeof status.device);
    say_number("stream", status.stream);
    say_number("next_seq", status.next_seq);
    say_number("oldest_seq", status.oldest_seq);
    say_number("unsealed", status.unsealed);
    say_number("next_batch", status.next_batch);
    say_number("unsent", status.unsent);
    say_batch("stored", status.stored_through);
    say_batch("included", status.included_through);
    say_batch("final", status.final_through);
    say_number("accepted", status.accepted);
    say_number("queue_full", status.queue_full);
    say_number("journal_full", status.journal_full);
    say_number("displaced", status.displaced);
    say_number("refused", status.refused);
    say_number("coalesced", status.coalesced);
    say_number("exchanges", status.exchanges);
    say_number("exchange_failures", status.exchange_failures);
    say_number("connections", status.connections);
    say_number("datagrams_up", status.datagrams_up);
    say_number("datagrams_down", status.datagrams_down);
    say_number("bytes_up", status.bytes_up);
    say_number("bytes_down", status.bytes_down);
    say_number("signatures", status.signatures);
    say_number("signer_failures", status.signer_failures);
    say_number("hash_faults", status.hash_faults);
    say_number("clock_steps", status.clock_steps);
    say_number("last_link", status.last_link);
    say_number("last_link_code", status.last_link_code);
    say_number("wall_ms", status.wall_ms);
    say_number("wall_quality", status.wall_quality);
    say_number("degradation", status.degradation);
    say_number("energy_uj", status.energy_uj);
    say_number("energy_reserve_uj", status.energy_reserve_uj);
    say_number("energy_debt_uj", status.energy_debt_uj);
    say_number("energy_charged_uj", status.energy_charged_uj);
    say_number("energy_refill_uw", status.energy_refill_uw);
    say_end();
}

/* Answered when the readings were taken. */
static void read_meter(const char *command, enum meter_job job, const char *argument)
{
    uint64_t readings;
    if (!number(argument, &readings) || readings == 0 || readings > 100000u) {
        refuse(command, "how many readings?");
    } else if (!meter_read(job, (uint32_t)readings)) {
        refuse(command, "the meter is busy");
    }
}

static void command_run(const char *argument)
{
    read_meter("run", METER_RUN, argument);
}

static void command_burst(const char *argument)
{
    read_meter("burst", METER_BURST, argument);
}

static void command_register(const char *argument)
{
    uint64_t wh;
    if (!number(argument, &wh)) {
        refuse("register", "how many Wh?");
    } else if (!meter_set_register(wh)) {
        refuse("register", "the meter is busy");
    } else {
        answer("register", CAIRN_OK);
    }
}

static void command_skip(const char *argument)
{
    uint64_t seconds;
    if (!number(argument, &seconds) || seconds == 0 || seconds > 366u * DAY_SECONDS) {
        refuse("skip", "how many seconds?");
    } else if (!meter_skip(seconds * 1000u)) {
        refuse("skip", "the meter is busy");
    }
}

static void print_ended(const struct meter_run *run)
{
    if (run->job == METER_SKIP) {
        answer("skip", CAIRN_OK);
        return;
    }
    say_begin(run->result == CAIRN_OK ? "ok" : "error");
    say_text(run->job == METER_RUN ? "run" : "burst");
    say_number("readings", run->submitted);
    say_number("first", run->first_seq);
    say_number("last", run->last_seq);
    say_number("wh", run->register_wh);
    if (run->result != CAIRN_OK) {
        say_number("code", (uint64_t)run->result);
        say_word("why", cairn_strerror(run->result));
    }
    say_end();
}

static void command_flush(const char *argument)
{
    (void)argument;
    answer("flush", cairn_flush());
}

static void command_mode(const char *argument)
{
    if (strcmp(argument, "data") == 0) {
        answer("mode", cairn_set_upload(CAIRN_UPLOAD_DATA));
    } else if (strcmp(argument, "hash") == 0) {
        answer("mode", cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY));
    } else {
        refuse("mode", "data or hash?");
    }
}

static void command_event(const char *argument)
{
    uint64_t seq;
    cairn_result_t result = cairn_submit_wait(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, (const uint8_t *)argument,
                                              strlen(argument), ASK_TIMEOUT_MS, &seq);
    if (result != CAIRN_OK) {
        answer("event", result);
        return;
    }
    say_begin("ok event");
    say_number("seq", seq);
    say_end();
}

static void command_evidence(const char *argument)
{
    static uint8_t evidence[CAIRN_EVIDENCE_MAX];
    uint64_t seq;
    size_t length;
    if (!number(argument, &seq)) {
        refuse("evidence", "of which sequence number?");
        return;
    }
    cairn_result_t result = cairn_evidence(seq, evidence, sizeof evidence, &length, ASK_TIMEOUT_MS);
    if (result != CAIRN_OK) {
        answer("evidence", result);
        return;
    }
    say_begin("ok evidence");
    say_number("seq", seq);
    say_number("bytes", length);
    say_hex("hex", evidence, length);
    say_end();
}

/* Bytes from hexadecimal, exactly `length` of them. */
static bool hexadecimal(const char *text, uint8_t *out, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2u * length) {
        return false;
    }
    for (size_t i = 0; i < 2u * length; i++) {
        const char *digit = strchr(digits, text[i]);
        if (digit == NULL) {
            return false;
        }
        out[i / 2u] = (uint8_t)(out[i / 2u] << 4 | (digit - digits));
    }
    return true;
}

static void command_endorse(const char *argument)
{
    static uint8_t endorsement[CAIRN_ENDORSEMENT_MAX];
    uint8_t nonce[CAIRN_NONCE_BYTES] = {0};
    size_t length;
    if (!hexadecimal(argument, nonce, sizeof nonce)) {
        refuse("endorse", "for which nonce, in lower-case hexadecimal?");
        return;
    }
    cairn_result_t result = cairn_endorse(nonce, endorsement, sizeof endorsement, &length, ASK_TIMEOUT_MS);
    if (result != CAIRN_OK) {
        answer("endorse", result);
        return;
    }
    say_begin("ok endorse");
    say_number("bytes", length);
    say_hex("hex", endorsement, length);
    say_end();
}

static void command_selftest(const char *argument)
{
    uint8_t failed;
    (void)argument;
    cairn_result_t result = cairn_selftest(ASK_TIMEOUT_MS, &failed);
    if (result == CAIRN_E_SELFTEST) {
        say_begin("error selftest");
        say_number("code", result);
        say_word("failed", cairn_primitive_name(failed));
        say_end();
        return;
    }
    answer("selftest", result);
}

#ifdef CONFIG_CAIRN_KEY_STORE
#ifdef CONFIG_CAIRN_SIGNER_P256
#define KEY_ALG "es256"
#else
#define KEY_ALG "es256k"
#endif

static void command_key(const char *argument)
{
    uint8_t key[CAIRN_PUBLIC_KEY_BYTES];
    cairn_status_t status;
    if (strcmp(argument, "destroy") == 0) {
        answer("key", cairn_key_destroy(ASK_TIMEOUT_MS));
        return;
    }
    if (*argument != '\0') {
        refuse("key", "nothing, or destroy?");
        return;
    }
    cairn_result_t result = cairn_public_key(key);
    if (result == CAIRN_OK) {
        result = cairn_status(&status);
    }
    if (result != CAIRN_OK) {
        answer("key", result);
        return;
    }
    say_begin("ok key");
    say_word("alg", KEY_ALG);
    say_hex("hex", key, sizeof key);
    say_number("rotation", status.rotation);
    say_end();
}

static void command_rotate(const char *argument)
{
    uint64_t seq;
    (void)argument;
    cairn_result_t result = cairn_rotate(ASK_TIMEOUT_MS, &seq);
    if (result != CAIRN_OK) {
        answer("rotate", result);
        return;
    }
    say_begin("ok rotate");
    say_number("seq", seq);
    say_end();
}
#endif

static void command_release(const char *argument)
{
    uint64_t batch;
    if (!number(argument, &batch) || batch >= CAIRN_NO_BATCH) {
        refuse("release", "which batch?");
        return;
    }
    answer("release", cairn_release((uint32_t)batch, ASK_TIMEOUT_MS));
}

static void command_beat(const char *argument)
{
    (void)argument;
    struct beat_report report;
    beat_get(&report);
    say_begin("ok beat");
    say_number("beats", report.beats);
    say_number("signatures", report.signatures);
    say_number("fewest_inside", report.fewest_inside);
    say_number("due_inside", report.due_inside);
    say_number("worst_late_ns", report.worst_late * 1000ull / BOARD_TICKS_PER_US);
    say_number("worst_interval_ns", report.worst_interval * 1000ull / BOARD_TICKS_PER_US);
    say_number("last_signature_us", report.last_signature / BOARD_TICKS_PER_US);
    say_number("longest_signature_us", report.longest_signature / BOARD_TICKS_PER_US);
    /* Under -icount shift=6 an instruction takes 64 ns and a timer tick 40 ns. */
    say_number("last_signature_instructions", report.last_signature * 40ull / 64ull);
    say_end();
}

/* Bytes of a stack never used. */
static uint32_t unused(TaskHandle_t of)
{
    return (uint32_t)(uxTaskGetStackHighWaterMark(of) * sizeof(StackType_t));
}

static void command_stats(const char *argument)
{
    extern uint8_t static_ram_bytes[], image_bytes[];
    (void)argument;
    say_begin("ok stats");
    say_number("cairn_stack_bytes", CONFIG_CAIRN_TASK_STACK_BYTES);
    say_number("cairn_stack_used", CONFIG_CAIRN_TASK_STACK_BYTES - unused(cairn_freertos_task()));
    say_number("console_stack_used", sizeof stack - unused(task));
    say_number("cairn_storage_bytes", sizeof(cairn_storage_t));
    say_number("cairn_queue_bytes", CONFIG_CAIRN_QUEUE_LENGTH * sizeof(cairn_record_t));
    say_number("static_ram_bytes", (uint32_t)(uintptr_t)static_ram_bytes);
    say_number("image_bytes", (uint32_t)(uintptr_t)image_bytes);
    say_number("modem_bytes_lost", board_modem_lost());
    say_number("uptime_ms", cairn_port_now_ms());
    say_end();
}

static const struct {
    const char *name;
    void (*run)(const char *argument);
} commands[] = {
    {"run", command_run},
    {"burst", command_burst},
    {"register", command_register},
    {"skip", command_skip},
    {"status", command_status},
    {"flush", command_flush},
    {"mode", command_mode},
    {"event", command_event},
    {"evidence", command_evidence},
    {"endorse", command_endorse},
    {"release", command_release},
    {"selftest", command_selftest},
    {"beat", command_beat},
    {"stats", command_stats},
#ifdef CONFIG_CAIRN_KEY_STORE
    {"key", command_key},
    {"rotate", command_rotate},
#endif
};

static void execute(char *line)
{
    char *argument = strchr(line, ' ');
    if (argument != NULL) {
        *argument++ = '\0';
    } else {
        argument = line + strlen(line);
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(line, commands[i].name) == 0) {
            commands[i].run(argument);
            return;
        }
    }
    refuse(line, "no such command");
}

static void read_lines(void)
{
    static char line[LINE_MAX];
    static size_t length;
    int byte;
    while ((byte = board_console_read()) >= 0) {
        if (byte != '\n' && byte != '\r') {
            /* One byte too long is remembered as too long. */
            if (length < LINE_MAX) {
                line[length++] = (char)byte;
            }
            continue;
        }
        if (length == LINE_MAX) {
            refuse("line", "too long");
        } else if (length > 0) {
            line[length] = '\0';
            execute(line);
        }
        length = 0;
    }
}

static void console(void *unused_argument)
{
    (void)unused_argument;
    cairn_status_t status;
    /* The agent derives its key and mounts the journal first. Its identity record is there when it has. */
    do {
        vTaskDelay(pdMS_TO_TICKS(10));
    } while (cairn_status(&status) == CAIRN_OK && status.start == CAIRN_OK && status.next_seq == 0);
    say_begin("ready");
    say_number("start", status.start);
    say_word("kernel", tskKERNEL_VERSION_NUMBER);
    say_end();
    for (;;) {
        struct meter_run run;
        events_print();
        if (meter_ended(&run)) {
            print_ended(&run);
        }
        read_lines();
        if (!events_waiting()) {
            (void)ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
        }
    }
}

void console_start(void)
{
    task = xTaskCreateStatic(console, "console", sizeof stack / sizeof stack[0], NULL, CONSOLE_PRIORITY, stack,
                             &task_memory);
}
