/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A key's life as an application sees it, in libraries with a key store: born, rotated with the power cut at any operation of either
 * flash, buried. One scenario a process: `key_scenarios NAME FACTORY FLASH KEYFLASH CUT`, CUT 0 for none. tests/keys.rs runs them
 * and says what each proves. */
#include "scenario.h"

static void begin(char **arguments)
{
    port_flash_file(arguments[1]);
    port_key_flash_file(arguments[2]);
    init(arguments[0]);
    uint8_t key[CAIRN_PUBLIC_KEY_BYTES];
    EXPECT(cairn_public_key(key), CAIRN_E_NOT_FOUND);
    port_cut_after((unsigned)atoi(arguments[3]));
    port_agent_start();
}

/* Until the agent was seen idle; it need not stay so. Nobody answers its modem's commands: that time is skipped, not waited for. */
static void until_quiet(void)
{
    for (unsigned i = 0; i < PATIENCE_MS; i++) {
        if (status().idle) {
            return;
        }
        port_add_time(500);
        usleep(1000);
    }
    CHECK(!"idle at last");
}

/* Who the device is, and which key signs. */
static void said(void)
{
    uint8_t key[CAIRN_PUBLIC_KEY_BYTES];
    until_quiet();
    EXPECT(cairn_public_key(NULL), CAIRN_E_NULL);
    EXPECT(cairn_public_key(key), CAIRN_OK);
    print_bytes(status().device, sizeof status().device);
    print_bytes(key, sizeof key);
}

static void a_batch(void)
{
    until_quiet();
    uint32_t batch = status().next_batch;
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().next_batch == batch; i++) {
        usleep(5000);
    }
    CHECK(status().next_batch > batch);
    uint64_t last = status().next_seq - 1;
    print_evidence(last);
}

static void until_rotated(void)
{
    until_quiet();
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().rotation != 0; i++) {
        port_add_time(61000);
        usleep(5000);
    }
    CHECK(status().rotation == 0);
}

static void lives(char **arguments)
{
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    said();
    a_batch();
    port_agent_stop();
}

static void rotates(char **arguments)
{
    uint64_t seq = 0;
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_rotate(PATIENCE_MS, &seq), CAIRN_OK);
    CHECK(seq > 0);
    until_rotated();
    said();
    a_batch();
    port_agent_stop();
}

/* Whatever it was in: the rotation goes through by itself, or was never announced. */
static void goes_on(char **arguments)
{
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    until_rotated();
    said();
    a_batch();
    port_agent_stop();
}

static void destroys(char **arguments)
{
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    until_quiet();
    EXPECT(cairn_key_destroy(PATIENCE_MS), CAIRN_OK);
    EXPECT(reading(1), CAIRN_E_KEY_DESTROYED);
    EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_E_KEY_DESTROYED);
    CHECK(status().start == CAIRN_E_KEY_DESTROYED);
    port_agent_stop();
}

/* The platform's secret is gone, before the start or after it: the key can be destroyed nevertheless. */
static void destroys_without_secret(char **arguments)
{
    bool before = arguments[4][0] == 'b';
    port_device_secret_fails = before;
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), before ? CAIRN_E_KEY_SEAL : CAIRN_OK);
    port_device_secret_fails = true;
    EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_E_KEY_SEAL);
    cairn_result_t destroyed = CAIRN_E_BUSY;
    for (unsigned i = 0; i < PATIENCE_MS / 5u && destroyed == CAIRN_E_BUSY; i++) {
        destroyed = cairn_key_destroy(PATIENCE_MS);
        usleep(5000);
    }
    EXPECT(destroyed, CAIRN_OK);
    EXPECT(cairn_key_destroy(PATIENCE_MS), CAIRN_E_KEY_DESTROYED);
    EXPECT(cairn_selftest(PATIENCE_MS, NULL), CAIRN_E_KEY_DESTROYED);
    EXPECT(reading(1), CAIRN_E_KEY_DESTROYED);
    CHECK(status().start == CAIRN_E_KEY_DESTROYED);
    port_agent_stop();
}

static void loses_secret_when_rotated(const cairn_event_t *event, void *context)
{
    (void)context;
    if (event->kind == CAIRN_EVENT_ROTATED) {
        port_device_secret_fails = true;
    }
}

/* The next key cannot take its turn: the status says why, until it can. */
static void rotates_when_secret_is_back(char **arguments)
{
    begin(arguments);
    EXPECT(cairn_set_event_callback(loses_secret_when_rotated, NULL), CAIRN_OK);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    until_quiet();
    CHECK(status().last_rotation == CAIRN_OK);
    EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_OK);
    for (unsigned i = 0; i < PATIENCE_MS / 5u && status().last_rotation == CAIRN_OK; i++) {
        usleep(5000);
    }
    CHECK(status().last_rotation == CAIRN_E_KEY_SEAL && status().rotation == 2);
    port_device_secret_fails = false;
    until_rotated();
    CHECK(status().last_rotation == CAIRN_OK);
    said();
    a_batch();
    port_agent_stop();
}

/* The result that `result` names, in argv: it does not start. */
static void refuses(char **arguments)
{
    cairn_result_t result = (cairn_result_t)atoi(arguments[4]);
    port_device_secret_fails = arguments[5][0] == 's';
    port_device_secret_is_another = arguments[5][0] == 'o';
    port_noise_is_stuck = arguments[5][0] == 'n';
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), result);
    CHECK(status().start == result);
    port_agent_stop();
}

/* Without noise there is no next key, and the old one goes on. */
static void rotates_without_noise(char **arguments)
{
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    port_noise_is_stuck = true;
    EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_E_ENTROPY);
    port_noise_is_stuck = false;
    EXPECT(cairn_rotate(PATIENCE_MS, NULL), CAIRN_E_ENTROPY);
    CHECK(status().rotation == 0);
    said();
    a_batch();
    port_agent_stop();
}

static const struct scenario scenarios[] = {
    {"lives", lives},
    {"rotates", rotates},
    {"goes_on", goes_on},
    {"destroys", destroys},
    {"destroys_without_secret", destroys_without_secret},
    {"rotates_when_secret_is_back", rotates_when_secret_is_back},
    {"refuses", refuses},
    {"rotates_without_noise", rotates_without_noise},
};

int main(int argc, char **argv)
{
    return run_scenario(scenarios, sizeof scenarios / sizeof scenarios[0], argc, argv);
}
