/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Spin locks. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_SPINLOCK_H
#define STUB_SPINLOCK_H

#include <zephyr/sys/util.h>

struct k_spinlock {
	char unused;
};

struct z_spinlock_key {
	int key;
};
typedef struct z_spinlock_key k_spinlock_key_t;

k_spinlock_key_t k_spin_lock(struct k_spinlock *l);
void k_spin_unlock(struct k_spinlock *l, k_spinlock_key_t key);

#endif
