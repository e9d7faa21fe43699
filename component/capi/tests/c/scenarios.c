/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What an application does right and wrong with cairn.h, one scenario a process: `scenarios NAME FACTORY…`. The
 * library has one instance, so each begins fresh. tests/c_interface.rs runs them and says what each proves. */
#include "scenario.h"

#include <pthread.h>

/* What a verifier drew. */
static const uint8_t nonce[CAIRN_NONCE_BYTES] = {
    0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e,
    0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e, 0x6e};

static void before_init(char **unused)
{
    (void)unused;
    cairn_status_t out;
    uint8_t byte;
    size_t length;
    uint64_t seq = 77;
    uint32_t wait_ms;
    EXPECT(reading(1), CAIRN_E_NOT_INITIALISED);
    EXPECT(reading_wait(0, &seq), CAIRN_E_NOT_INITIALISED);
    CHECK(seq == 77);
    EXPECT(cairn_flush(), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_DATA), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_radio_hint(1000), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_radio_timers(2, 3600), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_firmware_confirmed("1.0", payload, 0), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_status(&out), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_evidence(0, &byte, 1, &length, 0), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_endorse(nonce, &byte, 1, &length, 0), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_release(0, 0), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_selftest(0, &byte), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_set_event_callback(NULL, NULL), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_wake(), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_poll(&wait_ms), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_run(), CAIRN_E_NOT_INITIALISED);
    port_pretend_isr = true;
    EXPECT(cairn_journal_format(), CAIRN_E_CONTEXT);
    EXPECT(cairn_submit_from_isr(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, 1, NULL), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_wake_from_isr(NULL), CAIRN_E_NOT_INITIALISED);
    CHECK(strcmp(cairn_strerror(CAIRN_OK), "done") == 0);
    CHECK(strcmp(cairn_strerror(12345), "unknown result") == 0);
    CHECK(strcmp(cairn_primitive_name(CAIRN_PRIMITIVE_NONE), "none") == 0);
    CHECK(strcmp(cairn_primitive_name(CAIRN_PRIMITIVE_SIGNER), "signer") == 0);
    CHECK(strcmp(cairn_primitive_name(CAIRN_PRIMITIVE_SIGNER + 1), "unknown") == 0);
}

/* argv: good factory, one for another algorithm, one of another version, one without a key. */
static void wrong_init(char **factories)
{
    load(factories[0]);
    cairn_config_t good = config();
    cairn_config_t none = {.factory = NULL, .factory_length = 10};
    EXPECT(cairn_init(NULL, &good), CAIRN_E_NULL);
    EXPECT(cairn_init(&storage, NULL), CAIRN_E_NULL);
    EXPECT(cairn_init(&storage, &none), CAIRN_E_NULL);
    EXPECT(cairn_init_configured(NULL, &storage, sizeof storage, &good), CAIRN_E_NULL);
    EXPECT(cairn_init_configured(&CAIRN_CONFIG_SYMBOL, &storage, sizeof storage - 1, &good), CAIRN_E_STORAGE);
    static _Alignas(8) uint8_t odd[sizeof storage + 8];
    EXPECT(cairn_init_configured(&CAIRN_CONFIG_SYMBOL, (cairn_storage_t *)(void *)(odd + 1), sizeof storage, &good),
           CAIRN_E_STORAGE);
    port_pretend_isr = true;
    EXPECT(cairn_init(&storage, &good), CAIRN_E_CONTEXT);
    port_pretend_isr = false;
    static uint8_t erased[300];
    memset(erased, 0xff, sizeof erased);
    cairn_config_t absent = {.factory = erased, .factory_length = sizeof erased};
    EXPECT(cairn_init(&storage, &absent), CAIRN_E_FACTORY_ABSENT);
    blob[20] ^= 1;
    EXPECT(cairn_init(&storage, &good), CAIRN_E_FACTORY_DAMAGED);
    cairn_config_t cut = {.factory = blob, .factory_length = 9};
    EXPECT(cairn_init(&storage, &cut), CAIRN_E_FACTORY_DAMAGED);
    for (unsigned i = 1; i <= 2; i++) {
        load(factories[i]);
        cairn_config_t unsupported = config();
        EXPECT(cairn_init(&storage, &unsupported), CAIRN_E_FACTORY_UNSUPPORTED);
    }
    load(factories[3]);
    cairn_config_t keyless = config();
    EXPECT(cairn_init(&storage, &keyless), CAIRN_E_KEY_MISSING);
    load(factories[0]);
    good = config();
    port_entropy_fails = true;
    EXPECT(cairn_init(&storage, &good), CAIRN_E_ENTROPY);
    port_entropy_fails = false;
    EXPECT(cairn_init(&storage, &good), CAIRN_OK);
    EXPECT(cairn_init(&storage, &good), CAIRN_E_ALREADY_INITIALISED);
    EXPECT(cairn_journal_format(), CAIRN_E_ALREADY_INITIALISED);
}

static void wrong_submissions(char **factories)
{
    init(factories[0]);
    EXPECT(reading(CONFIG_CAIRN_PAYLOAD_MAX + 1), CAIRN_E_TOO_LONG);
    EXPECT(reading(SIZE_MAX), CAIRN_E_TOO_LONG);
    EXPECT(cairn_submit(CAIRN_KIND_READING, 3, payload, 1), CAIRN_E_ARGUMENT);
    EXPECT(cairn_submit(CAIRN_KIND_READING, CAIRN_PRIORITY_BULK, NULL, 1), CAIRN_E_NULL);
    for (uint16_t kind = 0; kind < CAIRN_KIND_APPLICATION; kind++) {
        if (kind != CAIRN_KIND_READING && kind != CAIRN_KIND_EVENT) {
            EXPECT(cairn_submit(kind, CAIRN_PRIORITY_ROUTINE, payload, 1), CAIRN_E_KIND);
        }
    }
    EXPECT(cairn_set_upload(2), CAIRN_E_ARGUMENT);
    EXPECT(cairn_status(NULL), CAIRN_E_NULL);
    EXPECT(cairn_firmware_confirmed(NULL, payload, 0), CAIRN_E_NULL);
    EXPECT(cairn_firmware_confirmed("1.0", NULL, 0), CAIRN_E_NULL);
    EXPECT(cairn_firmware_confirmed("", payload, 0), CAIRN_E_ARGUMENT);
    EXPECT(cairn_firmware_confirmed("1.0\n", payload, 0), CAIRN_E_ARGUMENT);
    EXPECT(cairn_firmware_confirmed("1234567890123456789012345", payload, 0), CAIRN_E_ARGUMENT);
    EXPECT(cairn_firmware_confirmed("a version that is very much longer than any", payload, 0), CAIRN_E_ARGUMENT);
    uint8_t byte;
    size_t length;
    EXPECT(cairn_evidence(0, NULL, 1, &length, 0), CAIRN_E_NULL);
    EXPECT(cairn_evidence(0, &byte, 1, NULL, 0), CAIRN_E_NULL);
    EXPECT(cairn_endorse(NULL, &byte, 1, &length, 0), CAIRN_E_NULL);
    EXPECT(cairn_endorse(nonce, NULL, 1, &length, 0), CAIRN_E_NULL);
    EXPECT(cairn_endorse(nonce, &byte, 1, NULL, 0), CAIRN_E_NULL);
    EXPECT(cairn_submit_from_isr(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, 1, NULL), CAIRN_E_CONTEXT);
    EXPECT(cairn_wake_from_isr(NULL), CAIRN_E_CONTEXT);
    cairn_status_t out;
    uint32_t wait_ms;
    port_pretend_isr = true;
    EXPECT(reading(1), CAIRN_E_CONTEXT);
    EXPECT(reading_wait(0, NULL), CAIRN_E_CONTEXT);
    EXPECT(cairn_flush(), CAIRN_E_CONTEXT);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_DATA), CAIRN_E_CONTEXT);
    EXPECT(cairn_radio_hint(1), CAIRN_E_CONTEXT);
    EXPECT(cairn_firmware_confirmed("1.0", payload, 0), CAIRN_E_CONTEXT);
    EXPECT(cairn_status(&out), CAIRN_E_CONTEXT);
    EXPECT(cairn_evidence(0, &byte, 1, &length, 0), CAIRN_E_CONTEXT);
    EXPECT(cairn_endorse(nonce, &byte, 1, &length, 0), CAIRN_E_CONTEXT);
    EXPECT(cairn_selftest(0, &byte), CAIRN_E_CONTEXT);
    EXPECT(cairn_release(0, 0), CAIRN_E_CONTEXT);
    EXPECT(cairn_set_event_callback(NULL, NULL), CAIRN_E_CONTEXT);
    EXPECT(cairn_wake(), CAIRN_E_CONTEXT);
    EXPECT(cairn_poll(&wait_ms), CAIRN_E_CONTEXT);
    EXPECT(cairn_run(), CAIRN_E_CONTEXT);
    port_pretend_isr = false;
    /* Nothing of this reached the agent. */
    port_agent_start();
    until_idle();
    CHECK(status().accepted == 0 && status().refused == 0 && status().next_seq == 1);
    port_agent_stop();
}

static void full_queue(char **factories)
{
    init(factories[0]);
    EXPECT(cairn_submit(CAIRN_KIND_EVENT, CAIRN_PRIORITY_BULK, NULL, 0), CAIRN_OK);
    port_pretend_isr = true;
    bool woken = false;
    EXPECT(cairn_submit_from_isr(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, 1, &woken), CAIRN_OK);
    CHECK(woken);
    port_pretend_isr = false;
    for (unsigned i = 2; i < CONFIG_CAIRN_QUEUE_LENGTH; i++) {
        EXPECT(reading(CONFIG_CAIRN_PAYLOAD_MAX), CAIRN_OK);
    }
    EXPECT(reading(1), CAIRN_E_QUEUE_FULL);
    EXPECT(reading_wait(20, NULL), CAIRN_E_QUEUE_FULL);
    port_pretend_isr = true;
    EXPECT(cairn_submit_from_isr(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, 1, NULL), CAIRN_E_QUEUE_FULL);
    port_pretend_isr = false;
    CHECK(status().queue_full == 3 && !status().idle);
    port_agent_start();
    until_idle();
    CHECK(status().accepted == CONFIG_CAIRN_QUEUE_LENGTH);
    /* The places of those that were refused are free. */
    for (uint64_t i = 0; i < 3u * CONFIG_CAIRN_WAITERS; i++) {
        uint64_t seq = 0;
        EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
        CHECK(seq == CONFIG_CAIRN_QUEUE_LENGTH + 1u + i);
    }
    port_agent_stop();
}

static void waits_time_out(char **factories)
{
    init(factories[0]);
    uint64_t seq = 77;
    uint64_t before = cairn_port_now_ms();
    for (unsigned i = 0; i < CONFIG_CAIRN_WAITERS; i++) {
        EXPECT(reading_wait(30, &seq), CAIRN_E_TIMEOUT);
    }
    CHECK(seq == 77 && cairn_port_now_ms() - before >= 30u * CONFIG_CAIRN_WAITERS);
    /* Their records are in the queue, and the queue names their places. */
    EXPECT(reading_wait(30, &seq), CAIRN_E_BUSY);
    EXPECT(cairn_release(0, 0), CAIRN_E_BUSY);
    uint8_t byte;
    size_t length = 78;
    EXPECT(cairn_evidence(0, &byte, 1, &length, 0), CAIRN_E_BUSY);
    EXPECT(cairn_endorse(nonce, &byte, 1, &length, 0), CAIRN_E_BUSY);
    EXPECT(cairn_selftest(0, &byte), CAIRN_E_BUSY);
    port_agent_start();
    until_idle();
    CHECK(status().accepted == CONFIG_CAIRN_WAITERS && seq == 77);
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    CHECK(seq == CONFIG_CAIRN_WAITERS + 1u);
    port_agent_stop();
    /* A request that timed out is forgotten: its buffer stays as it was. */
    EXPECT(cairn_flush(), CAIRN_OK);
    static uint8_t evidence[CAIRN_EVIDENCE_MAX];
    memset(evidence, 0xa5, sizeof evidence);
    EXPECT(cairn_evidence(1, evidence, sizeof evidence, &length, 30), CAIRN_E_TIMEOUT);
    EXPECT(cairn_endorse(nonce, evidence, sizeof evidence, &length, 30), CAIRN_E_TIMEOUT);
    EXPECT(cairn_release(0, 30), CAIRN_E_TIMEOUT);
    CHECK(length == 78);
    port_agent_start();
    until_signed(1);
    until_idle();
    for (size_t i = 0; i < sizeof evidence; i++) {
        CHECK(evidence[i] == 0xa5);
    }
    EXPECT(cairn_evidence(1, evidence, sizeof evidence, &length, PATIENCE_MS), CAIRN_OK);
    CHECK(length > 300 && length <= sizeof evidence && evidence[0] == 0x89);
    port_agent_stop();
}

static void *submit_many(void *out)
{
    bool *seen = out;
    for (unsigned i = 0; i < 50; i++) {
        uint64_t seq = 0;
        cairn_result_t result;
        do {
            result = reading_wait(PATIENCE_MS, &seq);
        } while (result == CAIRN_E_BUSY);
        EXPECT(result, CAIRN_OK);
        CHECK(seq < 1000 && !__atomic_exchange_n(&seen[seq], true, __ATOMIC_SEQ_CST));
    }
    return NULL;
}

static void many_tasks(char **factories)
{
    static bool seen[1000];
    init(factories[0]);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY), CAIRN_OK);
    port_agent_start();
    pthread_t tasks[CONFIG_CAIRN_WAITERS + 2];
    enum { TASKS = sizeof tasks / sizeof tasks[0] };
    for (unsigned i = 0; i < TASKS; i++) {
        CHECK(pthread_create(&tasks[i], NULL, submit_many, seen) == 0);
    }
    for (unsigned i = 0; i < TASKS; i++) {
        CHECK(pthread_join(tasks[i], NULL) == 0);
    }
    for (unsigned seq = 1; seq <= 50u * TASKS; seq++) {
        CHECK(seen[seq]);
    }
    until_idle();
    CHECK(status().accepted == 50u * TASKS);
    port_agent_stop();
}

static struct {
    volatile unsigned count[10];
    volatile unsigned inside;
} told;

static void in_callback(const cairn_event_t *event, void *context)
{
    CHECK(context == &told && event->kind <= CAIRN_EVENT_REFUSED);
    told.count[event->kind]++;
    if (event->kind != CAIRN_EVENT_SIGNED || told.inside++ > 0) {
        return;
    }
    CHECK(event->result == CAIRN_OK);
    uint8_t byte;
    size_t length;
    uint32_t wait_ms;
    EXPECT(reading_wait(10, NULL), CAIRN_E_CONTEXT);
    EXPECT(cairn_evidence(0, &byte, 1, &length, 10), CAIRN_E_CONTEXT);
    EXPECT(cairn_endorse(nonce, &byte, 1, &length, 10), CAIRN_E_CONTEXT);
    EXPECT(cairn_selftest(0, &byte), CAIRN_E_CONTEXT);
    EXPECT(cairn_release(0, 10), CAIRN_E_CONTEXT);
    EXPECT(cairn_poll(&wait_ms), CAIRN_E_CONTEXT);
    EXPECT(cairn_run(), CAIRN_E_CONTEXT);
    EXPECT(reading(1), CAIRN_OK);
    EXPECT(cairn_radio_hint(0), CAIRN_OK);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY), CAIRN_OK);
    CHECK(!status().idle);
}

static void callbacks(char **factories)
{
    init(factories[0]);
    EXPECT(cairn_set_event_callback(in_callback, &told), CAIRN_OK);
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    /* The radio is up: what waits is sealed although nothing is due. */
    EXPECT(cairn_radio_hint(PATIENCE_MS), CAIRN_OK);
    until_signed(1);
    until_idle();
    CHECK(told.inside == 1 && told.count[CAIRN_EVENT_SEALED] == 1 && told.count[CAIRN_EVENT_SIGNING] == 1);
    CHECK(status().accepted == 2);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(2);
    EXPECT(cairn_set_event_callback(NULL, NULL), CAIRN_OK);
    until_idle();
    unsigned sealed = told.count[CAIRN_EVENT_SEALED];
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(3);
    CHECK(told.count[CAIRN_EVENT_SEALED] == sealed);
    port_agent_stop();
}

static void evidence(char **factories)
{
    static uint8_t out[CAIRN_EVIDENCE_MAX];
    size_t length = 0;
    init(factories[0]);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY), CAIRN_OK);
    port_agent_start();
    uint64_t seq = 0;
    for (unsigned i = 0; i < 5; i++) {
        EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    }
    CHECK(seq == 5);
    EXPECT(cairn_evidence(3, out, sizeof out, &length, PATIENCE_MS), CAIRN_E_NOT_SEALED);
    EXPECT(cairn_evidence(6, out, sizeof out, &length, PATIENCE_MS), CAIRN_E_NOT_FOUND);
    EXPECT(cairn_release(0, PATIENCE_MS), CAIRN_E_NOT_FOUND);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    EXPECT(cairn_evidence(3, out, sizeof out, &length, PATIENCE_MS), CAIRN_OK);
    size_t whole = length;
    for (size_t capacity = 0; capacity < whole; capacity++) {
        EXPECT(cairn_evidence(3, out, capacity, &length, PATIENCE_MS), CAIRN_E_BUFFER);
    }
    EXPECT(cairn_evidence(3, out, whole, &length, PATIENCE_MS), CAIRN_OK);
    CHECK(length == whole);
    EXPECT(cairn_release(0, PATIENCE_MS), CAIRN_OK);
    EXPECT(cairn_release(1, PATIENCE_MS), CAIRN_E_NOT_FOUND);
    /* Released is not gone: nothing needs the space. The bytes are for tests/c_interface.rs to verify. */
    EXPECT(cairn_evidence(3, out, sizeof out, &length, PATIENCE_MS), CAIRN_OK);
    port_agent_stop();
    print_bytes(out, length);
}

/* argv: a factory with an attestation key. */
static void endorsement(char **factories)
{
    static uint8_t out[CAIRN_ENDORSEMENT_MAX];
    size_t length = 0;
    init(factories[0]);
    port_agent_start();
    EXPECT(cairn_endorse(nonce, out, sizeof out, &length, PATIENCE_MS), CAIRN_OK);
    size_t whole = length;
    const size_t short_of[] = {0, 1, 150, whole - 1};
    for (size_t i = 0; i < sizeof short_of / sizeof short_of[0]; i++) {
        EXPECT(cairn_endorse(nonce, out, short_of[i], &length, PATIENCE_MS), CAIRN_E_BUFFER);
    }
    CHECK(length == whole);
    EXPECT(cairn_endorse(nonce, out, whole, &length, PATIENCE_MS), CAIRN_OK);
    /* It costs no record. The bytes are for tests/c_interface.rs to verify. */
    until_idle();
    CHECK(length == whole && status().next_seq == 1);
    port_agent_stop();
    print_bytes(out, length);
}

/* argv: a factory without an attestation key, or with one for another algorithm. */
static void no_root(char **factories)
{
    static uint8_t out[CAIRN_ENDORSEMENT_MAX];
    size_t length = 79;
    init(factories[0]);
    port_agent_start();
    EXPECT(cairn_endorse(nonce, out, sizeof out, &length, PATIENCE_MS), CAIRN_E_ROOT);
    CHECK(length == 79);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    port_agent_stop();
}

static void full_journal(char **factories)
{
    init(factories[0]);
    port_agent_start();
    cairn_result_t result = CAIRN_OK;
    unsigned journaled = 0;
    while (result == CAIRN_OK && journaled < 100000u) {
        result = cairn_submit_wait(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, CONFIG_CAIRN_PAYLOAD_MAX,
                                   PATIENCE_MS, NULL);
        journaled += result == CAIRN_OK;
    }
    EXPECT(result, CAIRN_E_JOURNAL_FULL);
    until_idle();
    CHECK(status().accepted == journaled && status().journal_full == 1 && status().next_seq == journaled + 1u);
    port_agent_stop();
}

/* argv: a factory whose key is none. */
static void *wait_for_an_agent_that_cannot_start(void *unused)
{
    (void)unused;
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_FACTORY_UNSUPPORTED);
    return NULL;
}

static void no_start(char **factories)
{
    init(factories[0]);
    pthread_t waiting;
    CHECK(pthread_create(&waiting, NULL, wait_for_an_agent_that_cannot_start, NULL) == 0);
    usleep(100000);
    port_agent_start();
    CHECK(pthread_join(waiting, NULL) == 0);
    /* The waiting task may hear of it before the step that found it out returns. */
    for (unsigned i = 0; i < PATIENCE_MS / 5u && port_agent_result == CAIRN_OK; i++) {
        usleep(5000);
    }
    CHECK(port_agent_result == CAIRN_E_FACTORY_UNSUPPORTED);
    CHECK(status().start == CAIRN_E_FACTORY_UNSUPPORTED && !status().idle);
    EXPECT(reading(1), CAIRN_E_FACTORY_UNSUPPORTED);
    EXPECT(cairn_flush(), CAIRN_E_FACTORY_UNSUPPORTED);
    EXPECT(cairn_release(0, 0), CAIRN_E_FACTORY_UNSUPPORTED);
    port_agent_stop();
    EXPECT(cairn_run(), CAIRN_E_FACTORY_UNSUPPORTED);
}

/* A modem that never answers: the exchange fails, the batch is kept and tried again. */
static void dead_link(char **factories)
{
    init(factories[0]);
    EXPECT(cairn_set_event_callback(in_callback, &told), CAIRN_OK);
    told.inside = 1;
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; i < 20000u && told.count[CAIRN_EVENT_EXCHANGE_FAILED] < 2; i++) {
        port_add_time(1000);
        usleep(1000);
    }
    CHECK(told.count[CAIRN_EVENT_EXCHANGE_FAILED] >= 2 && told.count[CAIRN_EVENT_SEALED] == 1);
    cairn_status_t now = status();
    CHECK(now.unsent == 1 && now.exchange_failures >= 2 && now.stored_through == CAIRN_NO_BATCH);
    CHECK(now.last_link == CAIRN_LINK_UNREACHABLE || now.last_link == CAIRN_LINK_TIMEOUT);
    CHECK(now.signatures == 1);
    port_agent_stop();
}

static const struct scenario scenarios[] = {
    {"before_init", before_init},
    {"wrong_init", wrong_init},
    {"wrong_submissions", wrong_submissions},
    {"full_queue", full_queue},
    {"waits_time_out", waits_time_out},
    {"many_tasks", many_tasks},
    {"callbacks", callbacks},
    {"evidence", evidence},
    {"endorsement", endorsement},
    {"no_root", no_root},
    {"full_journal", full_journal},
    {"no_start", no_start},
    {"dead_link", dead_link},
};

int main(int argc, char **argv)
{
    return run_scenario(scenarios, sizeof scenarios / sizeof scenarios[0], argc, argv);
}
