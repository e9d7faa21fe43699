/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What an application sees of the journal's flash: reboots, flash that holds something else, flash that fails. One scenario a
 * process: `flash_scenarios NAME FACTORY FLASH...`. tests/c_interface.rs runs them and says what each proves. */
#include "scenario.h"

/* argv: factory, flash. Two batches' worth of readings, one of them signed, and the power goes. */
static void reboot_before(char **arguments)
{
    port_flash_file(arguments[1]);
    init(arguments[0]);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY), CAIRN_OK);
    port_agent_start();
    uint64_t seq = 0;
    for (unsigned i = 1; i <= 5; i++) {
        EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
        CHECK(seq == i);
    }
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    for (unsigned i = 6; i <= 8; i++) {
        EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
        CHECK(seq == i);
    }
    printf("%016llx\n", (unsigned long long)status().stream);
    print_evidence(3);
    fflush(stdout);
    _exit(0);
}

/* argv: factory, flash of the scenario before. Everything is there, and it goes on where it was. */
static void reboot_after(char **arguments)
{
    port_flash_file(arguments[1]);
    init(arguments[0]);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY), CAIRN_OK);
    port_agent_start();
    until_idle();
    CHECK(status().next_seq == 9 && status().unsent == 1 && status().signatures == 0);
    printf("%016llx\n", (unsigned long long)status().stream);
    print_evidence(3);
    EXPECT(cairn_evidence(7, blob, sizeof blob, &blob_length, PATIENCE_MS), CAIRN_E_NOT_SEALED);
    uint64_t seq = 0;
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    CHECK(seq == 9);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    print_evidence(7);
    /* Batch 1 takes batch 0 with it. */
    EXPECT(cairn_release(1, PATIENCE_MS), CAIRN_OK);
    EXPECT(cairn_release(2, PATIENCE_MS), CAIRN_E_NOT_FOUND);
    port_agent_stop();
}

/* argv: factory, flash, the number of the result it starts with. */
static void refused_flash(char **arguments)
{
    cairn_result_t expected = (cairn_result_t)atoi(arguments[2]);
    port_flash_file(arguments[1]);
    init(arguments[0]);
    EXPECT(cairn_journal_format(), CAIRN_E_ALREADY_INITIALISED);
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), expected);
    EXPECT(status().start, expected);
    port_agent_stop();
    EXPECT(cairn_run(), expected);
}

/* argv: factory, any flash. */
static void formatted_flash(char **arguments)
{
    port_flash_file(arguments[1]);
    EXPECT(cairn_journal_format(), CAIRN_OK);
    init(arguments[0]);
    port_agent_start();
    uint64_t seq = 0;
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    CHECK(seq == 1);
    /* The status is of the last step that ended, which may be none yet. */
    until_idle();
    printf("%016llx\n", (unsigned long long)status().stream);
    port_agent_stop();
}

/* Waits until the next record has the number seq, and checks that it stays so. */
static void next_is(uint64_t seq)
{
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().next_seq < seq; i++) {
        usleep(5000);
    }
    until_idle();
    CHECK(status().next_seq == seq);
}

static const char version[] = "255.255.65535+4294967295";

/* argv: factory, flash. An image is confirmed, and the power goes. */
static void firmware_before(char **arguments)
{
    uint8_t hash[CAIRN_FIRMWARE_HASH_BYTES];
    memset(hash, 0xab, sizeof hash);
    port_flash_file(arguments[1]);
    init(arguments[0]);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY), CAIRN_OK);
    /* Before the agent runs, as at a start. */
    EXPECT(cairn_firmware_confirmed(version, hash, 1), CAIRN_OK);
    port_agent_start();
    next_is(2);
    EXPECT(cairn_firmware_confirmed(version, hash, 1), CAIRN_OK);
    next_is(2);
    /* A worn flash does not take the next image; later it does, without being told again. */
    hash[31] = 0xac;
    port_flash_is_worn = true;
    EXPECT(cairn_firmware_confirmed(version, hash, 1), CAIRN_OK);
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().refused == 0; i++) {
        usleep(5000);
    }
    port_flash_is_worn = false;
    EXPECT(cairn_wake(), CAIRN_OK);
    next_is(2);
    CHECK(status().refused == 1);
    port_add_time(601000);
    EXPECT(cairn_wake(), CAIRN_OK);
    next_is(3);
    CHECK(status().accepted == 0);
    _exit(0);
}

/* argv: factory, flash of the scenario before. The image is known; another is not. */
static void firmware_after(char **arguments)
{
    uint8_t hash[CAIRN_FIRMWARE_HASH_BYTES];
    memset(hash, 0xab, sizeof hash);
    hash[31] = 0xac;
    port_flash_file(arguments[1]);
    init(arguments[0]);
    EXPECT(cairn_set_upload(CAIRN_UPLOAD_HASH_ONLY), CAIRN_OK);
    port_agent_start();
    EXPECT(cairn_firmware_confirmed(version, hash, 1), CAIRN_OK);
    /* What comes later has the number after it. */
    uint64_t seq = 0;
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    until_idle();
    CHECK(seq == 3 && status().next_seq == 4);
    EXPECT(cairn_firmware_confirmed("2", hash, 0), CAIRN_OK);
    next_is(5);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    print_evidence(1);
    print_evidence(4);
    port_agent_stop();
}

static void failing_flash(char **factories)
{
    init(factories[0]);
    port_agent_start();
    uint64_t seq = 0;
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    /* Nothing that was written reads back: refused, and nothing has that number. */
    port_flash_is_worn = true;
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_MEDIUM);
    port_flash_is_worn = false;
    EXPECT(reading_wait(PATIENCE_MS, &seq), CAIRN_OK);
    CHECK(seq == 2);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    port_flash_fails = true;
    static uint8_t out[CAIRN_EVIDENCE_MAX];
    size_t length = 0;
    EXPECT(cairn_evidence(1, out, sizeof out, &length, PATIENCE_MS), CAIRN_E_MEDIUM);
    port_flash_fails = false;
    EXPECT(cairn_evidence(1, out, sizeof out, &length, PATIENCE_MS), CAIRN_OK);
    port_agent_stop();
}

static void unreachable_flash(char **factories)
{
    port_flash_fails = true;
    init(factories[0]);
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_MEDIUM);
    EXPECT(status().start, CAIRN_E_MEDIUM);
    port_agent_stop();
}

static const struct scenario scenarios[] = {
    {"reboot_before", reboot_before},     {"reboot_after", reboot_after},   {"refused_flash", refused_flash},
    {"firmware_before", firmware_before}, {"firmware_after", firmware_after},
    {"formatted_flash", formatted_flash}, {"failing_flash", failing_flash}, {"unreachable_flash", unreachable_flash},
};

int main(int argc, char **argv)
{
    return run_scenario(scenarios, sizeof scenarios / sizeof scenarios[0], argc, argv);
}
