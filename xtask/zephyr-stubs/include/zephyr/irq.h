/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Interrupts kept out. Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_IRQ_H
#define STUB_IRQ_H

unsigned int irq_lock(void);
void irq_unlock(unsigned int key);

#endif
