/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The devicetree: a node is a number, and every node has what STUB_ macros say, which the stage may define.
 * Read by the stage zephyr-glue only; declarations are those of Zephyr 4.1. */
#ifndef STUB_DEVICETREE_H
#define STUB_DEVICETREE_H

/* Which nodes are chosen; 0 takes one away. */
#ifndef STUB_CHOSEN_cairn_journal
#define STUB_CHOSEN_cairn_journal 1
#endif
#ifndef STUB_CHOSEN_cairn_factory
#define STUB_CHOSEN_cairn_factory 2
#endif
#ifndef STUB_CHOSEN_cairn_modem
#define STUB_CHOSEN_cairn_modem 3
#endif
#ifndef STUB_CHOSEN_cairn_keys
#define STUB_CHOSEN_cairn_keys 4
#endif
#ifndef STUB_CHOSEN_cairn_image
#define STUB_CHOSEN_cairn_image 5
#endif
#ifndef STUB_CHOSEN_cairn_secure_element
#define STUB_CHOSEN_cairn_secure_element 6
#endif
#ifndef STUB_CHOSEN_zephyr_code_partition
#define STUB_CHOSEN_zephyr_code_partition 7
#endif
#ifndef STUB_CHOSEN_zephyr_console
#define STUB_CHOSEN_zephyr_console 8
#endif
#define STUB_CHOSEN_zephyr_shell_uart     8

#define DT_CHOSEN(name)     STUB_CHOSEN_##name
#define DT_HAS_CHOSEN(name) (STUB_CHOSEN_##name > 0)

#define STUB_LABEL_slot0_partition 5
#define STUB_LABEL_slot1_partition 9
#define DT_NODELABEL(label)        STUB_LABEL_##label
#define DT_NODE_EXISTS(node)       ((node) > 0)

#define DT_SAME_NODE(a, b) ((a) == (b))
#define DT_PARENT(node)    ((node) + 32)
#define DT_GPARENT(node)   ((node) + 64)
#define DT_BUS(node)       ((node) + 96)
#define DT_PHANDLE(node, property) ((node) + 112)
#define DT_ON_BUS(node, bus)       1
#define DT_FOREACH_CHILD(node, each) each((node) + 16)
/* Whether a child of a node is enabled. */
#ifndef STUB_CHILDREN
#define STUB_CHILDREN 0
#endif
#define DT_NODE_HAS_STATUS(node, status) STUB_CHILDREN

/* A secure element's address; a partition's place and bytes. */
#define DT_REG_ADDR(node) ((node) == STUB_CHOSEN_cairn_secure_element ? 0x48 : 0x10000 * (node))
#ifndef STUB_REG_SIZE
#define STUB_REG_SIZE 0x10000
#endif
#define DT_REG_SIZE(node) STUB_REG_SIZE

#ifndef STUB_PROPERTY_vin_supply
#define STUB_PROPERTY_vin_supply 0
#endif
#ifndef STUB_PROPERTY_power_gpios
#define STUB_PROPERTY_power_gpios 1
#endif
#define STUB_PROPERTY_write_block_size 4
#define STUB_PROPERTY_erase_block_size 4096
#define DT_PROP(node, property)          STUB_PROPERTY_##property
#define DT_PROP_OR(node, property, otherwise) STUB_PROPERTY_##property
#define DT_NODE_HAS_PROP(node, property) (STUB_PROPERTY_##property > 0)

#ifndef STUB_COMPATIBLE_zephyr_sim_flash
#define STUB_COMPATIBLE_zephyr_sim_flash 0
#endif
#ifndef STUB_COMPATIBLE_soc_nv_flash
#define STUB_COMPATIBLE_soc_nv_flash 0
#endif
#define DT_NODE_HAS_COMPAT(node, compatible) STUB_COMPATIBLE_##compatible

#endif
