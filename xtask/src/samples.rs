// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds the samples' images. Their CMake calls cargo through rtos-freertos/cairn.cmake; what it needs to know comes
//! from embedded.rs.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use crate::{
    embedded::{SAMPLE_TARGET, Toolchain},
    kconfig,
    process::Log,
    project::Project,
    setup::{Need, python},
    stage::{Outcome, passed},
    suite::{Context, Stage},
};

/// What building an image needs.
pub(crate) const NEEDS: &[Need] = &[Need::Embedded, Need::Python];

/// A way to build samples/freertos-meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meter {
    /// As it is shipped.
    Normal,
    /// With the agent's task above the beat task: the run that must show beats missed.
    Control,
    /// With a journal so small that its ring turns while one looks: the run in which the plug is pulled.
    Kills,
    /// With a root of trust: the attestation key of its factory image.
    Endorsed,
    /// With a PSA Crypto, Mbed TLS, that hashes and encrypts for Cairn.
    Psa,
    /// With its key in flash of its own, drawn in the device.
    KeyStore,
    /// With another signer than the software one on secp256k1.
    Signer(&'static Signer),
}

/// A choice of CAIRN_SIGNER.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// For people.
    name: &'static str,
    build_name: &'static str,
    /// What is chosen in Kconfig.
    choices: &'static [&'static str],
}

/// Every choice whose image links without a library of the platform; PSA Crypto has an image and a stage of its own.
const SIGNERS: &[Signer] = &[
    Signer { name: "software, P-256", build_name: "freertos-meter-p256", choices: &["SIGNER_P256=y", "SIGNER_FAST=y"] },
    Signer { name: "libsecp256k1", build_name: "freertos-meter-libsecp256k1", choices: &["SIGNER_LIBSECP256K1=y"] },
    Signer {
        name: "SE050 without secure channel",
        build_name: "freertos-meter-se050",
        choices: &["SIGNER_SE050=y", "SE050_SCP03=n"],
    },
    Signer { name: "SIM", build_name: "freertos-meter-sim", choices: &["SIGNER_SIM=y"] },
    Signer {
        name: "SIM, IoT SAFE",
        build_name: "freertos-meter-iot-safe",
        choices: &["SIGNER_SIM=y", "SIM_IOT_SAFE=y", "SIM_CSIM=y"],
    },
];

/// Its PSA Crypto hashes and encrypts for Cairn, and has no curve.
const PSA_SIGNER: Signer =
    Signer { name: "PSA Crypto", build_name: "freertos-meter-psa-signer", choices: &["SIGNER_PSA=y"] };

impl Meter {
    /// The file of options in the sample's folder.
    const fn config(self) -> &'static str {
        match self {
            Self::Normal => "meter.config",
            Self::Control => "control.config",
            Self::Kills | Self::Endorsed | Self::Psa | Self::KeyStore | Self::Signer(_) => "meter.config",
        }
    }

    /// Options that are others than the file's.
    const fn changes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Normal | Self::Control | Self::KeyStore | Self::Signer(_) => &[],
            Self::Endorsed => &[("CONFIG_CAIRN_ROOT_NONE", "n"), ("CONFIG_CAIRN_ROOT_FACTORY_KEY", "y")],
            Self::Psa => &[
                ("CONFIG_CAIRN_PSA_HASH", "y"),
                ("CONFIG_CAIRN_PSA_AEAD", "y"),
                ("CONFIG_CAIRN_TASK_STACK_BYTES", "10240"),
            ],
            Self::Kills => &[
                ("CONFIG_CAIRN_JOURNAL_BYTES", "16384"),
                ("CONFIG_CAIRN_FLASH_WRITE_SIZE", "4"),
                ("CONFIG_CAIRN_FLASH_ERASE_SIZE", "1024"),
                // A reset in a full journal takes all that is saved up for spent: watts bring it back in seconds.
                ("CONFIG_CAIRN_POWER_BATTERY_MAH", "10000000"),
                ("CONFIG_CAIRN_POWER_LIFE_YEARS", "1"),
                ("CONFIG_CAIRN_POWER_BURST_J", "200"),
                ("CONFIG_CAIRN_POWER_RESERVE_J", "100"),
            ],
        }
    }

    /// What is chosen in Kconfig, where that changes which options there are.
    const fn choices(self) -> &'static [&'static str] {
        match self {
            Self::KeyStore => &["KEY_STORE=y"],
            Self::Signer(signer) => signer.choices,
            Self::Normal | Self::Control | Self::Kills | Self::Endorsed | Self::Psa => &[],
        }
    }

    const fn build_name(self) -> &'static str {
        match self {
            Self::Normal => "freertos-meter",
            Self::Control => "freertos-meter-control",
            Self::Kills => "freertos-meter-kills",
            Self::Endorsed => "freertos-meter-endorsed",
            Self::Psa => "freertos-meter-psa",
            Self::KeyStore => "freertos-meter-key-store",
            Self::Signer(signer) => signer.build_name,
        }
    }
}

/// Both meter images build, and no allocator is linked; the lock builds too.
pub(crate) const STAGE: Stage =
    Stage { name: "samples", about: "FreeRTOS images build; nothing in them allocates", needs: NEEDS, body: build_all };

/// Functions that allocate. None may be in an image.
const ALLOCATORS: &[&str] = &["malloc", "_malloc_r", "_sbrk", "pvPortMalloc", "__rust_alloc"];

fn build_all(context: &Context, log: &mut Log) -> Result<Outcome> {
    let toolchain = context.toolchain()?;
    refuses_features(&context.project, log)?;
    for meter in [Meter::Normal, Meter::Control, Meter::KeyStore].into_iter().chain(SIGNERS.iter().map(Meter::Signer)) {
        let image = build_meter(&context.project, toolchain, log, meter)?;
        check_symbols(log, &image)?;
        if meter.build_name() == "freertos-meter-libsecp256k1" {
            check_field_products(log, &image)?;
        }
    }
    psa_without_the_curve(context, toolchain, log)?;
    for feature in ["sim", "sim-iot-safe", "se050"] {
        build_lock(&context.project, toolchain, log, &["--features", feature])?;
    }
    build_lock(&context.project, toolchain, log, &[])?;
    passed(format!(
        "freertos-meter, its control build, one with a key store and {} other signers; \
         freertos-lock with its key in flash, on the SIM and in a secure element",
        SIGNERS.len()
    ))
}

/// The library with the signer over PSA Crypto builds, and its C half refuses a PSA Crypto that has not the curve.
fn psa_without_the_curve(context: &Context, toolchain: Toolchain, log: &mut Log) -> Result<()> {
    let project = &context.project;
    let build = configure_meter(project, toolchain, log, Meter::Signer(&PSA_SIGNER))?;
    let mut library = Command::new("cmake");
    library.arg("--build").arg(&build).args(["--target", "cairn_rust"]);
    toolchain.prepare(project, &mut library);
    log.run(library.env_remove("CARGO_TARGET_DIR"))?;
    let mut image = Command::new("cmake");
    image.arg("--build").arg(&build);
    toolchain.prepare(project, &mut image);
    let (status, said) = log.status_within(image.env_remove("CARGO_TARGET_DIR"), Duration::from_secs(600))?;
    if status.success() || !said.contains("This PSA Crypto has no secp256k1") {
        bail!("a PSA Crypto without the curve is not refused: {said}");
    }
    Ok(())
}

/// What to build in is chosen in the .config and nowhere else: the way of before is an error that says so.
fn refuses_features(project: &Project, log: &mut Log) -> Result<()> {
    let build = project.directory("samples/refused")?;
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(project.path("samples/freertos-meter")).arg("-B").arg(build).arg("-DCAIRN_FEATURES=at-modem");
    let mut kernel = std::ffi::OsString::from("-DFREERTOS_KERNEL_PATH=");
    kernel.push(kernel_path(project, log)?);
    let (status, said) = log.status_within(cmake.args(["-G", "Ninja"]).arg(kernel), Duration::from_secs(60))?;
    if status.success() || !said.contains("CAIRN_FEATURES is no more") {
        bail!("CAIRN_FEATURES is not refused: {said}");
    }
    Ok(())
}

/// The sample in Rust: a workspace of its own, with the target in its .cargo/config.toml. The kernel API of its family
/// allocates tasks and queues, so the check for allocators is not about it.
pub(crate) fn build_lock(project: &Project, toolchain: Toolchain, log: &mut Log, more: &[&str]) -> Result<PathBuf> {
    let sample = project.path("samples/freertos-lock");
    let mut cargo = toolchain.cargo(project, "build");
    cargo.args(["--locked", "--quiet", "--profile", "device"]).args(more).current_dir(&sample);
    log.run(&mut cargo)?;
    let image = toolchain.target_dir(project).join(SAMPLE_TARGET).join("device/freertos-lock");
    if !image.is_file() {
        bail!("{} was not built", image.display());
    }
    Ok(image)
}

/// Configures a build and gives its folder.
fn configure_meter(project: &Project, toolchain: Toolchain, log: &mut Log, meter: Meter) -> Result<PathBuf> {
    let build = project.directory(&format!("samples/{}", meter.build_name()))?;
    let mut configure = meter_cmake(project, log, &build, meter)?;
    configure.args(toolchain.cmake_arguments(project));
    toolchain.prepare(project, &mut configure);
    // cairn.cmake keeps its host build apart by itself.
    log.run(configure.env_remove("CARGO_TARGET_DIR"))?;
    Ok(build)
}

/// CMake for a meter in a build folder, which does not say yet where the Rust library comes from.
pub(crate) fn meter_cmake(project: &Project, log: &mut Log, build: &Path, meter: Meter) -> Result<Command> {
    fs::create_dir_all(build)?;
    let mut kernel = std::ffi::OsString::from("-DFREERTOS_KERNEL_PATH=");
    kernel.push(kernel_path(project, log)?);
    let mut python = std::ffi::OsString::from("-DPython3_EXECUTABLE=");
    python.push(python::interpreter(project));
    let mut configure = Command::new("cmake");
    configure.args(["-G", "Ninja", "-S"]).arg(project.path("samples/freertos-meter")).arg("-B").arg(build);
    // A build directory from before features were read from the .config has this in its cache, and would be refused.
    configure.args([kernel, python]).arg("-UCAIRN_FEATURES");
    configure.arg(format!("-DCAIRN_DOTCONFIG={}", dotconfig(project, log, build, meter)?.display()));
    if matches!(meter, Meter::Psa | Meter::Signer(&PSA_SIGNER)) {
        configure.arg(format!("-DMETER_MBEDTLS={}", mbedtls_path(project, log)?.display()));
    }
    Ok(configure)
}

/// The machine of the sample in Rust, without image and serial lines. Its flash is a file in `folder`.
pub(crate) fn lock_in_qemu(folder: &Path) -> Command {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.current_dir(folder).args(["-M", "mps2-an385", "-display", "none", "-monitor", "none"]);
    qemu.args(["-icount", "shift=6,align=off,sleep=on", "-semihosting-config", "enable=on,target=native"]);
    qemu
}

/// Meters that this run of xtask built: cargo would begin anew with each, for they share a target directory and have other options.
static BUILT: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// Builds an image, once in a run, and gives its path.
pub(crate) fn build_meter(project: &Project, toolchain: Toolchain, log: &mut Log, meter: Meter) -> Result<PathBuf> {
    let mut built = BUILT.lock().map_err(|_| anyhow!("a build panicked"))?;
    let image = project.target().join("samples").join(meter.build_name()).join("meter.elf");
    if built.contains(meter.build_name()) && image.is_file() {
        return Ok(image);
    }
    let build = configure_meter(project, toolchain, log, meter)?;
    let mut ninja = Command::new("cmake");
    ninja.arg("--build").arg(&build);
    toolchain.prepare(project, &mut ninja);
    log.run(ninja.env_remove("CARGO_TARGET_DIR"))?;
    if !image.is_file() {
        bail!("{} was not built", image.display());
    }
    built.insert(meter.build_name());
    Ok(image)
}

/// The meter's options: the sample's file, or a copy with changes.
fn dotconfig(project: &Project, log: &mut Log, build: &Path, meter: Meter) -> Result<PathBuf> {
    let shipped = project.path("samples/freertos-meter").join(meter.config());
    if !meter.choices().is_empty() {
        let chosen = build.join("chosen.config");
        kconfig::variant(project, log, &shipped, meter.choices(), &chosen)?;
        return Ok(chosen);
    }
    if meter.changes().is_empty() {
        return Ok(shipped);
    }
    let mut text = fs::read_to_string(&shipped).with_context(|| shipped.display().to_string())?;
    for (name, value) in meter.changes() {
        let (set, unset) = (format!("{name}="), format!("# {name} is not set"));
        let line = text.lines().find(|line| line.starts_with(&set) || **line == unset).map(str::to_owned);
        let line = line.with_context(|| format!("{} has no {name}", shipped.display()))?;
        text = text.replace(&format!("{line}\n"), &format!("{name}={value}\n"));
    }
    let changed = build.join("changed.config");
    // Written only when it is another: the build would begin anew.
    if fs::read_to_string(&changed).ok().as_ref() != Some(&text) {
        fs::write(&changed, &text)?;
    }
    Ok(changed)
}

/// Its lock file pins the package freertos-next, and with it the kernel.
const KERNEL_MANIFEST: &str = "xtask/freertos-kernel/Cargo.toml";
/// Never built either: its package holds Mbed TLS.
const MBEDTLS_MANIFEST: &str = "xtask/mbedtls/Cargo.toml";

/// The meters that differ in the signer alone, with its name; the first is as it is shipped.
pub(crate) fn meters_by_signer() -> impl Iterator<Item = (&'static str, Meter)> {
    let others = SIGNERS.iter().map(|signer| (signer.name, Meter::Signer(signer)));
    [("software, secp256k1", Meter::Normal)].into_iter().chain(others)
}

/// `V11.2.0`, as the kernel says.
pub(crate) fn kernel_version(project: &Project, log: &mut Log) -> Result<String> {
    let text = fs::read_to_string(kernel_path(project, log)?.join("include/task.h"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("#define tskKERNEL_VERSION_NUMBER"));
    Ok(line.context("task.h has no version")?.trim().trim_matches('"').to_owned())
}

/// FreeRTOS's kernel: `FREERTOS_KERNEL_PATH` of the environment, else the one inside the package freertos-next.
fn kernel_path(project: &Project, log: &mut Log) -> Result<PathBuf> {
    let kernel = match env::var_os("FREERTOS_KERNEL_PATH") {
        Some(path) => PathBuf::from(path),
        None => packaged(project, KERNEL_MANIFEST, "freertos-next")?.join("FreeRTOS-Kernel"),
    };
    if !kernel.join("tasks.c").is_file() {
        bail!("{} holds no FreeRTOS kernel", kernel.display());
    }
    log.note(&format!("FreeRTOS kernel: {}", kernel.display()))?;
    Ok(kernel)
}

/// Mbed TLS in C, for a meter with a PSA Crypto.
fn mbedtls_path(project: &Project, log: &mut Log) -> Result<PathBuf> {
    let sources = packaged(project, MBEDTLS_MANIFEST, "psa-crypto-sys")?.join("vendor");
    if !sources.join("library/psa_crypto.c").is_file() {
        bail!("{} holds no Mbed TLS", sources.display());
    }
    log.note(&format!("Mbed TLS: {}", sources.display()))?;
    Ok(sources)
}

/// Where cargo keeps the files of a package that the lock file beside a manifest pins.
fn packaged(project: &Project, manifest: &str, name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version", "1", "--locked", "--manifest-path"]).arg(project.path(manifest));
    let output = cargo.output().context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let package = packages.iter().find(|package| package["name"] == name);
    let path = package.and_then(|package| package["manifest_path"].as_str());
    let path = Path::new(path.with_context(|| format!("{name} is not in the lock file"))?);
    Ok(path.parent().context("a manifest lies in a folder")?.to_owned())
}

/// The products of libsecp256k1's field are those in assembly: a global symbol, where the library's own C has a local one or none.
fn check_field_products(log: &mut Log, image: &Path) -> Result<()> {
    let listed = log.run(Command::new("arm-none-eabi-nm").arg(image))?;
    if !listed.lines().any(|line| line.contains(" T ") && line.ends_with("_fe_mul_inner")) {
        bail!("{}: libsecp256k1 multiplies in C, see CFLAGS_<target> in .cargo/config.toml", image.display());
    }
    Ok(())
}

/// That no allocator is in `image`, and that the check would see one.
fn check_symbols(log: &mut Log, image: &Path) -> Result<()> {
    let listed = log.run(Command::new("arm-none-eabi-nm").arg(image))?;
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next_back()).collect();
    if !names.contains(&"main") || !names.iter().any(|name| name.starts_with("cairn_")) {
        bail!("{}: no symbols; an image that is stripped cannot be checked", image.display());
    }
    let found: Vec<_> = ALLOCATORS.iter().filter(|allocator| names.contains(allocator)).collect();
    if !found.is_empty() {
        bail!("{} links {found:?}", image.display());
    }
    Ok(())
}
