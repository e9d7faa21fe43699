/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What an application sees of the counter, in a library built with it: flash that was rolled back, a counter that is silent. One
 * scenario a process: `counter_scenarios NAME FACTORY FLASH COUNTER`. tests/c_interface.rs runs them. */
#include "scenario.h"

static void begin(char **arguments)
{
    port_flash_file(arguments[1]);
    port_counter_file(arguments[2]);
    init(arguments[0]);
    port_agent_start();
}

static void said(void)
{
    until_idle();
    printf("%016llx %d\n", (unsigned long long)status().stream, status().after_rollback);
    port_agent_stop();
}

/* A reading, signed. */
static void a_batch(char **arguments)
{
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    EXPECT(cairn_flush(), CAIRN_OK);
    until_signed(1);
    said();
}

static void rolled_back(char **arguments)
{
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_JOURNAL_ROLLED_BACK);
    EXPECT(status().start, CAIRN_E_JOURNAL_ROLLED_BACK);
    port_agent_stop();
}

/* The way on. */
static void formatted(char **arguments)
{
    EXPECT(cairn_journal_format(), CAIRN_OK);
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_OK);
    said();
}

static void silent(char **arguments)
{
    port_counter_fails = true;
    begin(arguments);
    EXPECT(reading_wait(PATIENCE_MS, NULL), CAIRN_E_COUNTER);
    EXPECT(status().start, CAIRN_E_COUNTER);
    port_agent_stop();
}

static const struct scenario scenarios[] = {
    {"a_batch", a_batch},
    {"rolled_back", rolled_back},
    {"formatted", formatted},
    {"silent", silent},
};

int main(int argc, char **argv)
{
    return run_scenario(scenarios, sizeof scenarios / sizeof scenarios[0], argc, argv);
}
