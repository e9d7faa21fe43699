// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a kill left in the flash, as `cairn journal check` sees it: the component's own mount over the image, without a device.
//! After every kill the journal must be sound and hold what was accepted.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::demo::{
    device::Reading,
    world::{World, text},
};

/// `cairn journal check`: sound.
const SOUND: i32 = 0;
/// `cairn journal check`: there is no journal.
const NONE: i32 = 7;

/// A flash after a kill.
pub(super) enum Flash {
    /// No journal, which is right as long as nothing was accepted.
    Unformatted,
    /// A journal that mounts.
    Sound(Journal),
}

/// A journal that mounts.
pub(super) struct Journal {
    /// The newest generation: sectors opened before it.
    pub(super) generation: u64,
    /// Sectors in the ring.
    pub(super) sectors: u64,
    /// The sector opened next has to be opened anew: power was lost while it was.
    pub(super) opening_was_cut: bool,
    /// Places of torn entries that are kept, and their lengths.
    pub(super) torn: BTreeSet<(u64, u64)>,
}

/// Looks into the flash.
///
/// # Errors
/// A journal that is damaged or refused, or that lacks what was accepted.
pub(super) fn look(world: &World, accepted: &[Reading]) -> Result<Flash> {
    let image = world.flash("meter");
    if !image.exists() {
        ensure!(accepted.is_empty(), "there is no flash");
        return Ok(Flash::Unformatted);
    }
    let said = world.cairn_says(&["journal", "check", "--json", &text(&image)])?;
    match said.code {
        NONE if accepted.is_empty() => Ok(Flash::Unformatted),
        SOUND => {
            let found: Value = serde_json::from_str(&said.out).context("cairn journal check --json")?;
            let next = found["next"]["seq"].as_str().and_then(|next| next.parse::<u64>().ok());
            let next = next.context("no next number")?;
            if let Some(last) = accepted.last() {
                ensure!(last.seq < next, "reading {} was accepted, and the next number is {next} again", last.seq);
            }
            journal(&found).map(Flash::Sound)
        }
        code => bail!("cairn journal check ended with code {code}: {}{}", said.out, said.err),
    }
}

fn journal(found: &Value) -> Result<Journal> {
    let number = |value: &Value| value.as_u64().context("not a number");
    let torn = found["torn"].as_array().context("no torn entries")?;
    Ok(Journal {
        generation: number(&found["generation"]["newest"])?,
        sectors: number(&found["place"]["sectors"])?,
        opening_was_cut: found["next"]["openingWasCut"].as_bool().context("openingWasCut")?,
        torn: torn
            .iter()
            .map(|entry| Ok((number(&entry["offset"])?, number(&entry["bytes"])?)))
            .collect::<Result<_>>()?,
    })
}
