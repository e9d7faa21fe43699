// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the log keeps its cells. Each is said again behind the header of every sector that is opened, so that the value
//! that counts is always in the newest sector and no erase can take it. A sector counts as opened only when they are
//! all there: power that goes away before that leaves the sector before it the newest, and the opening is done again.
//!
//! What a wallet signed is said twice each time: an older value in its place, as rot would leave it, could give a nonce
//! to two purposes.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use super::{
    JournalError,
    cell::{BudgetState, CellSet, Spending},
    entry::{Head, Item, body},
    flash::{FlashJournal, LogEnd},
    head::Context,
    layout::{Geometry, Header, Snapshot},
    scan::{Place, Seen, look},
    write::{ATTEMPTS, holds, program, write_header},
};

/// How often a spending cell is said.
pub(super) const SPENDING_COPIES: u32 = 2;

/// Where the cells are in the newest sector; 0 is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellPlaces {
    /// Where the value is said that counts.
    spending: [u32; SPENDING_COPIES as usize],
    budget: u32,
}

impl CellPlaces {
    /// The cells that are there.
    pub(super) const fn set(self) -> CellSet {
        CellSet { spending: self.spending[0] != 0, budget: self.budget != 0 }
    }

    /// Takes in that `item` is at `offset`; `again` when the same cell was said there before with the same value.
    fn note(&mut self, item: &Item, offset: u32, again: bool) {
        match item {
            Item::Spending(_) if again => self.spending[1] = offset,
            Item::Spending(_) => self.spending = [offset, 0],
            Item::Budget(_) => self.budget = offset,
            _ => {}
        }
    }
}

/// What a walk over a sector comes upon of the cells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CellsSeen {
    pub(super) places: CellPlaces,
    spending: Option<Option<Spending>>,
    spendings: u32,
    others: bool,
}

impl CellsSeen {
    /// Nothing yet.
    pub(super) const NONE: Self =
        Self { places: CellPlaces { spending: [0; 2], budget: 0 }, spending: None, spendings: 0, others: false };

    pub(super) fn note(&mut self, item: &Item, offset: u32) {
        match item {
            Item::Spending(spending) => {
                self.places.note(item, offset, self.spending == Some(*spending));
                (self.spending, self.spendings) = (Some(*spending), self.spendings.saturating_add(1));
            }
            Item::Budget(_) => self.places.note(item, offset, false),
            _ => self.others = true,
        }
    }

    /// Whether the sector's opening was cut among the cells in `promised` by its header: one is missing, and nothing is
    /// there that came later.
    pub(super) fn opening_was_cut(&self, promised: CellSet) -> bool {
        !self.places.set().holds(promised) && !self.others && self.spendings <= SPENDING_COPIES
    }
}

/// What the cells say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cells {
    /// `Some(None)` when there is one and all that said it rotted.
    pub(super) spending: Option<Option<Spending>>,
    pub(super) budget: Option<BudgetState>,
}

impl Cells {
    /// Reads the cells in the sector of `generation`.
    pub(super) fn read<F: ReadNorFlash>(
        flash: &mut F,
        geometry: &Geometry,
        generation: u32,
        state: &Snapshot,
        places: CellPlaces,
    ) -> Result<Self, F::Error> {
        let mut cells = Self { spending: state.cells.spending.then_some(None), budget: None };
        let [first, second] = places.spending;
        let mut item = Item::NONE;
        for offset in [first, second, places.budget].into_iter().filter(|&offset| offset != 0) {
            let context = Context { stream: state.stream, generation, ..Context::default() };
            if let Seen::Good(_) = look(flash, geometry, &context, offset, &mut item)? {
                match item {
                    Item::Spending(spending) => cells.spending = Some(spending),
                    Item::Budget(budget) => cells.budget = Some(budget),
                    _ => {}
                }
            }
        }
        Ok(cells)
    }

    /// Bytes they take behind a header.
    pub(super) fn bytes(&self, geometry: &Geometry) -> u32 {
        let spending = self.spending.map(|spending| Item::Spending(spending).entry_bytes(geometry, 0, 0));
        let budget = self.budget.map(|budget| Item::Budget(budget).entry_bytes(geometry, 0, 0));
        SPENDING_COPIES * spending.unwrap_or_default() + budget.unwrap_or_default()
    }

    pub(super) const fn set(&self) -> CellSet {
        CellSet { spending: self.spending.is_some(), budget: self.budget.is_some() }
    }
}

/// Erases a sector, writes its header, and the cells behind it. The header says which cells there are. Returns where
/// they are, and where the sector's next entry goes.
pub(super) fn open_sector<F: NorFlash>(
    flash: &mut F,
    header: &Header,
    cells: &Cells,
) -> Result<(CellPlaces, u32), JournalError> {
    write_header(flash, header)?;
    let mut end = (CellPlaces::default(), header.geometry.entries_start());
    if let Some(spending) = cells.spending {
        say_again(flash, header, &Item::Spending(spending), SPENDING_COPIES, &mut end)?;
    }
    if let Some(budget) = cells.budget {
        say_again(flash, header, &Item::Budget(budget), 1, &mut end)?;
    }
    Ok(end)
}

/// Says a cell behind the header of a sector that is being opened, `copies` times if the sector has the room, and takes down
/// where. Once at least.
#[inline(never)]
fn say_again<F: NorFlash>(
    flash: &mut F,
    header: &Header,
    item: &Item,
    copies: u32,
    (places, offset): &mut (CellPlaces, u32),
) -> Result<(), JournalError> {
    let length = item.entry_bytes(&header.geometry, 0, 0);
    let mut said = 0;
    for _ in 0..ATTEMPTS {
        if *offset + length > header.geometry.sector || said == copies {
            break;
        }
        let place = Place { generation: header.generation, offset: *offset };
        *offset += length;
        if say(flash, header, item, place) {
            places.note(item, place.offset, said > 0);
            said += 1;
        }
    }
    if said == 0 { Err(JournalError::Medium) } else { Ok(()) }
}

/// Programs a cell and reads it back.
fn say<F: NorFlash>(flash: &mut F, header: &Header, item: &Item, place: Place) -> bool {
    let Header { generation, geometry, snapshot } = header;
    let context = Context { stream: snapshot.stream, generation: *generation, ..Context::default() };
    let begin = item.body(0);
    #[allow(clippy::cast_possible_truncation, reason = "the low byte is what is stored")]
    let head = Head::of(item, &begin, &[], snapshot.next_seq as u8, &context);
    // What a failed write left is seen by reading it back.
    let _: Result<(), _> = program(flash, geometry.address(*generation) + place.offset, &head, &begin, &[]);
    holds(flash, geometry, &context, place.offset, &head)
}

impl<F: NorFlash, const CAPACITY: usize, const PAYLOAD: usize, const GIVES_WAY: bool>
    FlashJournal<F, CAPACITY, PAYLOAD, GIVES_WAY>
{
    /// What the cells say now.
    pub(super) fn cells(&mut self) -> Result<Cells, JournalError> {
        Cells::read(&mut self.flash, &Self::GEOMETRY, self.newest, &self.state, self.cells)
            .map_err(|_| JournalError::Medium)
    }

    /// Bytes that the cells take of every sector that is opened.
    pub(super) const fn carried(cells: CellSet) -> u64 {
        Self::spending_room(cells) + if cells.budget { Self::entry(body::BUDGET) } else { 0 }
    }

    /// Bytes that one more value of the spending cell takes, if there is one.
    pub(super) const fn spending_room(cells: CellSet) -> u64 {
        if cells.spending { SPENDING_COPIES as u64 * Self::entry(body::SPENDING) } else { 0 }
    }

    /// Says how far nonces are used. Durable when this returns, and as it was when this fails.
    pub(super) fn keep_spending(&mut self, spending: Spending) -> Result<(), JournalError> {
        let item = Item::Spending(Some(spending));
        let length = item.entry_bytes(&Self::GEOMETRY, 0, 0);
        if self.end.offset() + SPENDING_COPIES * length > Self::GEOMETRY.sector {
            self.open_next()?;
        }
        self.put_cell(&item)?;
        for _ in 1..SPENDING_COPIES {
            // The first is there. Another protects it from rot; where there is none, none is missing.
            let place = Place { generation: self.newest, offset: self.end.offset() };
            if self.end.offset() + length > Self::GEOMETRY.sector {
                break;
            }
            self.end = LogEnd::at(place.offset + length);
            let header = Header { generation: self.newest, geometry: Self::GEOMETRY, snapshot: self.state };
            if say(&mut self.flash, &header, &item, place) {
                self.cells.note(&item, place.offset, true);
            }
        }
        Ok(())
    }

    /// Says a cell's value once.
    pub(super) fn put_cell(&mut self, item: &Item) -> Result<(), JournalError> {
        self.put(item, &[])?;
        let length = item.entry_bytes(&Self::GEOMETRY, 0, 0);
        self.cells.note(item, self.end.offset() - length, false);
        Ok(())
    }
}
