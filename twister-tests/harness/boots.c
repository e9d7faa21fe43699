/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Runs the suites of one boot after the other, with a restart between them. What boot it is lies in a partition of its own, and
 * is forgotten when the last one ended or one failed: the next run begins with the first. */
#include "harness.h"

#include <zephyr/drivers/flash.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/reboot.h>

#define PARTITION DT_CHOSEN(cairn_test_memory)
#define MAGIC     0x746f6f62u

struct memory {
	uint32_t magic;
	uint32_t boot;
	uint64_t seen;
	uint64_t numbers[REMEMBERED];
};

BUILD_ASSERT(sizeof(struct memory) % 8 == 0, "whole words of flash");

static const struct device *const device = FIXED_PARTITION_NODE_DEVICE(PARTITION);
static struct memory memory;

static void keep(void)
{
	zassert_ok(flash_erase(device, DT_REG_ADDR(PARTITION), DT_REG_SIZE(PARTITION)));
	zassert_ok(flash_write(device, DT_REG_ADDR(PARTITION), &memory, sizeof(memory)));
}

static int recall(void)
{
	(void)flash_read(device, DT_REG_ADDR(PARTITION), &memory, sizeof(memory));
	if (memory.magic != MAGIC) {
		memory = (struct memory){.magic = MAGIC};
	}
	return 0;
}

SYS_INIT(recall, APPLICATION, 0);

uint32_t boot_number(void)
{
	return memory.boot;
}

void remember(unsigned int place, uint64_t number)
{
	memory.numbers[place] = number;
}

uint64_t remembered(unsigned int place)
{
	return memory.numbers[place];
}

void saw(cairn_result_t result)
{
	memory.seen |= UINT64_C(1) << result;
}

bool was_seen(cairn_result_t result)
{
	return (memory.seen >> result & 1u) != 0;
}

static void restart(void)
{
#if defined(CONFIG_ARCH_POSIX)
	extern void restart_native(void);
	restart_native();
#else
	sys_reboot(SYS_REBOOT_COLD);
#endif
}

static bool all_passed(void)
{
	uint32_t ran = 0;
	uint32_t failed = 0;
	STRUCT_SECTION_FOREACH(ztest_suite_node, suite) {
		ran += suite->stats->run_count;
		failed += suite->stats->fail_count;
	}
	STRUCT_SECTION_FOREACH(ztest_unit_test, test) {
		failed += test->stats->fail_count;
	}
	return ran > 0 && failed == 0;
}

void test_main(void)
{
	(void)ztest_run_test_suites(&memory.boot, false, 1, 1);
	bool failed = !all_passed();
	/* A test that failed may have left it otherwise. */
	wear_flash(false);
	stick_flash(false);
	if (!failed && memory.boot < last_boot) {
		memory.boot++;
		keep();
		restart();
	}
	memory = (struct memory){0};
	keep();
}
