// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Turns the `.config` named by `CAIRN_DOTCONFIG`, or default.config beside this file, into constants. A wrong
//! configuration stops the build with every reason; nothing is ever defaulted silently.

use std::{env, fmt::Write as _, fs, path::PathBuf, process::exit};

use dotconfig::{Config, Kind, Value};

#[path = "src/dotconfig.rs"]
mod dotconfig;

fn main() {
    println!("cargo::rerun-if-env-changed=CAIRN_DOTCONFIG");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/dotconfig.rs");
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
        let _ = match (symbol.kind, value) {
            (Kind::Int { rust, .. }, Value::Int(number)) => {
                writeln!(out, "pub const {}: {rust} = {number};", symbol.name)
            }
            (_, Value::Bool(set)) => writeln!(out, "pub const {}: bool = {set};", symbol.name),
            (Kind::Bool, Value::Int(_)) => unreachable!("the parser gives booleans for boolean symbols"),
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
