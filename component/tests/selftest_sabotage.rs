// SPDX-License-Identifier: Apache-2.0 OR MIT
//! That every known-answer test can fail: each primitive in turn gives an answer of which one bit is wrong.

use cairn::selftest::{CHECKS, sabotage, selftest};

#[test]
fn a_primitive_that_is_broken_is_named() {
    assert_eq!(selftest(), Ok(()));
    for check in CHECKS {
        sabotage(check.primitive as u8);
        assert_eq!(selftest(), Err(check.primitive));
    }
    sabotage(0);
    assert_eq!(selftest(), Ok(()));
}
