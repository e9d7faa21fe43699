// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Judges whether a rotation record makes a key its device's next one in the registry's eyes: what the owner has
//! checked before vouching for the key. Called by `cairn provision rotate`; registers nothing.

use cairn::signer::{DeviceId, KeyId, PublicKey};
use cairn_evidence::{
    Evidence, Expectation, Refusal, RotationFault, rotation,
    verify::{Statement, check_inclusion, check_statement},
};

use crate::{
    chain::{ChainError, KeyStatus, LedgerView},
    facts,
};

/// A key that a device's rotation record names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    /// The device.
    pub device: DeviceId,
    /// The key that announced it.
    pub from: KeyId,
    /// The key.
    pub key: PublicKey,
    /// What the registry says of it: not registered yet, unless an earlier run did it.
    pub status: KeyStatus,
}

/// Judges evidence of a rotation record. The key that signed it has to be registered for the device and, when it was
/// revoked meanwhile, the record must have been on the ledger before: a revoked key hands nothing over.
///
/// # Errors
/// [`ChainError`] when the node does not answer; the inner [`Refusal`] names what is wrong with the evidence.
pub async fn judge(
    view: &impl LedgerView,
    evidence: &Evidence,
    expectation: &Expectation,
) -> Result<Result<Successor, Refusal>, ChainError> {
    let (statement, key) = match announced(evidence, expectation) {
        Ok(announced) => announced,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (device, from) = (statement.device, statement.key_id);
    let status = view.key_status(key.key_id()).await?;
    let successor = Successor { device, from, key, status };
    if status.registered_at != 0 {
        return Ok(of_this_device(view, key.key_id(), device).await?.map(|()| successor));
    }
    let old = view.key_status(from).await?;
    if old.registered_at == 0 {
        return Ok(Err(Refusal::KeyUnregistered(from)));
    }
    if let Err(refusal) = of_this_device(view, from, device).await? {
        return Ok(Err(refusal));
    }
    if old.revoked_at != 0 {
        let facts = facts::gather(view, evidence, from).await?;
        let included = check_inclusion(evidence, &statement, expectation, &facts);
        return Ok(included.map(|_| successor));
    }
    Ok(Ok(successor))
}

/// What needs no ledger: the device signed a rotation record, and the key it names agreed.
fn announced(evidence: &Evidence, expectation: &Expectation) -> Result<(Statement, PublicKey), Refusal> {
    let statement = check_statement(evidence, expectation)?;
    let number = evidence.rotations.len() + 1;
    let faulty = |fault| Refusal::Rotation { number, fault };
    let says = rotation::said_by(&evidence.record).map_err(faulty)?;
    rotation::check_place(&evidence.record, &evidence.anchor).map_err(faulty)?;
    if says.device != statement.device {
        return Err(faulty(RotationFault::OtherDevice { found: says.device, expected: statement.device }));
    }
    let key = rotation::proven_key(&says, &evidence.record, &evidence.anchor).map_err(faulty)?;
    Ok((statement, key))
}

async fn of_this_device(
    view: &impl LedgerView,
    key: KeyId,
    expected: DeviceId,
) -> Result<Result<(), Refusal>, ChainError> {
    let found = view.registrant(key).await?;
    Ok(if found == Some(expected) { Ok(()) } else { Err(Refusal::KeyOfOtherDevice { key, found, expected }) })
}
