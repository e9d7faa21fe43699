/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What can be seen of options from outside the library, one `name value` a line: `option_scenarios NAME FACTORY`.
 * options.rs runs it over libraries of different configurations and says which line must change. No thread: each step is taken here,
 * and time passes only where it is said. */
#include "scenario.h"

#include "element_port.h"

/* Only in libraries for tests: not in cairn.h. */
extern void cairn_told(uint64_t *out);
extern void cairn_told_power(uint64_t *out);
extern void cairn_told_element(uint64_t *out);

static uint32_t step(void)
{
    uint32_t wait_ms;
    EXPECT(cairn_poll(&wait_ms), CAIRN_OK);
    return wait_ms;
}

static void told(char **arguments)
{
    static const char *const names[] = {"PAYLOAD_MAX",     "CLOCK_STEP_MS", "RELAY_STEP_MAX_S", "SENDER_SEQUENCE_BLOCK",
                                        "RETENTION_HOURS", "PRUNE",         "UPLOAD_HASH_ONLY"};
    uint64_t out[sizeof names / sizeof *names] = {0};
    (void)arguments;
    cairn_told(out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        printf("%s %llu\n", names[i], (unsigned long long)out[i]);
    }
#if defined(CONFIG_CAIRN_SIGNER_SE050)
    static const char *const of_element[] = {"key", "address", "khz", "information", "up", "off", "attempt"};
    cairn_told_element(out);
    for (size_t i = 0; i < sizeof of_element / sizeof *of_element; i++) {
        printf("%s %llu\n", of_element[i], (unsigned long long)out[i]);
    }
#endif
    printf("STORAGE %zu\n", sizeof storage);
}

/* One number a line, in the order of cairn_told_power. */
static void power(char **arguments)
{
    uint64_t out[43] = {0};
    (void)arguments;
    cairn_told_power(out);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        printf("%zu %llu\n", i, (unsigned long long)out[i]);
    }
}

#if defined(CONFIG_CAIRN_TRANSPORT_CUSTOM)
static uint64_t passed;

static void pass(uint64_t ms)
{
    port_add_time(ms);
    passed += ms;
    (void)step();
}

static void until_signatures(uint32_t count)
{
    while (status().signatures < count) {
        CHECK(passed < 1000000000u);
        pass(10000);
    }
}

/* argv: a good factory. When the first routine record after a start is sealed, and an exchange that nobody answers, from its first
 * datagram on. */
static void exchange(char **arguments)
{
    init(arguments[0]);
    element_connect();
    (void)step();
    EXPECT(reading(4), CAIRN_OK);
    (void)step();
    uint64_t begun = passed;
    until_signatures(1);
    printf("first_upload_s %llu\n", (unsigned long long)((passed - begun) / 1000));
    while (element_datagrams == 0) {
        pass(250);
    }
    uint64_t first = passed;
    while (element_datagrams == 1) {
        pass(250);
    }
    printf("first_retransmission_ms %llu\n", (unsigned long long)(passed - first));
    while (status().exchange_failures == 0) {
        pass(250);
    }
    printf("datagrams %u\n", element_datagrams);
    printf("bytes %u\n", element_bytes);
}

/* argv: a good factory. How long an urgent record waits for others. */
static void urgent(char **arguments)
{
    init(arguments[0]);
    element_connect();
    (void)step();
    uint8_t lid = 1;
    EXPECT(cairn_submit(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, &lid, 1), CAIRN_OK);
    (void)step();
    uint64_t begun = passed;
    while (status().signatures == 0) {
        CHECK(passed < 1000000000u);
        pass(100);
    }
    printf("urgent_ms %llu\n", (unsigned long long)(passed - begun));
}
#endif

/* argv: a good factory. How many of the longest records go into the first batch, and what a full journal does. */
static void flood(char **arguments)
{
    init(arguments[0]);
    element_is_away = true;
    element_connect();
    (void)step();
    unsigned taken = 0, batch = 0;
    while (status().journal_full == 0) {
        EXPECT(cairn_submit(CAIRN_KIND_READING, CAIRN_PRIORITY_ROUTINE, payload, CONFIG_CAIRN_PAYLOAD_MAX), CAIRN_OK);
        (void)step();
        taken++;
        if (status().next_batch > 0 && batch == 0) {
            batch = taken;
        }
        CHECK(taken < 100000);
    }
    printf("in_first_batch %u\n", batch);
    printf("until_full %u\n", taken);
    uint32_t refused = status().journal_full;
    EXPECT(cairn_submit(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, payload, CONFIG_CAIRN_PAYLOAD_MAX), CAIRN_OK);
    (void)step();
    printf("urgent_refused %u\n", (unsigned)(status().journal_full - refused));
    printf("displaced %u\n", (unsigned)status().displaced);
}

static const struct scenario scenarios[] = {
    {"told", told},
    {"power", power},
#if defined(CONFIG_CAIRN_TRANSPORT_CUSTOM)
    {"exchange", exchange},
    {"urgent", urgent},
#endif
    {"flood", flood},
};

int main(int argc, char **argv)
{
    return run_scenario(scenarios, sizeof scenarios / sizeof *scenarios, argc, argv);
}
