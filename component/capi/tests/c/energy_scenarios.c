/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What an application says of energy while the device runs, and what the status tells of the budget: `energy_scenarios NAME FACTORY`.
 * No thread: each step is taken here, and time passes only where it is said. Datagrams go to a socket that never answers. */
#include "scenario.h"

#include "element_port.h"

#define SECOND_MS 1000u
#define HOUR_MS   (3600u * SECOND_MS)

static unsigned counted, alone;

static void step(void)
{
    uint32_t wait_ms;
    EXPECT(cairn_poll(&wait_ms), CAIRN_OK);
}

static void pass(uint64_t ms)
{
    port_add_time(ms);
    step();
}

static void begin(const char *factory)
{
    init(factory);
    element_connect();
    step();
}

/* Sends what there is; nobody answers. */
static void exchange_fails(void)
{
    uint32_t failures = status().exchange_failures;
    EXPECT(reading(4), CAIRN_OK);
    step();
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; status().exchange_failures == failures; i++) {
        CHECK(i < 10000);
        pass(SECOND_MS);
    }
}

/* A model in which nothing costs anything but waking, which costs this. */
static cairn_energy_model_t only_waking(uint32_t wake_uj)
{
    cairn_energy_model_t model = {0};
    for (unsigned level = 0; level < 3; level++) {
        model.levels[level].wake_uj = wake_uj;
    }
    return model;
}

static void refused(char **arguments)
{
    const cairn_battery_t cell = {8500, 3600, 800, 10, 10, 0};
    cairn_energy_model_t model;
    EXPECT(cairn_energy_model_configured(NULL), CAIRN_E_NULL);
    EXPECT(cairn_energy_model_configured(&model), CAIRN_OK);
    EXPECT(cairn_set_energy_model(&model), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_set_battery(&cell), CAIRN_E_NOT_INITIALISED);
    EXPECT(cairn_radio_timers(2, 3600), CAIRN_E_NOT_INITIALISED);
    begin(arguments[0]);
    /* What the first step wrote to flash is charged by the second. */
    step();
    cairn_status_t before = status();

    EXPECT(cairn_set_energy_model(NULL), CAIRN_E_NULL);
    EXPECT(cairn_set_battery(NULL), CAIRN_E_NULL);
    port_pretend_isr = true;
    EXPECT(cairn_set_energy_model(&model), CAIRN_E_CONTEXT);
    EXPECT(cairn_set_battery(&cell), CAIRN_E_CONTEXT);
    EXPECT(cairn_radio_timers(2, 3600), CAIRN_E_CONTEXT);
    port_pretend_isr = false;

    /* Every number just above what it may be. All but the last are numbers of 32 bits. */
    size_t numbers = offsetof(cairn_energy_model_t, unknown_level) / sizeof(uint32_t);
    size_t in_level = sizeof model.levels[0] / sizeof(uint32_t);
    CHECK(numbers == 33 && in_level == 9);
    for (size_t i = 0; i < numbers; i++) {
        uint32_t raw[33], most = 1000000000u;
        if (i < 3 * in_level ? i % in_level == in_level - 1 : i == 3 * in_level + 2) {
            most = 600000u;
        } else if (i == 3 * in_level + 1) {
            most = 10000000u;
        }
        cairn_energy_model_t wrong = model;
        memcpy(raw, &wrong, sizeof raw);
        raw[i] = most + 1u;
        memcpy(&wrong, raw, sizeof raw);
        EXPECT(cairn_set_energy_model(&wrong), CAIRN_E_ARGUMENT);
    }
    cairn_energy_model_t wrong = model;
    wrong.unknown_level = 3;
    EXPECT(cairn_set_energy_model(&wrong), CAIRN_E_ARGUMENT);

    /* Every row cheaper at a worse level. */
    for (size_t i = 0; i < 2 * in_level; i++) {
        uint32_t raw[33];
        wrong = model;
        memcpy(raw, &wrong, sizeof raw);
        raw[i] = raw[i + in_level] + 1u;
        memcpy(&wrong, raw, sizeof raw);
        EXPECT(cairn_set_energy_model(&wrong), CAIRN_E_ENERGY_MODEL);
    }
    /* 244 uW are there; the modem's sleep takes them all. */
    wrong = model;
    wrong.floor_nw = 244001;
    EXPECT(cairn_set_energy_model(&wrong), CAIRN_E_BATTERY);

    const cairn_battery_t batteries[] = {
        {0, 3600, 800, 10, 10, 0},    {10000001, 3600, 800, 10, 10, 0}, {8500, 499, 800, 10, 10, 0},
        {8500, 60001, 800, 10, 10, 0}, {8500, 3600, 0, 10, 10, 0},       {8500, 3600, 1001, 10, 10, 0},
        {8500, 3600, 800, 1001, 10, 0}, {8500, 3600, 800, 10, 0, 0},     {8500, 3600, 800, 10, 51, 0},
        {8500, 3600, 800, 10, 10, 4000001},
    };
    for (size_t i = 0; i < sizeof batteries / sizeof *batteries; i++) {
        EXPECT(cairn_set_battery(&batteries[i]), CAIRN_E_ARGUMENT);
    }
    /* 244 - 15 uW are there. */
    const cairn_battery_t taken = {8500, 3600, 800, 10, 10, 229}, empty = {8500, 3600, 100, 10, 10, 0};
    EXPECT(cairn_set_battery(&taken), CAIRN_E_BATTERY);
    EXPECT(cairn_set_battery(&empty), CAIRN_E_BATTERY);

    EXPECT(cairn_radio_timers(2, 0), CAIRN_E_ARGUMENT);
    EXPECT(cairn_radio_timers(2, 35712001), CAIRN_E_ARGUMENT);
    EXPECT(cairn_radio_timers(11161, 3600), CAIRN_E_ARGUMENT);
    step();
    cairn_status_t after = status();
    CHECK(after.energy_refill_uw == before.energy_refill_uw && after.energy_uj >= before.energy_uj);
    CHECK(after.energy_reserve_uj == before.energy_reserve_uj && after.energy_charged_uj == before.energy_charged_uj);
}

static void print_budget(const char *when)
{
    cairn_status_t now = status();
    printf("%s %llu %llu %llu %lu %u\n", when, (unsigned long long)now.energy_uj, (unsigned long long)now.energy_reserve_uj,
           (unsigned long long)now.energy_debt_uj, (unsigned long)now.energy_refill_uw, now.degradation);
}

/* A line each time that the budget changed: what is there, the reserve, debt, refill, degradation. */
static void battery(char **arguments)
{
    cairn_energy_model_t dear = only_waking(20000000), free = only_waking(0);
    init(arguments[0]);
    element_connect();
    /* Before the first step: then nothing is charged by another model. */
    EXPECT(cairn_set_energy_model(&dear), CAIRN_OK);
    step();
    print_budget("full");
    exchange_fails();
    EXPECT(cairn_set_energy_model(&free), CAIRN_OK);
    step();
    print_budget("spent");
    const cairn_battery_t smaller = {2000, 3000, 900, 20, 5, 10};
    EXPECT(cairn_set_battery(&smaller), CAIRN_OK);
    step();
    print_budget("smaller");
    pass(HOUR_MS);
    print_budget("later");
    const cairn_battery_t larger = {19000, 3600, 900, 10, 10, 0};
    EXPECT(cairn_set_battery(&larger), CAIRN_OK);
    step();
    print_budget("larger");
    pass(HOUR_MS);
    print_budget("later");
}

/* What an exchange, and a tracking area update every ten minutes, are charged. */
static void model(char **arguments)
{
    cairn_energy_model_t model = only_waking(1234567);
    init(arguments[0]);
    element_connect();
    EXPECT(cairn_set_energy_model(&model), CAIRN_OK);
    step();
    exchange_fails();
    printf("exchange %llu\n", (unsigned long long)status().energy_charged_uj);
    model = only_waking(0);
    for (unsigned level = 0; level < 3; level++) {
        model.levels[level].tau_uj = 1000;
    }
    EXPECT(cairn_set_energy_model(&model), CAIRN_OK);
    EXPECT(cairn_radio_timers(CAIRN_TIMER_UNKNOWN, 600), CAIRN_OK);
    EXPECT(cairn_radio_timers(2, CAIRN_TIMER_UNKNOWN), CAIRN_OK);
    step();
    uint64_t before = status().energy_charged_uj;
    /* Tried again meanwhile, which puts the update off. */
    for (unsigned i = 0; i < 24 * 60; i++) {
        pass(60u * SECOND_MS);
    }
    printf("updates %llu\n", (unsigned long long)(status().energy_charged_uj - before) / 1000u);
}

/* One exchange that costs more than was ever saved up. */
static void squeeze(char **arguments)
{
    cairn_energy_model_t model = only_waking(1000000000u);
    begin(arguments[0]);
    EXPECT(cairn_set_energy_model(&model), CAIRN_OK);
    step();
    print_budget("before");
    exchange_fails();
    print_budget("after");
    /* Neither a deadline nor flush wakes the radio any more. */
    uint32_t exchanges = status().exchanges;
    EXPECT(cairn_flush(), CAIRN_OK);
    for (unsigned i = 0; i < 48; i++) {
        pass(HOUR_MS);
    }
    CHECK(status().exchanges == exchanges);
}

static void count(const cairn_event_t *event, void *unused)
{
    (void)unused;
    counted += event->kind == CAIRN_EVENT_REFUSED && event->result == CAIRN_E_COALESCED;
}

/* Somebody rattles the door ten times, and once more an hour later. */
static void rattle(char **arguments)
{
    static const uint8_t knob = 1;
    begin(arguments[0]);
    EXPECT(cairn_set_event_callback(count, NULL), CAIRN_OK);
    uint64_t first = status().next_seq;
    for (unsigned i = 0; i < 10; i++) {
        EXPECT(cairn_submit(CAIRN_KIND_EVENT, CAIRN_PRIORITY_URGENT, &knob, 1), CAIRN_OK);
        step();
    }
    alone = (unsigned)(status().next_seq - first);
    CHECK(status().coalesced == counted);
    printf("alone %u\ncounted %u\n", alone, counted);
    unsigned minutes = 0;
    while (status().next_seq - first == alone) {
        pass(SECOND_MS);
        CHECK(minutes++ < 100000u);
    }
    printf("told_after_s %u\n", minutes);
    CHECK(status().coalesced == counted);
}

static const struct scenario scenarios[] = {
    {"refused", refused}, {"battery", battery}, {"model", model}, {"squeeze", squeeze}, {"rattle", rattle},
};

int main(int argc, char **argv)
{
    port_stop_clock();
    return run_scenario(scenarios, sizeof scenarios / sizeof *scenarios, argc, argv);
}
