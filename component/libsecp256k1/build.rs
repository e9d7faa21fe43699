// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Says whether the target has the instructions of src/field.s. Armv7-M and Armv8-M mainline do, Armv6-M and Armv8-M
//! baseline do not.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(long_multiplication)");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    if ["thumbv7m-", "thumbv7em-", "thumbv8m.main-"].iter().any(|start| target.starts_with(start)) {
        println!("cargo::rustc-cfg=long_multiplication");
    }
}
