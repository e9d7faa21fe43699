// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The key of a software signer in flash of its own (CONFIG_CAIRN_KEY_STORE): born or imported at the first start, followed by
//! another, buried. Called by the agent's start and by its task; the functions of cairn.h only ask. What lies where, and what a
//! power cut leaves, is `cairn::keys::store`'s (docs/keys.md).

#[cfg(feature = "key-store")]
pub(crate) use stored::{device, follow, secret};

#[cfg(feature = "key-store")]
use crate::{
    api::not_in_agent_task,
    instance::Instance,
    result::cairn_result_t::{CAIRN_E_KEY_DESTROYED, CAIRN_OK},
    waiters::{Request, Work},
    waiting::{ask, may_ask},
};
use crate::{
    api::{answered, not_in_isr, started},
    result::cairn_result_t::{self, CAIRN_E_NOT_FOUND, CAIRN_E_NULL},
};

/// Bytes of a compressed public key.
pub const CAIRN_PUBLIC_KEY_BYTES: usize = 33;

/// Gives the public key that signs, compressed (SEC 1): what `cairn provision` registers.
///
/// @param key Where its CAIRN_PUBLIC_KEY_BYTES bytes go. Untouched unless the answer is CAIRN_OK.
///
/// Blocks: never. Tasks: any, and the event callback. Interrupts: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT in an interrupt, CAIRN_E_NULL; CAIRN_E_NOT_FOUND before the agent's first step;
/// why the agent could not start.
///
/// # Safety
/// `key` is NULL or valid for writing CAIRN_PUBLIC_KEY_BYTES bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_public_key(key: *mut u8) -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        let instance = started()?;
        if key.is_null() {
            return Err(CAIRN_E_NULL);
        }
        let public = instance.shared(|shared| shared.public_key).ok_or(CAIRN_E_NOT_FOUND)?;
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { key.cast::<[u8; CAIRN_PUBLIC_KEY_BYTES]>().write(public) };
        Ok(())
    })())
}

/// Begins a rotation: draws the next key, keeps it in flash, and journals the rotation record with its proof. The old key signs its
/// last batch, then the next one takes its place in flash, the old one is erased there and wiped in RAM, and the agent goes on
/// with the next one: by itself, also after a power cut at any point. CAIRN_EVENT_ROTATED tells that the old key is done. Have the
/// owner register the new key (docs/keys.md). Builds with CONFIG_CAIRN_KEY_STORE only.
///
/// @param timeout_ms Waits for the agent to begin for at most this long; it then seals what is open and makes up to four signatures.
/// @param seq        Where the rotation record's sequence number goes; may be NULL. Untouched unless the answer is CAIRN_OK.
///
/// Blocks: as said. Tasks: any but the agent's. Interrupts and event callback: no.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT; CAIRN_E_CONFLICT while a rotation is under way;
/// CAIRN_E_ENTROPY: there is no next key; CAIRN_E_KEY_STORE, CAIRN_E_KEY_SEAL, CAIRN_E_KEY_NOT_ERASED; CAIRN_E_SIGNER_FAULT;
/// CAIRN_E_JOURNAL_FULL, CAIRN_E_MEDIUM; why the agent could not start. The old key goes on then.
///
/// # Safety
/// `seq` is NULL or valid for writing.
#[cfg(feature = "key-store")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cairn_rotate(timeout_ms: u32, seq: *mut u64) -> cairn_result_t {
    answered((|| {
        let given = ask(may_ask()?, Request::Work(Work(stored::rotate)), timeout_ms)?;
        if !seq.is_null() {
            // SAFETY: not NULL, and the caller vouches for it.
            unsafe { seq.write(given) };
        }
        Ok(())
    })())
}

/// Destroys the device's key for good: erases it in flash, reads that it is gone, and wipes it in RAM. The agent stops; everything
/// answers CAIRN_E_KEY_DESTROYED from then on, after a restart too, also when the factory blob still has the first key: erase that
/// yourself. What the device signed before stays provable. Builds with CONFIG_CAIRN_KEY_STORE only.
///
/// @param timeout_ms Waits for the agent to begin for at most this long.
///
/// Blocks: as said, and for up to three erases. Tasks: any but the agent's. Interrupts and event callback: no.
///
/// Needs neither the platform's secret nor an agent that could start: without one it is done in the calling task, with 3 kB of stack,
/// and CAIRN_E_BUSY means that cairn_poll runs: ask again.
///
/// Errors: CAIRN_E_NOT_INITIALISED, CAIRN_E_CONTEXT, CAIRN_E_BUSY, CAIRN_E_TIMEOUT, CAIRN_E_KEY_STORE: nothing was changed;
/// CAIRN_E_KEY_NOT_ERASED: the agent stopped, but the flash may still hold the key and must be destroyed otherwise, or ask again;
/// CAIRN_E_KEY_DESTROYED: it is destroyed already.
#[cfg(feature = "key-store")]
#[unsafe(no_mangle)]
pub extern "C" fn cairn_key_destroy(timeout_ms: u32) -> cairn_result_t {
    answered((|| {
        not_in_isr()?;
        let instance = Instance::get()?;
        not_in_agent_task(instance)?;
        let asked = started().and_then(|instance| ask(instance, Request::Work(Work(stored::destroy)), timeout_ms));
        match instance.shared(|shared| shared.status.start) {
            CAIRN_OK | CAIRN_E_KEY_DESTROYED => asked,
            // Nobody is there to ask, and nobody else touches the key's flash.
            _ => stored::destroy(instance, &mut instance.visit()?),
        }
        .map(drop)
    })())
}

#[cfg(feature = "key-store")]
mod stored {
    use cairn::{
        agent::RotationState,
        factory::Factory,
        keys::store::{AtRest, KeyStore, Slot, StoreError, StoredKey},
        ports::Clock as _,
        signer::DeviceId,
        time::Millis,
    };

    use crate::{
        agent_task::tell,
        instance::{DeviceAgent, InFlash, Instance, Step},
        port::{PortClock, PortFlash, PortKeyFlash, device_secret},
        result::cairn_result_t::{
            self, CAIRN_E_CONFLICT, CAIRN_E_KEY_DESTROYED, CAIRN_E_KEY_MISSING, CAIRN_E_KEY_NOT_ERASED,
            CAIRN_E_KEY_SEAL,
        },
        signer::{self, ALGORITHM},
        waiters::Answer,
        wipe,
    };

    type Store = KeyStore<PortKeyFlash>;

    /// How long a key that could not take its turn is left alone: its flash failed.
    const AGAIN: Millis = Millis::from_secs(60);

    #[inline(never)]
    fn store() -> Result<Store, cairn_result_t> {
        let at_rest = if cairn_config::KEY_AT_REST_SEALED {
            AtRest::Sealed(device_secret().ok_or(CAIRN_E_KEY_SEAL)?)
        } else {
            AtRest::InsecurelyPlain
        };
        Ok(Store::open(PortKeyFlash, at_rest)?)
    }

    /// The key that signs. At the first start it is the factory blob's, or is drawn; then it is in the store.
    ///
    /// # Errors
    /// Those of the store; `CAIRN_E_ENTROPY`, `CAIRN_E_KEY_DESTROYED`.
    #[inline(never)]
    pub(crate) fn secret(factory: &Factory) -> Result<StoredKey, cairn_result_t> {
        if locked()?.was_emptied() {
            return Err(CAIRN_E_KEY_DESTROYED);
        }
        let mut store = store()?;
        match store.load(Slot::Current) {
            Ok(Some(key)) if key.alg == ALGORITHM => return Ok(key),
            Ok(Some(_)) => return Err(CAIRN_E_CONFLICT),
            Ok(None) => {}
            // A first writing that was cut: there was no journal yet. Otherwise it is the device's key that rotted.
            Err(StoreError::Damaged) if InFlash::is_fresh(&mut PortFlash).is_ok_and(|fresh| fresh) => {}
            Err(error) => return Err(error.into()),
        }
        match &factory.private_key {
            Some(secret) => store.import(Slot::Current, ALGORITHM, secret)?,
            None => draw(&mut store, Slot::Current)?,
        }
        store.load(Slot::Current)?.ok_or(CAIRN_E_KEY_MISSING)
    }

    /// The store, for what needs no key: the platform's secret is not asked for.
    #[inline(never)]
    fn locked() -> Result<Store, cairn_result_t> {
        Ok(Store::open(PortKeyFlash, AtRest::Locked)?)
    }

    /// The device's id, once a key followed its first.
    pub(crate) fn device() -> Result<Option<DeviceId>, cairn_result_t> {
        Ok(locked()?.device()?)
    }

    #[cfg(not(feature = "key-noise"))]
    fn draw(store: &mut Store, slot: Slot) -> Result<(), cairn_result_t> {
        Ok(store.generate(slot, ALGORITHM, &mut crate::port::PortEntropy)?)
    }

    /// From raw noise with its health tests. A source that failed once gives nothing any more until the device restarts.
    #[cfg(feature = "key-noise")]
    fn draw(store: &mut Store, slot: Slot) -> Result<(), cairn_result_t> {
        use core::sync::atomic::{AtomicBool, Ordering};

        use cairn::keys::noise::TestedNoise;

        static FAILED: AtomicBool = AtomicBool::new(false);
        if FAILED.load(Ordering::Relaxed) {
            return Err(cairn_result_t::CAIRN_E_ENTROPY);
        }
        let mut noise = TestedNoise::<_, { cairn_config::KEY_NOISE_BITS }>::new(crate::port::PortNoise);
        let drawn = store.generate(slot, ALGORITHM, &mut noise);
        if noise.failed() {
            FAILED.store(true, Ordering::Relaxed);
        }
        Ok(drawn?)
    }

    /// Does what `cairn_rotate` asked for. Never inlined: signatures lie under it.
    #[inline(never)]
    pub(super) fn rotate(instance: &Instance, step: &mut Step<'_>) -> Answer {
        let Some((agent, ..)) = step.agent() else { return Err(CAIRN_E_KEY_MISSING) };
        let seq = announce(instance, agent);
        wipe::stack_below::<512>();
        seq
    }

    #[inline(never)]
    fn announce(instance: &Instance, agent: &mut DeviceAgent) -> Answer {
        if agent.rotation() != RotationState::None {
            return Err(CAIRN_E_CONFLICT);
        }
        let mut store = store()?;
        // One that is there was drawn for a rotation that power was taken from before it was announced.
        if store.load(Slot::Next)?.is_none() {
            draw(&mut store, Slot::Next)?;
        }
        let next = store.load(Slot::Next)?.ok_or(CAIRN_E_KEY_MISSING)?;
        let mut next = signer::over(&next.secret)?;
        Ok(agent.rotate(&mut next, &mut |event| tell(instance, &event))?.0)
    }

    /// Lets the next key take its turn when the old one has signed its last batch: first in flash, then in RAM. When it is to be tried
    /// again, if it could not.
    #[inline(never)]
    pub(crate) fn follow(step: &mut Step<'_>) -> Option<Millis> {
        let not_before = step.follow_not_before();
        let (agent, ..) = step.agent()?;
        if agent.rotation() != RotationState::Signed {
            return None;
        }
        if PortClock.now() < not_before {
            return Some(not_before);
        }
        let adopted = adopt(agent);
        wipe::stack_below::<512>();
        match adopted {
            Ok(()) => {
                step.followed();
                Some(PortClock.now())
            }
            Err(why) => {
                let again = PortClock.now().after(AGAIN);
                step.follow_later(again, why);
                Some(again)
            }
        }
    }

    #[inline(never)]
    fn adopt(agent: &mut DeviceAgent) -> Result<(), cairn_result_t> {
        let mut store = store()?;
        if store.load(Slot::Next)?.is_some() {
            store.promote(&agent.device())?;
        }
        let key = store.load(Slot::Current)?.ok_or(CAIRN_E_KEY_MISSING)?;
        agent.adopt(signer::over(&key.secret)?)?;
        Ok(())
    }

    /// Does what `cairn_key_destroy` asked for, whether the agent started or not. Never inlined: it is rare.
    #[inline(never)]
    pub(super) fn destroy(_: &Instance, step: &mut Step<'_>) -> Answer {
        let destroyed = locked()?.destroy().map_err(cairn_result_t::from);
        match destroyed {
            Ok(()) => step.stop(CAIRN_E_KEY_DESTROYED),
            Err(CAIRN_E_KEY_NOT_ERASED) => step.stop(CAIRN_E_KEY_NOT_ERASED),
            Err(_) => {}
        }
        wipe::stack_below::<512>();
        destroyed.map(|()| 0)
    }
}
