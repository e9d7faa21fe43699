// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the schedule does in single situations; how good it is, host/power says.

