// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Files of the host that runs QEMU, by Arm semihosting. QEMU ONLY: on hardware without a debugger the breakpoint faults, so this
//! cannot reach a product unnoticed. Used by board.rs and flash.rs; blocks until the host answered.

use cortex_m_semihosting::syscall;

/// How a file is opened: the numbers of SYS_OPEN.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// An existing file, to be read.
    Read = 1,
    /// An existing file, to be read and written.
    Update = 3,
    /// A new file, or an old one emptied, to be read and written.
    Create = 7,
}

/// The host did not do it.
#[derive(Clone, Copy, Debug)]
pub struct HostFailed;

/// An open file.
#[derive(Debug)]
pub struct HostFile(usize);

impl HostFile {
    /// Opens a file, by its path on the host.
    ///
    /// # Errors
    /// [`HostFailed`] when there is none, or it may not be opened so.
    pub fn open(path: &core::ffi::CStr, mode: Mode) -> Result<Self, HostFailed> {
        const FAILED: usize = usize::MAX;
        // SAFETY: SYS_OPEN reads `path`, whose length without the zero it is told.
        let file = unsafe { syscall!(OPEN, path.as_ptr(), mode as usize, path.count_bytes()) };
        if file == FAILED { Err(HostFailed) } else { Ok(Self(file)) }
    }

    /// Fills `out` from where the file stands.
    ///
    /// # Errors
    /// [`HostFailed`], also when the file ends before.
    pub fn read(&mut self, out: &mut [u8]) -> Result<(), HostFailed> {
        // SAFETY: SYS_READ writes at most `out.len()` bytes at `out`; its answer is how many it did not.
        let missing = unsafe { syscall!(READ, self.0, out.as_mut_ptr(), out.len()) };
        if missing == 0 { Ok(()) } else { Err(HostFailed) }
    }

    /// Writes `bytes` where the file stands.
    ///
    /// # Errors
    /// [`HostFailed`]; some may be written then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), HostFailed> {
        // SAFETY: SYS_WRITE reads `bytes.len()` bytes at `bytes`; its answer is how many it did not write.
        let missing = unsafe { syscall!(WRITE, self.0, bytes.as_ptr(), bytes.len()) };
        if missing == 0 { Ok(()) } else { Err(HostFailed) }
    }

    /// Stands at `offset` from now on.
    ///
    /// # Errors
    /// [`HostFailed`].
    pub fn seek(&mut self, offset: u32) -> Result<(), HostFailed> {
        // SAFETY: SYS_SEEK takes numbers; 0 says that it was done.
        let answer = unsafe { syscall!(SEEK, self.0, offset) };
        if answer == 0 { Ok(()) } else { Err(HostFailed) }
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        // SAFETY: SYS_CLOSE of what was opened, once.
        unsafe { syscall!(CLOSE, self.0) };
    }
}
