// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decides what to ask the modem next, and what became of it. There is no script: after each answer the next task is chosen
//! from what is still missing for the work at hand, so that a restart or a lost answer at any point needs no case of its own.
//! [`hearing`] is what it learns from the modem's lines.

use cairn::{
    power::cost::{Attach, Heard},
    time::Millis,
};
use embedded_io::Write;

use super::{
    Counters, Failure, Radio, Release, Settings,
    card::{Card, CardAsk, CardFailure},
    count,
    dialogue::{Arguments, Dialogue},
    slots::{Inbound, OnModem, Progress, Slot, Uplink},
};
use crate::dialect::{CardCommand, Command, Dialect};

mod hearing;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Get any answer.
    Wake { attempt: u8 },
    /// Let late answers to earlier attempts pass.
    Settle,
    /// A command of the dialect's set-up.
    SetUp { step: usize },
    /// Request power saving timers.
    PowerSaving,
    /// Ask for the registration state.
    Registration,
    /// Not registered yet: wait.
    RegistrationPause,
    /// Close a socket that may be left over.
    Vacate(u8),
    /// Open a socket.
    Open(u8),
    /// Announce release assistance.
    Announce,
    /// Send the uplink.
    Send,
    /// Close a socket that nobody holds any more.
    Close(u8),
    /// Ask how the radio does.
    Survey { step: usize },
    /// Pass a command on to the card.
    Card,
    /// The card is busy: wait.
    CardPause,
}

/// How late the time that the network told may be taken, besides the whole seconds in which it comes.
const CLOCK_ERROR: Millis = Millis(2_000);

/// How often a modem may restart before a datagram was even written.
const RESTARTS: u8 = 3;

#[derive(Debug)]
pub(super) struct Conversation<
    const SOCKETS: usize,
    const TX: usize,
    const RX: usize,
    const QUEUE: usize,
    const APDU: usize,
> {
    pub(super) dialect: &'static Dialect,
    settings: Settings,
    pub(super) slots: [Slot; SOCKETS],
    pub(super) uplink: Uplink<TX>,
    pub(super) inbound: Inbound<RX, QUEUE>,
    pub(super) card: Card<APDU>,
    pub(super) radio: Radio,
    /// Since it was last asked for.
    heard: Heard,
    pub(super) counters: Counters,
    task: Option<Task>,
    dialogue: Option<Dialogue>,
    /// End of the pause, in the tasks that are pauses.
    pause: Millis,
    /// Answers belong to the command before them.
    synchronised: bool,
    /// An answer that nobody waits for any more may still come.
    late: bool,
    set_up: bool,
    /// Nobody listened for so long that the modem may sleep, whatever is read now.
    drowsy: bool,
    /// Somebody listened within [`CLOCK_ERROR`].
    pub(super) attentive: bool,
    survey: Option<usize>,
    attach_by: Option<Millis>,
    heard_at: Millis,
    traffic_at: Option<Millis>,
    now: Millis,
}

impl<const SOCKETS: usize, const TX: usize, const RX: usize, const QUEUE: usize, const APDU: usize>
    Conversation<SOCKETS, TX, RX, QUEUE, APDU>
{
    pub(super) const fn new(dialect: &'static Dialect, settings: Settings) -> Self {
        const CLOSED: Slot = Slot { used: false, peer: None, on_modem: OnModem::Unknown, lost: None };
        const UNKNOWN: Radio =
            Radio { registered: None, connected: None, coverage: None, rssi_dbm: None, rsrp_dbm: None, tail: None };
        const ZERO: Counters = Counters {
            sent: 0,
            received: 0,
            queue_full: 0,
            too_long: 0,
            stray: 0,
            opened: 0,
            reboots: 0,
            no_answer: 0,
            refused: 0,
            lines_dropped: 0,
            port_errors: 0,
        };
        Self {
            dialect,
            settings,
            slots: [CLOSED; SOCKETS],
            uplink: Uplink::new(),
            inbound: Inbound::new(),
            card: Card::new(),
            radio: UNKNOWN,
            heard: Heard { coverage: None, attach: Attach::Unknown, timers: None },
            counters: ZERO,
            task: None,
            dialogue: None,
            pause: Millis(0),
            synchronised: false,
            late: false,
            set_up: false,
            drowsy: false,
            attentive: false,
            survey: None,
            attach_by: None,
            heard_at: Millis(0),
            traffic_at: None,
            now: Millis(0),
        }
    }

    pub(super) fn heard(&mut self) -> Heard {
        let heard = core::mem::take(&mut self.heard);
        let known = heard.attach == Attach::Unknown && self.radio.registered == Some(true);
        Heard { attach: if known { Attach::Registered } else { heard.attach }, ..heard }
    }

    pub(super) const fn doubt(&mut self) {
        (self.synchronised, self.late) = (false, true);
    }

    pub(super) const fn card_limit(&self) -> Millis {
        self.settings.card_limit
    }

    /// Begins a look at the port: what is read from it may have waited there since the look before.
    pub(super) fn look(&mut self, now: Millis) {
        let unheard = now.since(self.now);
        self.drowsy |= unheard >= self.dialect.quiet;
        self.attentive = unheard <= CLOCK_ERROR;
        self.now = now;
    }

    /// Ends what ran out of time and begins what is due.
    pub(super) fn advance(&mut self) {
        let now = self.now;
        // More turns than a chain of time-outs and beginnings at one instant needs.
        for _ in 0..8 {
            let ended = match (self.task, &self.dialogue) {
                // A close that was understood but never confirmed: the socket was not open.
                (Some(Task::Vacate(_) | Task::Close(_)), Some(dialogue))
                    if now >= dialogue.deadline() && dialogue.accepted() =>
                {
                    Ok(())
                }
                (Some(_), Some(dialogue)) if now >= dialogue.deadline() => Err(Failure::NoAnswer),
                (Some(_), None) if now >= self.pause => Ok(()),
                (Some(_), _) => return,
                (None, _) => {
                    self.card.expire(now);
                    let Some(task) = self.choose() else { return };
                    self.begin(task);
                    continue;
                }
            };
            self.finish(ended);
        }
    }

    /// The next thing missing for the work at hand; `None` when there is no work.
    fn choose(&self) -> Option<Task> {
        let pending = self.uplink.pending();
        let abandoned = self.slots.iter().position(|slot| !slot.used && slot.on_modem == OnModem::Open);
        if pending.is_none() && abandoned.is_none() && self.survey.is_none() && !self.card.pending() {
            return None;
        }
        if !self.synchronised || self.drowsy || self.now.since(self.heard_at) >= self.dialect.quiet {
            return Some(Task::Wake { attempt: 0 });
        }
        if !self.set_up {
            return Some(Task::SetUp { step: 0 });
        }
        // Somebody waits for it, and it needs no network.
        if self.card.pending() {
            return Some(Task::Card);
        }
        if let Some(socket) = pending {
            if self.radio.registered != Some(true) {
                return Some(Task::Registration);
            }
            return Some(match self.slots.get(usize::from(socket)).map(|slot| slot.on_modem) {
                Some(OnModem::Open) if self.announces() && !self.uplink.announced => Task::Announce,
                Some(OnModem::Open) => Task::Send,
                Some(OnModem::Closed) => Task::Open(socket),
                Some(OnModem::Unknown) | None => Task::Vacate(socket),
            });
        }
        match abandoned {
            Some(slot) => u8::try_from(slot).ok().map(Task::Close),
            None => self.survey.map(|step| Task::Survey { step }),
        }
    }

    const fn announces(&self) -> bool {
        self.dialect.announce_release.is_some() && !matches!(self.settings.release, Release::Never)
    }

    fn begin(&mut self, task: Task) {
        let dialect = self.dialect;
        let command: Option<&'static Command> = match task {
            Task::Wake { .. } => Some(&dialect.wake),
            Task::SetUp { step } => dialect.setup.get(step).map(|step| &step.command),
            Task::PowerSaving => Some(&dialect.power_saving),
            Task::Registration => Some(&dialect.registration),
            Task::Vacate(_) | Task::Close(_) => Some(&dialect.close),
            Task::Open(_) => Some(&dialect.open),
            Task::Announce => dialect.announce_release.as_ref(),
            Task::Send if matches!(self.settings.release, Release::Never) => Some(&dialect.send),
            Task::Send => Some(&dialect.send_and_release),
            Task::Survey { step } => dialect.survey.get(step),
            Task::Card => Some(&self.card_command().command),
            Task::Settle | Task::RegistrationPause | Task::CardPause => None,
        };
        self.pause = match task {
            Task::Settle => self.now.after(dialect.settle),
            Task::RegistrationPause => self.now.after(dialect.registration_pause),
            Task::CardPause => self.now.after(dialect.card.busy_pause),
            // A step behind the last of its table has no command and ends at once.
            _ => self.now,
        };
        if task == Task::Registration && self.attach_by.is_none() {
            self.attach_by = Some(self.now.after(self.settings.attach_limit));
        }
        let socket = match task {
            Task::Vacate(socket) | Task::Open(socket) | Task::Close(socket) => socket,
            _ => self.uplink.socket,
        };
        let peer = self.slots.get(usize::from(socket)).and_then(|slot| slot.peer);
        self.dialogue = command.map(|command| Dialogue::new(command, socket, peer, self.now));
        self.task = Some(task);
    }

    const fn card_command(&self) -> &'static CardCommand {
        let commands = &self.dialect.card;
        match self.card.ask() {
            CardAsk::Basic | CardAsk::Generic => &commands.generic,
            CardAsk::Open => &commands.open,
            CardAsk::Session(_) => &commands.session,
            CardAsk::Close(_) => &commands.close,
        }
    }

    /// The current task is over: notes what is now known.
    fn finish(&mut self, result: Result<(), Failure>) {
        self.dialogue = None;
        let Some(task) = self.task.take() else { return };
        match result {
            Err(Failure::NoAnswer) => count(&mut self.counters.no_answer),
            Err(_) => count(&mut self.counters.refused),
            Ok(()) => {}
        }
        if matches!((task, result), (Task::Wake { .. }, Ok(()) | Err(Failure::Refused(_)))) {
            self.drowsy = false;
        }
        match (task, result) {
            // Any final result proves that the modem is awake.
            (Task::Wake { attempt: 0 }, Ok(()) | Err(Failure::Refused(_))) if !self.late => self.synchronised = true,
            (Task::Wake { .. }, Ok(()) | Err(Failure::Refused(_))) => self.begin(Task::Settle),
            (Task::Wake { attempt }, Err(Failure::NoAnswer)) if attempt + 1 < self.dialect.wake_attempts => {
                self.begin(Task::Wake { attempt: attempt + 1 });
            }
            (task, Err(failure @ (Failure::NoAnswer | Failure::Port))) => {
                if (task, failure) == (Task::Card, Failure::NoAnswer) {
                    self.card.end(Err(CardFailure::TimeOut));
                }
                self.lose_modem(failure);
            }
            (Task::Settle, _) => (self.synchronised, self.late) = (true, false),
            (Task::Card, result) => self.finish_card(result),
            (Task::SetUp { step }, result) => self.finish_set_up(step, result),
            (Task::PowerSaving, _) => self.set_up = true,
            (Task::Registration, _) => self.finish_registration(),
            (Task::Vacate(socket) | Task::Close(socket), _) => self.note(socket, OnModem::Closed),
            (Task::Open(socket), Ok(())) => {
                count(&mut self.counters.opened);
                self.note(socket, OnModem::Open);
            }
            (Task::Announce, _) => self.uplink.announced = true,
            (Task::Send, Ok(())) => {
                count(&mut self.counters.sent);
                self.traffic_at = Some(self.now);
                self.survey = self.settings.survey.then_some(0);
                self.uplink.end(Ok(()));
            }
            // After a failure the socket is in doubt; after a failed open the manual wants it closed.
            (Task::Open(_) | Task::Send, Err(failure)) => {
                self.note(self.uplink.socket, OnModem::Unknown);
                self.uplink.end(Err(failure));
            }
            (Task::Survey { step }, _) => {
                self.survey = Some(step + 1).filter(|next| *next < self.dialect.survey.len());
            }
            // An end of a pause asks again; a refused wake was counted as awake above.
            (Task::RegistrationPause | Task::CardPause | Task::Wake { .. }, _) => {}
        }
    }

    fn finish_card(&mut self, result: Result<(), Failure>) {
        match result {
            Ok(()) => {
                self.card.accepted();
                // An OK without its answer may be that of another command.
                if !self.card.sound() {
                    self.doubt();
                }
            }
            Err(Failure::Refused(Some(code))) if code == self.dialect.card.busy => self.begin(Task::CardPause),
            Err(Failure::Refused(code)) => self.card.end(Err(CardFailure::Refused(code))),
            Err(_) => self.card.end(Err(CardFailure::NoModem)),
        }
    }

    fn finish_set_up(&mut self, step: usize, result: Result<(), Failure>) {
        match (result, self.dialect.setup.get(step)) {
            (Err(failure), Some(refused)) if refused.required => {
                self.card.end(Err(CardFailure::NoModem));
                self.give_up(failure);
            }
            _ if step + 1 < self.dialect.setup.len() => self.begin(Task::SetUp { step: step + 1 }),
            _ if self.settings.psm.is_some() => self.begin(Task::PowerSaving),
            _ => self.set_up = true,
        }
    }

    fn finish_registration(&mut self) {
        if self.radio.registered == Some(true) {
            self.attach_by = None;
        } else if self.attach_by.is_some_and(|limit| self.now >= limit) {
            self.give_up(Failure::NoNetwork);
        } else {
            self.begin(Task::RegistrationPause);
        }
    }

    fn note(&mut self, socket: u8, state: OnModem) {
        if let Some(slot) = self.slots.get_mut(usize::from(socket)) {
            slot.on_modem = state;
            if state == OnModem::Open {
                slot.lost = None;
            }
        }
    }

    /// The work at hand cannot be done now.
    fn give_up(&mut self, failure: Failure) {
        self.uplink.end(Err(failure));
        self.survey = None;
        self.attach_by = None;
        for slot in self.slots.iter_mut().filter(|slot| !slot.used) {
            slot.on_modem = OnModem::Unknown;
        }
    }

    /// Nothing is known of the modem any more.
    fn lose_modem(&mut self, failure: Failure) {
        self.card.end(Err(CardFailure::NoModem));
        self.late |= failure == Failure::NoAnswer;
        self.give_up(failure);
        self.start_over();
        for slot in &mut self.slots {
            slot.forget(Some(failure));
        }
    }

    fn start_over(&mut self) {
        self.task = None;
        self.dialogue = None;
        self.survey = None;
        self.synchronised = false;
        self.set_up = false;
        self.radio.registered = None;
        self.radio.connected = None;
    }

    /// The modem forgot its sockets and settings; `why` is told to whoever waits on one of them.
    fn restarted(&mut self, why: Option<Failure>) {
        self.card.restarted(matches!(self.task, Some(Task::Card | Task::CardPause)));
        let under_way = matches!(self.task, Some(Task::Vacate(_) | Task::Open(_) | Task::Announce | Task::Send));
        self.start_over();
        for slot in &mut self.slots {
            slot.forget(why);
        }
        if self.uplink.pending().is_some() {
            self.uplink.restarts += 1;
            if under_way || self.uplink.restarts > RESTARTS {
                self.uplink.end(Err(Failure::Rebooted));
                // `send` tells; `receive` need not say it again.
                if let Some(slot) = self.slots.get_mut(usize::from(self.uplink.socket)) {
                    slot.lost = None;
                }
            }
        }
    }

    /// Nobody waits for what `socket` was sending. A command that is being written is finished, since a modem that got half
    /// a line would take the next command for the other half.
    pub(super) fn abandon(&mut self, socket: u8) {
        if self.uplink.socket == socket {
            self.uplink.orphan = true;
            if self.task != Some(Task::Send) {
                self.uplink.progress = Progress::None;
            }
        }
    }

    pub(super) fn port_failed(&mut self) {
        count(&mut self.counters.port_errors);
        self.finish(Err(Failure::Port));
    }

    /// Writes what the current command still has to say.
    ///
    /// # Errors
    /// The port's.
    pub(super) fn write<P: Write>(&mut self, port: &mut P) -> Result<(), P::Error> {
        let Some(dialogue) = &mut self.dialogue else { return Ok(()) };
        let for_card = self.task == Some(Task::Card);
        let arguments = Arguments {
            context: self.dialect.context,
            payload: if for_card { self.card.bytes() } else { &self.uplink.bytes },
            session: self.card.session(),
            release: self.settings.release as u8,
            psm: self.settings.psm,
        };
        dialogue.write(port, &arguments)
    }

    pub(super) fn wake_at(&self) -> Option<Millis> {
        match (self.task, &self.dialogue) {
            // The port was full; try again at the next tick.
            (Some(_), Some(dialogue)) if !dialogue.written() => Some(self.now.after(Millis(1))),
            (Some(_), Some(dialogue)) => Some(dialogue.deadline()),
            (Some(_), None) => Some(self.pause),
            (None, _) => self.choose().map(|_| self.now),
        }
    }
}
