# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Reads kconfig/ with kconfiglib. Called by `cargo xtask kconfig` and by a stage of `cargo xtask test`.

kconfig.py default FILE   writes the configuration that results when nothing is changed
kconfig.py variant FILE BASE NAME=VALUE...
                          writes what menuconfig would after these choices, CAIRN_ left out, in the configuration BASE
kconfig.py symbols        prints what `cairn-config symbols` prints: name, then 'bool', 'int MIN MAX', 'hex MIN MAX' or 'string',
                          and after 'needs' what one of must be set
"""
import sys

import kconfiglib

HEADER = """\
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Cairn's default configuration: what kconfig/Kconfig.freertos gives when nothing is changed.
# Made by `cargo xtask kconfig`.
"""


PREFIX = "CAIRN_"


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


def main(root, verb, *rest):
    kconf = kconfiglib.Kconfig(f"{root}/kconfig/Kconfig.freertos", warn_to_stderr=False)
    if verb == "default":
        kconf.write_config(rest[0], header=HEADER, save_old=False)
    elif verb == "variant":
        out, base, *choices = rest
        kconf.load_config(base)
        for choice in choices:
            name, value = choice.split("=")
            symbol = kconf.syms[PREFIX + name]
            symbol.set_value(value)
            if symbol.str_value != value:
                kconf.warnings.append(f"{choice} is not offered: {name} stays {symbol.str_value or 'hidden'}")
        kconf.write_config(out, header=HEADER, save_old=False)
    elif verb == "symbols":
        for symbol in kconf.unique_defined_syms:
            print(*[f"CONFIG_{symbol.name} {kind(symbol)}", *(["needs", *needs(symbol)] if needs(symbol) else [])])
        for symbol in kconf.unique_defined_syms:
            if not any(node.help for node in symbol.nodes):
                kconf.warnings.append(f"{symbol.name} has no help text")
    else:
        sys.exit(__doc__)
    if kconf.warnings:
        sys.exit("\n".join(kconf.warnings))


if __name__ == "__main__":
    main(*sys.argv[1:])
