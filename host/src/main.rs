// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program `cairn`: arguments, the log on standard error, and the exit code.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use cairn_host::cli;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(cli::run(arguments)),
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("cairn: {error:#}");
        ExitCode::from(cli::exit::FAILED)
    })
}
