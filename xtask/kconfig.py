# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Reads kconfig/ with kconfiglib. Called by `cargo xtask kconfig` and by a stage of `cargo xtask test`.

kconfig.py default FILE   writes the configuration that results when nothing is changed
kconfig.py variant FILE BASE NAME=VALUE...
                          writes what menuconfig would after these choices, CAIRN_ left out, in the configuration BASE
kconfig.py symbols        prints what `cairn-config symbols` prints: name, then 'bool', 'int MIN MAX', 'hex MIN MAX' or 'string',
                          and after 'needs' what one of must be set
kconfig.py zephyr-symbols prints the names of kconfig/Kconfig.zephyr, those of Zephyr's log template too; Zephyr is zephyr-stubs/
kconfig.py zephyr FILE CHOSEN NAME=VALUE...
                          writes what a build for Zephyr has after these choices, with the nodes that the devicetree chose:
                          'cairn,journal=65536;cairn,modem=0'
"""
import os
import sys

import kconfiglib

HEADER = """\
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Cairn's default configuration: what kconfig/Kconfig.freertos gives when nothing is changed.
# Made by `cargo xtask kconfig`.
"""


PREFIX = "CAIRN_"
# What may be chosen of Zephyr's own.
ZEPHYRS_OWN = ("RUST", "SHELL", "TEST_RANDOM_GENERATOR", "LOG", "BOOTLOADER_MCUBOOT")


def kind(symbol):
    """What a symbol may be, in the words of `cairn-config symbols`."""
    if symbol.orig_type in (kconfiglib.BOOL, kconfiglib.STRING):
        return kconfiglib.TYPE_TO_STR[symbol.orig_type]
    (low, high, _), = symbol.ranges
    return f"{kconfiglib.TYPE_TO_STR[symbol.orig_type]} {low.str_value} {high.str_value}"


def needs(symbol):
    """The symbols that its dependencies name, those of the choice that it is an answer of too."""
    found = set()
    for item in kconfiglib.expr_items(symbol.direct_dep):
        items = kconfiglib.expr_items(item.direct_dep) if isinstance(item, kconfiglib.Choice) else {item}
        found |= {item.name.removeprefix(PREFIX) for item in items if not item.is_constant}
    return sorted(found)


def zephyr(root, nodes):
    """The tree of Kconfig.zephyr, with stubs for Zephyr itself."""
    stubs = f"{root}/xtask/zephyr-stubs"
    sys.path.insert(0, stubs)
    os.environ.update(srctree=stubs, CAIRN_ROOT=root, CAIRN_STUB_CHOSEN=nodes, KCONFIG_FUNCTIONS="devicetree",
                      KCONFIG_WARN_UNDEF="y")
    return kconfiglib.Kconfig("Kconfig", warn_to_stderr=False)


def choose(kconf, choices):
    """Sets what menuconfig would; what is not offered is a warning."""
    for choice in choices:
        name, value = choice.split("=")
        symbol = kconf.syms[name if name in ZEPHYRS_OWN or name.startswith(PREFIX) else PREFIX + name]
        symbol.set_value(value)
        if symbol.str_value != value:
            kconf.warnings.append(f"{choice} is not offered: {name} stays {symbol.str_value or 'hidden'}")


def main(root, verb, *rest):
    root = root.rstrip("/")
    if verb.startswith("zephyr"):
        kconf = zephyr(root, rest[1] if rest else "cairn,journal=65536")
    else:
        kconf = kconfiglib.Kconfig(f"{root}/kconfig/Kconfig.freertos", warn_to_stderr=False)
    if verb == "zephyr-symbols":
        for symbol in kconf.unique_defined_syms:
            if symbol.name.startswith(PREFIX):
                print(f"CONFIG_{symbol.name}")
    elif verb == "zephyr":
        kconf.syms["CAIRN"].set_value("y")
        choose(kconf, rest[2:])
        kconf.write_config(rest[0], header=HEADER, save_old=False)
    elif verb == "default":
        kconf.write_config(rest[0], header=HEADER, save_old=False)
    elif verb == "variant":
        out, base, *choices = rest
        kconf.load_config(base)
        choose(kconf, choices)
        kconf.write_config(out, header=HEADER, save_old=False)
    elif verb == "symbols":
        for symbol in kconf.unique_defined_syms:
            print(*[f"CONFIG_{symbol.name} {kind(symbol)}", *(["needs", *needs(symbol)] if needs(symbol) else [])])
        for symbol in kconf.unique_defined_syms:
            if not any(node.help for node in symbol.nodes):
                kconf.warnings.append(f"{symbol.name} has no help text")
    else:
        sys.exit(__doc__)
    if any("undefined symbol" in warning for warning in kconf.warnings):
        kconf.warnings.append("A symbol of Zephyr's that Kconfig.zephyr names needs its lines in xtask/zephyr-stubs/Kconfig.")
    if kconf.warnings:
        sys.exit("\n".join(kconf.warnings))


if __name__ == "__main__":
    main(*sys.argv[1:])
