/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What an application sees of the self-test, in libraries in which a primitive can be broken on purpose. One scenario a process:
 * `selftest_scenarios NAME FACTORY PRIMITIVE`. tests/c_interface.rs runs them. */
#include "scenario.h"

/* Only in such libraries: not in cairn.h. */
extern void cairn_sabotage(uint8_t primitive);

static uint8_t primitive(char **arguments)
{
    return (uint8_t)atoi(arguments[1]);
}

static void stopped(uint8_t which)
{
    uint8_t failed = 77;
    EXPECT(reading(1), CAIRN_E_SELFTEST);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_SELFTEST);
    EXPECT(cairn_flush(), CAIRN_E_SELFTEST);
    EXPECT(cairn_selftest(PATIENCE_MS, &failed), CAIRN_E_SELFTEST);
    CHECK(failed == which);
    CHECK(status().start == CAIRN_E_SELFTEST && status().selftest_failed == which && !status().idle);
    port_agent_stop();
    EXPECT(cairn_run(), CAIRN_E_SELFTEST);
    printf("%s\n", cairn_primitive_name(failed));
}

/* A device that is sound, and goes on. */
static void sound(char **arguments)
{
    uint8_t failed = 77;
    init(arguments[0]);
    EXPECT(cairn_selftest(20, &failed), CAIRN_E_TIMEOUT);
    CHECK(failed == 77);
    port_agent_start();
    EXPECT(cairn_selftest(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_selftest(PATIENCE_MS, &failed), CAIRN_OK);
    CHECK(failed == CAIRN_PRIMITIVE_NONE);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    port_agent_stop();
}

/* It breaks while the agent runs: nothing is noticed until it is asked, and then all stops. A record that waits gets its answer. */
static void breaks(char **arguments)
{
    init(arguments[0]);
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    cairn_sabotage(primitive(arguments));
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_selftest(PATIENCE_MS, NULL), CAIRN_E_SELFTEST);
    /* Mended, and still: only a restart helps. */
    cairn_sabotage(0);
    stopped(primitive(arguments));
}

/* In a library that tests at boot: it does not start. */
static void broken_at_boot(char **arguments)
{
    cairn_sabotage(primitive(arguments));
    init(arguments[0]);
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_SELFTEST);
    stopped(primitive(arguments));
}

/* In one that does not: it starts. */
static void unnoticed_at_boot(char **arguments)
{
    cairn_sabotage(primitive(arguments));
    init(arguments[0]);
    port_agent_start();
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    port_agent_stop();
}

static const struct scenario scenarios[] = {
    {"sound", sound},
    {"breaks", breaks},
    {"broken_at_boot", broken_at_boot},
    {"unnoticed_at_boot", unnoticed_at_boot},
};

int main(int argc, char **argv)
{
    return run_scenario(scenarios, sizeof scenarios / sizeof scenarios[0], argc, argv);
}
