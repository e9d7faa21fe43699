// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole lines on Zephyr's console: the crate `zephyr` prints in parts, between which another thread may print.

use zephyr::sync::Mutex;

/// Held while a line is printed.
pub static LINE: Mutex<()> = Mutex::new(());

macro_rules! say {
    ($($argument:tt)*) => {{
        // Nobody panics with it, and a panic ends the image: there is no poisoned lock.
        let _line = $crate::console::LINE.lock();
        zephyr::printkln!($($argument)*);
    }};
}
pub(crate) use say;
