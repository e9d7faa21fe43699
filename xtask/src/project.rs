// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where things are: the sources, the target directory, and what xtask keeps inside it. Used everywhere; creates
//! nothing but directories.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The project's directories.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
}

impl Project {
    /// The project this xtask was built from, and cargo's target directory for it.
    pub(crate) fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("xtask has no parent directory")?.to_owned();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = if target.is_absolute() { target } else { root.join(target) };
        Ok(Self { root, target })
    }

    /// A path in the sources.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// Cargo's target directory for host builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A directory inside the target directory, created when it is not there.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.target.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }
}
