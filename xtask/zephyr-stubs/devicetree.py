# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Stands for Zephyr's Kconfig functions over the devicetree. Imported by kconfiglib, which finds it by KCONFIG_FUNCTIONS; the
devicetree is CAIRN_STUB_CHOSEN in the environment:
`name=bytes` for each chosen node, with semicolons between."""
import os


def chosen():
    return dict(item.split("=") for item in os.environ.get("CAIRN_STUB_CHOSEN", "").split(";") if item)


def dt_chosen_reg_size_int(_kconf, _name, node):
    return chosen().get(node, "0")


def dt_chosen_enabled(_kconf, _name, node):
    return "y" if node in chosen() else "n"


functions = {
    "dt_chosen_reg_size_int": (dt_chosen_reg_size_int, 1, 1),
    "dt_chosen_enabled": (dt_chosen_enabled, 1, 1),
}
