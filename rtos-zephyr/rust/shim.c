/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Clock, entropy, flash and factory image for the crate cairn-zephyr; sleeping and sockets are in shim_sockets.c. Compiled with
 * CONFIG_CAIRN_RUST=y; called by the crate only. No heap. */
#include "shim.h"

#include <string.h>

#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/kernel.h>
#include <zephyr/random/random.h>
#include <zephyr/storage/flash_map.h>

uint64_t cairn_rust_uptime_ms(void)
{
	return (uint64_t)k_uptime_get();
}

bool cairn_rust_in_isr(void)
{
	return k_is_in_isr();
}

#if defined(CONFIG_CAIRN_INSECURE_ENTROPY)

bool cairn_rust_entropy(uint8_t *out, size_t length)
{
	sys_rand_get(out, length);
	return true;
}

/* native_sim's driver counts as secure to Zephyr, and gives the same numbers at each start. */
#elif defined(CONFIG_CSPRNG_ENABLED) && !defined(CONFIG_TEST_CSPRNG_GENERATOR) &&                                      \
	!defined(CONFIG_FAKE_ENTROPY_NATIVE_POSIX) && !defined(CONFIG_FAKE_ENTROPY_NATIVE_SIM)

bool cairn_rust_entropy(uint8_t *out, size_t length)
{
	return sys_csrand_get(out, length) == 0;
}

#else
#error "Cairn: this board has no entropy driver (zephyr,entropy): streams and signatures would be guessed. Enable one, or, for a \
test that guards nothing, say CONFIG_CAIRN_INSECURE_ENTROPY=y"
#endif

#if !DT_HAS_CHOSEN(cairn_journal)
#error "Cairn: no partition for the journal. Choose one in a devicetree overlay: / { chosen { cairn,journal = &storage_partition; }; };"
#endif

#define JOURNAL DT_CHOSEN(cairn_journal)
/* Partitions are children of a "fixed-partitions" node in their memory. Their offset counts from its first byte, also where they
 * have absolute addresses (ranges, Zephyr 4.4). */
#define MEMORY(partition) DT_GPARENT(partition)

static const struct device *const flash = FIXED_PARTITION_NODE_DEVICE(JOURNAL);

static off_t in_memory(uint32_t offset)
{
	return (off_t)(FIXED_PARTITION_NODE_OFFSET(JOURNAL) + offset);
}

bool cairn_rust_flash_read(uint32_t offset, uint8_t *to, size_t length)
{
	return flash_read(flash, in_memory(offset), to, length) == 0;
}

bool cairn_rust_flash_program(uint32_t offset, const uint8_t *from, size_t length)
{
	return flash_write(flash, in_memory(offset), from, length) == 0;
}

bool cairn_rust_flash_erase(uint32_t offset, size_t length)
{
	return flash_erase(flash, in_memory(offset), length) == 0;
}

/* Flash comes from its maker erased, RAM that simulates it comes as zeros: what is all zeros was never a flash. */
static bool deliver_simulated_flash(void)
{
#if DT_NODE_HAS_COMPAT(DT_PARENT(MEMORY(JOURNAL)), zephyr_sim_flash)
	for (uint32_t at = 0; at < DT_REG_SIZE(JOURNAL); at += sizeof(uint32_t)) {
		uint32_t word;
		if (!cairn_rust_flash_read(at, (uint8_t *)&word, sizeof(word))) {
			return false;
		}
		if (word != 0) {
			return true;
		}
	}
	return cairn_rust_flash_erase(0, DT_REG_SIZE(JOURNAL));
#else
	return true;
#endif
}

bool cairn_rust_flash_open(struct cairn_rust_geometry *geometry)
{
	if (!device_is_ready(flash)) {
		return false;
	}
	*geometry = (struct cairn_rust_geometry){
		.offset = FIXED_PARTITION_NODE_OFFSET(JOURNAL),
		.capacity = DT_REG_SIZE(JOURNAL),
		.write_bytes = (uint32_t)flash_get_write_block_size(flash),
		.erase_bytes = DT_PROP_OR(MEMORY(JOURNAL), erase_block_size, 0),
	};
	return deliver_simulated_flash();
}

#if DT_HAS_CHOSEN(cairn_factory)

#define FACTORY DT_CHOSEN(cairn_factory)

bool cairn_rust_factory_read(uint8_t *out, size_t length)
{
	if (length > DT_REG_SIZE(FACTORY)) {
		return false;
	}
#if DT_NODE_HAS_COMPAT(MEMORY(FACTORY), soc_nv_flash) && !DT_NODE_HAS_COMPAT(DT_PARENT(MEMORY(FACTORY)), zephyr_sim_flash)
	/* The processor's own flash is read like memory, with a driver or without. */
	memcpy(out, (const void *)(uintptr_t)(DT_REG_ADDR(MEMORY(FACTORY)) + FIXED_PARTITION_NODE_OFFSET(FACTORY)), length);
	return true;
#else
	return flash_read(FIXED_PARTITION_NODE_DEVICE(FACTORY), (off_t)FIXED_PARTITION_NODE_OFFSET(FACTORY), out, length) == 0;
#endif
}

#else

bool cairn_rust_factory_read(uint8_t *out, size_t length)
{
	ARG_UNUSED(out);
	ARG_UNUSED(length);
	return false;
}

#endif

static struct k_sem waiters[CAIRN_RUST_WAITERS];

/* Before main: threads and interrupts may submit from then on. */
static int prepare_waiters(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		(void)k_sem_init(&waiters[i], 0, 1);
	}
	return 0;
}

SYS_INIT(prepare_waiters, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

void cairn_rust_waiter_wait(uint8_t waiter, int32_t ms)
{
	(void)k_sem_take(&waiters[waiter], K_MSEC(ms));
}

void cairn_rust_waiter_signal(uint8_t waiter)
{
	k_sem_give(&waiters[waiter]);
}
