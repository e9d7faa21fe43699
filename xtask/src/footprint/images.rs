// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The images whose sizes are recorded: which there are, how each is built, and what it takes. On Zephyr the meter on qemu_cortex_m3
//! in a build folder of its own for each signer and transport, on FreeRTOS the meters that the stage `samples` builds.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{Row, Which};
use crate::{
    embedded::Toolchain,
    process::{Log, ask},
    project::Project,
    samples, size, zephyr,
};

/// RAM of the board less what the sample's overlay makes flash of.
pub(super) const ZEPHYR_RAM: u64 = 48 * 1024;
const ZEPHYR_BOARD: &str = "qemu_cortex_m3";
/// Where both boards have their RAM.
const RAM_BEGINS: u64 = 0x2000_0000;
/// The region of the simulated flash, in the overlay.
const SIMULATED_FLASH: &str = "JOURNAL";

const UDP: &str = "UDP";
const MODEM: &str = "AT modem";
const SOFTWARE: &str = "software, secp256k1";

/// The meter on Zephyr with another signer.
struct Signer {
    name: &'static str,
    options: &'static str,
    /// Devicetree of what it needs on the board.
    overlay: &'static str,
    /// It can do without a modem, and fits beside the IP stack.
    over_udp: bool,
}

/// The first is the default.
const SIGNERS: &[Signer] = &[
    Signer { name: SOFTWARE, options: "", overlay: "", over_udp: true },
    Signer { name: "software, P-256", options: "CONFIG_CAIRN_SIGNER_P256=y\n", overlay: "", over_udp: true },
    Signer { name: "libsecp256k1", options: "CONFIG_CAIRN_SIGNER_LIBSECP256K1=y\n", overlay: "", over_udp: true },
    Signer {
        name: "SE050 without secure channel",
        options: "CONFIG_CAIRN_SIGNER_SE050=y\n# CONFIG_CAIRN_SE050_SCP03 is not set\n# CONFIG_CAIRN_SE050_POWER_GATE is not set\n",
        overlay: ELEMENT_OVERLAY,
        over_udp: true,
    },
    // Beside the IP stack 1.4 kB of RAM are missing.
    Signer { name: "PSA Crypto of Mbed TLS", options: MBEDTLS, overlay: ITS_OVERLAY, over_udp: false },
    Signer {
        name: "SIM",
        options: "CONFIG_CAIRN_SIGNER_SIM=y\nCONFIG_CAIRN_AT_LINE_MAX=512\nCONFIG_CAIRN_AT_RX_BYTES=512\n",
        overlay: "",
        over_udp: false,
    },
];

/// A modem on the board's second UART.
const MODEM_OVERLAY: &str = "/ {\n\tchosen {\n\t\tcairn,modem = &uart1;\n\t};\n\
                             };\n\n&uart1 {\n\tstatus = \"okay\";\n\tcurrent-speed = <9600>;\n};\n";

/// The element on two pins: the board has no I2C of its own.
const ELEMENT_OVERLAY: &str = "\
/ {
	chosen {
		cairn,secure-element = &element;
	};

	i2c_pins: i2c-pins {
		compatible = \"gpio-i2c\";
		#address-cells = <1>;
		#size-cells = <0>;
		clock-frequency = <100000>;
		scl-gpios = <&gpio0 2 6>;
		sda-gpios = <&gpio0 3 6>;

		element: element@48 {
			compatible = \"cairn,secure-element\";
			reg = <0x48>;
		};
	};
};
";

/// The signer and what is behind it in software: Mbed TLS, and a store for its key.
const MBEDTLS: &str = "\
CONFIG_CAIRN_SIGNER_PSA=y
CONFIG_MBEDTLS=y
CONFIG_MBEDTLS_PSA_CRYPTO_C=y
CONFIG_MBEDTLS_ENABLE_HEAP=y
CONFIG_MBEDTLS_HEAP_SIZE=4096
CONFIG_MBEDTLS_PSA_KEY_SLOT_COUNT=4
CONFIG_PSA_WANT_KEY_TYPE_ECC_PUBLIC_KEY=y
CONFIG_PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_GENERATE=y
CONFIG_PSA_WANT_ECC_SECP_K1_256=y
CONFIG_PSA_WANT_ALG_ECDSA=y
CONFIG_PSA_WANT_ALG_DETERMINISTIC_ECDSA=y
CONFIG_PSA_WANT_ALG_SHA_256=y
CONFIG_SECURE_STORAGE=y
CONFIG_SECURE_STORAGE_ITS_STORE_IMPLEMENTATION_ZMS=y
CONFIG_ZMS=y
CONFIG_SECURE_STORAGE_ITS_TRANSFORM_AEAD_NO_INSECURE_KEY_WARNING=y
";

/// The last page of the simulated flash for the store.
const ITS_OVERLAY: &str = "\
/ {
	chosen {
		secure_storage_its_partition = &secrets;
	};
};

&journal {
	reg = <0x0 DT_SIZE_K(12)>;
};

&{/flash-simulator@2000c000/flash_sim@0/partitions} {
	secrets: partition@3000 {
		label = \"secrets\";
		reg = <0x3000 DT_SIZE_K(4)>;
	};
};
";

pub(super) fn is_the_default_on_zephyr(row: &Row) -> bool {
    row.rtos.starts_with("Zephyr") && row.signer == SOFTWARE && row.transport == UDP
}

/// Every meter on FreeRTOS.
pub(super) fn freertos(project: &Project, toolchain: Toolchain, which: Which<'_>, log: &mut Log) -> Result<Vec<Row>> {
    let kernel = samples::kernel_version(project, log)?;
    let mut rows = Vec::new();
    for (signer, meter) in samples::meters_by_signer().filter(|(signer, _)| which.takes(signer, true)) {
        println!("      FreeRTOS, {signer}, {MODEM}");
        let image = samples::build_meter(project, toolchain, log, meter)?;
        let row = row(&format!("FreeRTOS {kernel}"), "mps2-an385", (signer, MODEM), toolchain, &image, log)?;
        rows.push(row);
    }
    Ok(rows)
}

/// Meters on Zephyr; none where there is no workspace.
pub(super) fn zephyr(project: &Project, toolchain: Toolchain, which: Which<'_>, log: &mut Log) -> Result<Vec<Row>> {
    let Some(version) = zephyr::version() else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for (number, signer) in (0..).zip(SIGNERS) {
        for transport in [UDP, MODEM] {
            let is_default = number == 0 && transport == UDP;
            if !which.takes(signer.name, is_default) || (transport == UDP && !signer.over_udp) {
                continue;
            }
            println!("      Zephyr, {}, {transport}", signer.name);
            let image = zephyr_image(project, signer, transport, log)?;
            let names = (signer.name, transport);
            rows.push(row(&format!("Zephyr {version}"), ZEPHYR_BOARD, names, toolchain, &image, log)?);
        }
    }
    Ok(rows)
}

fn zephyr_image(project: &Project, signer: &Signer, transport: &str, log: &mut Log) -> Result<std::path::PathBuf> {
    let sample = project.path("samples/zephyr-meter");
    let name = format!("{}-{transport}", signer.name).replace([' ', ','], "-").to_lowercase();
    let build = project.directory(&format!("size/{name}"))?;
    let (options, overlay) = (build.join("signer.conf"), build.join("board.overlay"));
    write_when_other(&options, signer.options)?;
    let modem = if transport == MODEM { MODEM_OVERLAY } else { "" };
    write_when_other(&overlay, &format!("{}{modem}", signer.overlay))?;
    let more =
        [format!("-DEXTRA_CONF_FILE={}", options.display()), format!("-DEXTRA_DTC_OVERLAY_FILE={}", overlay.display())];
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let mut configure =
        zephyr::configure(project, &sample, &build, ZEPHYR_BOARD, &more).context("the workspace went away")?;
    log.run(&mut configure)?;
    log.run(&mut zephyr::build(&build).context("the workspace went away")?)?;
    let chosen = fs::read_to_string(build.join("zephyr/.config"))?;
    for option in signer.options.lines() {
        ensure!(chosen.lines().any(|line| line == option), "{option} is not what Kconfig made of it");
    }
    Ok(build.join("zephyr/zephyr.elf"))
}

/// A newer file would begin the build anew.
fn write_when_other(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text)?;
    }
    Ok(())
}

fn row(
    rtos: &str,
    board: &str,
    (signer, transport): (&str, &str),
    toolchain: Toolchain,
    image: &Path,
    log: &mut Log,
) -> Result<Row> {
    let listed = log.run(Command::new("arm-none-eabi-objdump").arg("-h").arg(image))?;
    let (flash, ram) = taken(&listed);
    ensure!(flash > 0 && ram > 0, "{} has no sections that are loaded", image.display());
    let map = fs::read_to_string(image.with_extension("map")).context("the linker's map")?;
    let gcc = ask("arm-none-eabi-gcc", &["-dumpversion"]).context("arm-none-eabi-gcc")?;
    Ok(Row {
        rtos: rtos.to_owned(),
        board: board.to_owned(),
        signer: signer.to_owned(),
        transport: transport.to_owned(),
        flash,
        ram,
        library: size::library_flash(&map).context("the map has no libcairn_capi.a")?,
        rustc: toolchain.rustc_version().context("rustc has no version")?,
        gcc,
    })
}

/// Flash and RAM, from what `objdump -h` lists: for each section a line with number, name, size and address, then one with flags.
fn taken(listed: &str) -> (u64, u64) {
    let (mut flash, mut ram) = (0, 0);
    let mut section = None;
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let (Some(Ok(_)), [_, name, size, address, ..]) = (words.first().map(|word| word.parse::<u32>()), &words[..])
        {
            let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
            section = number(size).zip(number(address)).filter(|_| *name != SIMULATED_FLASH);
        } else if let Some((size, address)) = section.take() {
            if line.contains("LOAD") {
                flash += size;
            }
            if line.contains("ALLOC") && address >= RAM_BEGINS {
                ram += size;
            }
        }
    }
    (flash, ram)
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn code_is_in_flash_zeros_in_ram_data_in_both_and_the_journal_in_neither() {
        let listed = "  0 text 00000100 00000000 00000000 000000b4 2**2\n CONTENTS, ALLOC, LOAD, READONLY, CODE\n  1 datas \
                      00000010 20000000 00000100 00000100 2**2\n CONTENTS, ALLOC, LOAD, DATA\n  2 bss 00001000 20000010 00000110 \
                      00000110 2**3\n ALLOC\n  3 JOURNAL 00004000 2000c000 2000c000 00000110 2**3\n ALLOC\n  4 .debug_info \
                      00004000 00000000 00000000 00000110 2**0\n CONTENTS, READONLY, DEBUGGING\n";
        assert_eq!(taken(listed), (0x110, 0x1010));
    }
}
