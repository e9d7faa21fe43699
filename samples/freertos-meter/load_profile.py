#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes load_profile.h: what one household uses in each quarter hour of one winter day, in watt-hours.

Source: BDEW standard load profile H0 (household), with the day-of-year factor of the VDEW/BDEW guideline ("dynamised"), as
PyPI demandlib computes it, scaled to 3500 kWh a year; Wednesday, 14 January 2026. Called by CMakeLists.txt at build time.
"""
import argparse
import importlib.metadata
import pathlib
import sys

DAY = "2026-01-14"
ANNUAL_KWH = 3500


def quarter_hours_wh() -> list[int]:
    """96 energies in Wh. Rounding is carried over, so that the day's sum is right to 1 Wh."""
    from demandlib import bdew

    year = bdew.ElecSlp(int(DAY[:4])).get_scaled_profiles({"h0_dyn": ANNUAL_KWH})
    exact = [1000.0 * kwh for kwh in year.loc[DAY]["h0_dyn"]]
    if len(exact) != 96:
        sys.exit(f"demandlib gave {len(exact)} values for {DAY}, not 96")
    out, total, given = [], 0.0, 0
    for wh in exact:
        total += wh
        out.append(round(total) - given)
        given += out[-1]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=pathlib.Path, help="the header to write")
    out = parser.parse_args().out
    values = quarter_hours_wh()
    rows = ",\n".join("    " + ", ".join(f"{wh}" for wh in values[i : i + 16]) for i in range(0, 96, 16))
    out.write_text(
        f"""/* Made by load_profile.py with demandlib {importlib.metadata.version("demandlib")}. */
/* BDEW H0, dynamised, {ANNUAL_KWH} kWh a year, {DAY}. */
#ifndef LOAD_PROFILE_H
#define LOAD_PROFILE_H

#include <stdint.h>

#define LOAD_PROFILE_SOURCE "BDEW-H0 {DAY} {ANNUAL_KWH}kWh/a"
#define LOAD_PROFILE_DAY_WH {sum(values)}u

/* Energy used in each quarter hour, in Wh. */
static const uint16_t load_profile_wh[96] = {{
{rows}
}};

#endif
"""
    )


if __name__ == "__main__":
    main()
