// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds the kernel that freertos-next brings, and tells the linker where memory is.

use std::{env, fs, path::PathBuf};

use freertos_build::prelude::*;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("memory.x"), include_bytes!("memory.x")).expect("memory.x");
    // The names of interrupts, which board.rs does not use: it has one table of its own.
    fs::write(out.join("device.x"), "").expect("device.x");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rerun-if-changed=memory.x");
    for argument in ["-nostartfiles", "-Tlink.x", "-Wl,--gc-sections", "-Wl,-z,noexecstack"] {
        println!("cargo::rustc-link-arg={argument}");
    }

    let mut kernel = freertos_build::Builder::new();
    kernel.cpu_clock(25.MHz());
    // The agent's task has 2 kB of stack more when its key is on the SIM or in a secure element.
    let elsewhere = ["CARGO_FEATURE_SIM", "CARGO_FEATURE_SE050"].iter().any(|feature| env::var_os(feature).is_some());
    kernel.heap_size(if elsewhere { 52 * 1024 } else { 48 * 1024 });
    kernel.minimal_stack_size(128);
    kernel.max_task_priorities(5);
    // Three priority bits; interrupts at 5 and below may call the kernel.
    kernel.interrupt_priority_bits(3, 5, 7);
    kernel.compile().expect("the kernel builds");
}
