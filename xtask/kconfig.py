# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Reads kconfig/ with kconfiglib. Called by `cargo xtask kconfig` and by a stage of `cargo xtask test`.

kconfig.py default FILE   writes the configuration that results when nothing is changed
kconfig.py symbols        prints what `cairn-config symbols` prints: name, then 'bool' or 'int MIN MAX'
"""
import sys

import kconfiglib

HEADER = """\
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Cairn's default configuration: what kconfig/Kconfig.freertos gives when nothing is changed.
# Made by `cargo xtask kconfig`.
"""


def main(root, verb, *rest):
    kconf = kconfiglib.Kconfig(f"{root}/kconfig/Kconfig.freertos", warn_to_stderr=False)
    if verb == "default":
        kconf.write_config(rest[0], header=HEADER, save_old=False)
    elif verb == "symbols":
        for symbol in kconf.unique_defined_syms:
            if symbol.orig_type == kconfiglib.BOOL:
                print(f"CONFIG_{symbol.name} bool")
                continue
            (low, high, _), = symbol.ranges
            print(f"CONFIG_{symbol.name} int {low.str_value} {high.str_value}")
        for symbol in kconf.unique_defined_syms:
            if not any(node.help for node in symbol.nodes):
                kconf.warnings.append(f"{symbol.name} has no help text")
    else:
        sys.exit(__doc__)
    if kconf.warnings:
        sys.exit("\n".join(kconf.warnings))


if __name__ == "__main__":
    main(*sys.argv[1:])
