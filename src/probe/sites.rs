//! Spawn sites: every place in the source that spawns gets a small number.
//!
//! Tokio hands a `&'static Location` to the spawn hook. The same place may have
//! several of them (one per codegen unit or generic instance), so a pointer is
//! an *alias* of a site. A known alias is found by address, without a lock; a
//! new one is compared by file, line and column under a lock, once.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::lockfree::index::{Index, IndexWriter, Lookup};
use crate::lockfree::slab::Slab;
use crate::lockfree::sync::{Acquire, AtomicPtr, AtomicU32, Relaxed, Release};
use crate::snapshot::{self, SiteId};

/// How many spawn sites are told apart; what comes later is counted together
/// under [`OTHERS`].
pub(crate) const MAX_SITES: u32 = 16_384;

/// The site of all tasks whose own site did not fit.
pub(crate) const OTHERS: SiteId = SiteId(0);

/// All spawn sites of the process.
pub(crate) static SITES: SiteTable = SiteTable::new();

/// Where a site is, for a snapshot.
pub(crate) fn location(site: SiteId) -> snapshot::Location {
    match SITES.location(site) {
        Some(location) => snapshot::Location {
            file: location.file().to_owned(),
            line: location.line(),
            column: location.column(),
        },
        None => snapshot::Location {
            file: "(all other sites)".to_owned(),
            line: 0,
            column: 0,
        },
    }
}

/// A site as a finding tells it.
pub(crate) fn finding_site(id: SiteId) -> snapshot::FindingSite {
    let location = location(id);
    snapshot::FindingSite { id, location }
}

/// See the [module](self).
pub(crate) struct SiteTable {
    index: Index,
    aliases: Slab<Alias>,
    sites: Slab<OnceLock<&'static Location<'static>>>,
    /// Sites in use, [`OTHERS`] included.
    len: AtomicU32,
    writer: Mutex<Writer>,
}

struct Writer {
    index: IndexWriter,
    aliases: u32,
    /// `None` until the first site, since a map cannot be made in a constant.
    by_place: Option<HashMap<Place, SiteId>>,
}

/// File, line and column.
type Place = (&'static str, u32, u32);

#[derive(Default)]
struct Alias {
    location: AtomicPtr<Location<'static>>,
    site: AtomicU32,
}

impl SiteTable {
    const fn new() -> Self {
        Self {
            index: Index::new(),
            aliases: Slab::new(),
            sites: Slab::new(),
            len: AtomicU32::new(1),
            writer: Mutex::new(Writer {
                index: IndexWriter::new(),
                aliases: 0,
                by_place: None,
            }),
        }
    }

    /// The number of a spawn site. Takes a lock and allocates at most once per
    /// alias; a look-up by address otherwise.
    #[inline]
    pub(crate) fn intern(&self, location: &'static Location<'static>) -> SiteId {
        match self
            .index
            .get(key(location), |alias| self.site_of(alias, location))
        {
            Lookup::Found(site) => site,
            Lookup::Absent | Lookup::Disturbed => self.intern_new(location),
        }
    }

    #[cold]
    fn intern_new(&self, location: &'static Location<'static>) -> SiteId {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = &mut *writer;
        if let Lookup::Found(site) = self
            .index
            .get(key(location), |alias| self.site_of(alias, location))
        {
            return site;
        }
        let place = (location.file(), location.line(), location.column());
        let by_place = writer.by_place.get_or_insert_with(HashMap::new);
        let site = *by_place
            .entry(place)
            .or_insert_with(|| self.add_site(location));
        if let Some(alias) = self.aliases.get_or_grow(writer.aliases) {
            alias
                .location
                .store(std::ptr::from_ref(location).cast_mut(), Relaxed);
            alias.site.store(site.0, Relaxed);
            // The index publishes the alias.
            self.index
                .insert(&mut writer.index, key(location), writer.aliases);
            writer.aliases += 1;
        }
        site
    }

    fn add_site(&self, location: &'static Location<'static>) -> SiteId {
        let next = self.len.load(Relaxed);
        if next >= MAX_SITES {
            return OTHERS;
        }
        match self.sites.get_or_grow(next) {
            Some(site) => {
                site.get_or_init(|| location);
                self.len.store(next + 1, Release);
                SiteId(next)
            }
            None => OTHERS,
        }
    }

    /// Sites in use, [`OTHERS`] included; their ids are below this.
    pub(crate) fn len(&self) -> u32 {
        self.len.load(Acquire)
    }

    /// Whether sites were met that did not fit.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= MAX_SITES
    }

    /// Where a site is; `None` for [`OTHERS`].
    pub(crate) fn location(&self, site: SiteId) -> Option<&'static Location<'static>> {
        self.sites.get(site.0)?.get().copied()
    }

    /// The site of an alias, if it is this location's.
    #[inline]
    fn site_of(&self, alias: u32, location: &'static Location<'static>) -> Option<SiteId> {
        let alias = self.aliases.get(alias)?;
        let is_it = std::ptr::eq(alias.location.load(Relaxed), location);
        is_it.then(|| SiteId(alias.site.load(Relaxed)))
    }
}

/// Spreads addresses, which share their low and high bits, over the low half
/// of the key (Fibonacci hashing; Knuth, volume 3, section 6.4).
#[inline]
fn key(location: &'static Location<'static>) -> u64 {
    let address = std::ptr::from_ref(location).addr() as u64;
    address.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn here() -> &'static Location<'static> {
        Location::caller()
    }

    #[test]
    fn a_place_has_one_site_however_many_locations() {
        let table = SiteTable::new();
        let (a, b) = (here(), here());
        let site = table.intern(a);
        assert_ne!(site, OTHERS);
        assert_eq!(table.intern(a), site);
        assert_ne!(table.intern(b), site);
        let copy: &'static Location<'static> = Box::leak(Box::new(*a));
        assert!(!std::ptr::eq(a, copy));
        assert_eq!(table.intern(copy), site);
        assert_eq!(table.location(site), Some(a));
        assert_eq!(table.len(), 3);
        assert_eq!(table.location(OTHERS), None);
    }
}
