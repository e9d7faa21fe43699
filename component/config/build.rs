// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Turns the `.config` named by `CAIRN_DOTCONFIG`, or default.config beside this file, into constants. A wrong
//! configuration stops the build with every reason; nothing is ever defaulted silently.

use std::{env, fmt::Write as _, fs, path::PathBuf, process::exit};

use dotconfig::{Config, Value};
use symbols::Kind;

#[path = "src/dotconfig.rs"]
#[allow(dead_code, reason = "the program uses the rest")]
mod dotconfig;
#[path = "src/symbols.rs"]
mod symbols;

fn main() {
    println!("cargo::rerun-if-env-changed=CAIRN_DOTCONFIG");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/dotconfig.rs");
    println!("cargo::rerun-if-changed=src/symbols.rs");
    let path = match env::var_os("CAIRN_DOTCONFIG") {
        Some(path) if PathBuf::from(&path).is_relative() => refuse(&[format!(
            "CAIRN_DOTCONFIG={} must be an absolute path: cargo runs build scripts in another directory",
            PathBuf::from(path).display()
        )]),
        Some(path) => PathBuf::from(path),
        None => PathBuf::from("default.config"),
    };
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(&path).unwrap_or_else(|e| refuse(&[format!("{}: {e}", path.display())]));
    let config = Config::parse(&text).unwrap_or_else(|errors| {
        let named: Vec<_> = errors.iter().map(|error| format!("{}: {error}", path.display())).collect();
        refuse(&named)
    });
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_else(|| refuse(&["OUT_DIR is not set".into()])));
    if let Err(e) = fs::write(out.join("config.rs"), constants(&config)) {
        refuse(&[format!("{}: {e}", out.display())]);
    }
}

fn refuse(errors: &[String]) -> ! {
    for error in errors {
        println!("cargo::error={error}");
    }
    exit(1)
}

fn constants(config: &Config) -> String {
    let mut out = String::new();
    for (symbol, value) in config.iter() {
        let _ = writeln!(out, "/// {}\n///\n/// `CONFIG_CAIRN_{}`", symbol.about, symbol.name);
        if value.is_none() {
            // There, so that code that this configuration leaves out compiles where it is tested.
            let _ = writeln!(out, "///\n/// This configuration has no use for it: the value means nothing.");
        }
        let name = symbol.name;
        let _ = match (symbol.kind, value) {
            (Kind::Bool, value) => {
                writeln!(out, "pub const {name}: bool = {};", matches!(value, Some(Value::Bool(true))))
            }
            (Kind::Int { rust, .. } | Kind::Hex { rust, .. }, Some(Value::Int(number))) => {
                writeln!(out, "pub const {name}: {rust} = {number};")
            }
            (Kind::Int { rust, min, .. } | Kind::Hex { rust, min, .. }, _) => {
                writeln!(out, "pub const {name}: {rust} = {min};")
            }
            (Kind::Bytes { .. }, Some(Value::Bytes(bytes))) => {
                writeln!(out, "pub const {name}: &[u8] = &{bytes:?};")
            }
            (Kind::Bytes { .. }, _) => writeln!(out, "pub const {name}: &[u8] = &[];"),
        };
    }
    let hash = config.hash();
    let _ = write!(
        out,
        "/// Names this configuration: first 8 hex digits of SHA-256 over its sorted lines.\n\
         pub const CONFIG_HASH: &str = \"{hash}\";\n\
         /// The link-time symbol that a header of this configuration asks for.\n\
         pub const CONFIG_SYMBOL: &str = \"cairn_config_{hash}\";\n\
         /// Defines the byte `cairn_config_{hash}`. Invoked once, by the crate behind the C header: an object\n\
         /// built with another configuration's header then does not link.\n\
         #[macro_export]\n\
         macro_rules! define_config_symbol {{ () => {{\n\
             /// Its name says which configuration this library was built for; its value means nothing.\n\
             #[used]\n\
             #[unsafe(export_name = \"cairn_config_{hash}\")]\n\
             pub static CONFIG_SYMBOL: u8 = 1;\n\
         }} }}\n"
    );
    out
}
