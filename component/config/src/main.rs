// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `cairn-config`: checks a `.config`, writes it as the C header `cairn_config.h`, or says which cargo features it chooses.
//! Called by cairn.cmake at configure time and by `cargo xtask test`; changes no other file.
#![forbid(unsafe_code)]

use std::{fmt::Write as _, fs, path::Path, process::ExitCode};

use dotconfig::{Config, PREFIX, Value};
use symbols::{Kind, OF_THE_GLUE, SYMBOLS};

mod dotconfig;
mod symbols;

const USAGE: &str = "\
Reads a Kconfig .config of a Cairn build.

cairn-config check <.config>                      is it complete and in range; prints its hash
cairn-config header <.config> <cairn_config.h>    writes it as a C header, when the header would change
cairn-config features <.config>                   prints the cargo features of cairn-capi that it chooses, with commas
cairn-config symbols                              prints every symbol: name, then 'bool', 'int MIN MAX', 'hex MIN MAX' or
                                                  'string', and after 'needs' what one of must be set
cairn-config glue                                 prints the symbols that only one RTOS's glue reads
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["check", dotconfig] => read(dotconfig).map(|config| println!("{dotconfig}: cairn_config_{}", config.hash())),
        ["header", dotconfig, out] => read(dotconfig).and_then(|config| write_header(&config, Path::new(out))),
        ["features", dotconfig] => read(dotconfig).map(|config| println!("{}", config.features().join(","))),
        ["symbols"] => {
            print!("{}", symbols());
            Ok(())
        }
        ["glue"] => {
            OF_THE_GLUE.iter().for_each(|name| println!("{PREFIX}{name}"));
            Ok(())
        }
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(vec![USAGE.to_owned()]),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in errors {
                eprintln!("cairn-config: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn read(path: &str) -> Result<Config, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|e| vec![format!("{path}: {e}")])?;
    Config::parse(&text).map_err(|errors| errors.into_iter().map(|error| format!("{path}: {error}")).collect())
}

/// Leaves an equal header alone, so that a build system sees no change.
fn write_header(config: &Config, out: &Path) -> Result<(), Vec<String>> {
    let text = header(config);
    if fs::read_to_string(out).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(out, text).map_err(|e| vec![format!("{}: {e}", out.display())])
}

fn header(config: &Config) -> String {
    let mut out = String::from(
        "/* SPDX-License-Identifier: Apache-2.0 OR MIT */\n\
         /* Made by cairn-config from a .config: change that file instead. Included by cairn.h. */\n\
         #ifndef CAIRN_CONFIG_H\n#define CAIRN_CONFIG_H\n",
    );
    for (symbol, value) in config.iter() {
        let name = symbol.name;
        if value.is_some() && matches!(symbol.kind, Kind::Hex { .. } | Kind::Bytes { .. }) {
            // Zephyr's autoconf.h defines it too, as it was typed: 0x48 is 72, and a compiler warns of the difference.
            let _ = write!(out, "\n#undef {PREFIX}{name}");
        }
        let _ = match value {
            Some(Value::Int(number)) => write!(out, "\n/* {} */\n#define {PREFIX}{name} {number}\n", symbol.about),
            Some(Value::Bool(true)) => write!(out, "\n/* {} */\n#define {PREFIX}{name} 1\n", symbol.about),
            Some(Value::Bytes(bytes)) => {
                let digits = bytes.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
                write!(out, "\n/* {} */\n#define {PREFIX}{name} \"{digits}\"\n", symbol.about)
            }
            Some(Value::Bool(false)) | None => write!(out, "\n/* {PREFIX}{name} is not set */\n"),
        };
    }
    let _ = write!(
        out,
        "\n/* A library built for another configuration does not have this symbol. */\n\
         #define CAIRN_CONFIG_SYMBOL cairn_config_{}\n\n#endif /* CAIRN_CONFIG_H */\n",
        config.hash()
    );
    out
}

fn symbols() -> String {
    let mut out = String::new();
    for symbol in SYMBOLS {
        let name = symbol.name;
        let _ = match symbol.kind {
            Kind::Bool => write!(out, "{PREFIX}{name} bool"),
            Kind::Int { min, max, .. } => write!(out, "{PREFIX}{name} int {min} {max}"),
            Kind::Hex { min, max, .. } => write!(out, "{PREFIX}{name} hex {min:#x} {max:#x}"),
            Kind::Bytes { .. } => write!(out, "{PREFIX}{name} string"),
        };
        let mut needs = symbol.needs.to_vec();
        needs.sort_unstable();
        let _ = if needs.is_empty() { writeln!(out) } else { writeln!(out, " needs {}", needs.join(" ")) };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = include_str!("../default.config");

    #[test]
    fn the_header_has_the_values_and_the_symbol_of_the_library() {
        let config = Config::parse(DEFAULT).expect("default.config");
        let text = header(&config);
        assert!(text.contains("\n#define CONFIG_CAIRN_PAYLOAD_MAX 64\n"));
        assert!(text.contains("\n#define CONFIG_CAIRN_UPLOAD_DATA 1\n"));
        assert!(text.contains("\n/* CONFIG_CAIRN_UPLOAD_HASH_ONLY is not set */\n"));
        assert!(!text.contains("#define CONFIG_CAIRN_UPLOAD_HASH_ONLY"));
        assert!(text.contains(&format!("\n#define CAIRN_CONFIG_SYMBOL cairn_config_{}\n", config.hash())));
    }

    #[test]
    fn writing_the_header_again_leaves_the_file_alone() {
        let dir = std::env::temp_dir().join(format!("cairn-config-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("directory");
        let path = dir.join("cairn_config.h");
        let config = Config::parse(DEFAULT).expect("default.config");
        write_header(&config, &path).expect("first");
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(long_ago)).expect("set time");
        write_header(&config, &path).expect("second");
        assert_eq!(fs::metadata(&path).and_then(|meta| meta.modified()).expect("time"), long_ago);
        fs::write(&path, "another").expect("change");
        write_header(&config, &path).expect("third");
        assert_eq!(fs::read_to_string(&path).expect("read"), header(&config));
        fs::remove_dir_all(&dir).expect("clean up");
    }
}
