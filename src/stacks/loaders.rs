//! Which module an address belongs to, and the debug information of each, which is read
//! from its file when it is first needed.
//!
//! # Why no name is another module's
//!
//! The loader counts how often it unloaded a module; here that count is the time. Each
//! module has a [`since`](Module::since): the count when it was first seen in the list.
//! Take a stack that was taken at a count of at least that. It was taken after the module
//! was first seen, or before with no module unloaded in between; either way what was at
//! its address then is what was seen. The module is still there as long as it stays in
//! the list *and* as many modules have left the list as were unloaded: then none of those
//! that stayed was away meanwhile. Where that does not add up, all begin anew. The program
//! itself is never unloaded.
//!
//! A file is read only if it begins as the module in memory does.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use addr2line::{Loader, Location, demangle_auto};

use super::modules::{self, BEGINNING};
use super::{Generation, Mapped};

/// Most files whose debug information is kept at a time.
const MOST_READ: usize = 32;

/// The modules, and what was read of them.
pub(super) struct Loaders {
    /// Of the list below; `None` before there is one.
    generation: Option<Generation>,
    modules: Vec<Module>,
    uses: u64,
}

struct Module {
    mapped: Mapped,
    /// It was where it is when as many modules had been unloaded, and ever since.
    since: u64,
    file: Debug,
    /// The use that was its last.
    used: u64,
}

/// What a module's file says.
enum Debug {
    Unread,
    /// There is none, or another.
    Missing,
    Read(Box<Loader>),
}

impl Loaders {
    pub(super) fn new() -> Self {
        Self {
            generation: None,
            modules: Vec::new(),
            uses: 0,
        }
    }

    /// Looks for modules that were loaded or unloaded since; whether there are any.
    pub(super) fn refresh(&mut self) -> bool {
        if self.generation == Some(modules::generation()) {
            return false;
        }
        let (now, list) = modules::list();
        self.replace(now, list);
        true
    }

    fn replace(&mut self, now: Generation, list: Vec<Mapped>) {
        let mut old = std::mem::take(&mut self.modules);
        for mapped in list {
            let known = old.iter().position(|module| module.mapped.is_same(&mapped));
            self.modules.push(match known {
                Some(at) => old.swap_remove(at),
                None => Module {
                    since: if mapped.is_program { 0 } else { now.unloads },
                    mapped,
                    file: Debug::Unread,
                    used: 0,
                },
            });
        }
        let before = self.generation.replace(now);
        // What is left of the old list was unloaded. Was that all?
        if before.is_some_and(|before| before.unloads + old.len() as u64 != now.unloads) {
            let all = self.modules.iter_mut();
            for module in all.filter(|module| !module.mapped.is_program) {
                module.since = now.unloads;
                module.file = Debug::Unread;
            }
        }
    }

    /// The module that was at this address when a stack was taken, after so many were
    /// unloaded; `None` if none was or that is not certain.
    pub(super) fn module(&self, address: u64, unloads: u64) -> Option<usize> {
        let is_in = |module: &Module| module.mapped.addresses.contains(&address);
        let at = self.modules.iter().position(is_in)?;
        // A module may leave a gap between its segments, and another be in there.
        let is_only = !self.modules[at + 1..].iter().any(is_in);
        (is_only && unloads >= self.modules[at].since).then_some(at)
    }

    /// Shows the function, file and line at an address of a module, after those that
    /// were inlined there; nothing if the file does not say.
    pub(super) fn resolve(
        &mut self,
        module: usize,
        address: u64,
        mut see: impl FnMut(&str, Option<&str>, Option<u32>),
    ) {
        let address = address.wrapping_sub(self.modules[module].mapped.bias);
        let Some(file) = self.read(module) else {
            return;
        };
        let symbol = || Some(demangle_auto(file.find_symbol(address)?.into(), None));
        let mut frames = file.find_frames(address).ok();
        let mut next = || frames.as_mut()?.next().ok()?;
        let mut frame = next();
        if frame.is_none()
            && let Some(name) = symbol()
        {
            see(&name, None, None);
        }
        let mut before = None;
        if let Some(at) = frame.as_ref().and_then(|frame| frame.location.as_ref())
            && at.line.is_none()
        {
            before = line_before(file, address);
        }
        while let Some(this) = frame {
            frame = next();
            let location = before.take().or(this.location);
            let location = location.as_ref();
            let name = this.function.as_ref().and_then(|name| name.demangle().ok());
            // Only the last is the one that the symbol table knows.
            let name = match frame {
                None => with_path(name, symbol()),
                Some(_) => name,
            };
            if let Some(name) = name {
                let line = location.and_then(|at| at.line);
                see(&name, location.and_then(|at| at.file), line);
            }
        }
    }

    /// What a module's file says; it is read if it was not.
    fn read(&mut self, module: usize) -> Option<&Loader> {
        self.uses += 1;
        self.modules[module].used = self.uses;
        if let Debug::Unread = self.modules[module].file {
            self.make_room();
            let module = &mut self.modules[module];
            module.file = read(&module.mapped).map_or(Debug::Missing, Debug::Read);
        }
        match &self.modules[module].file {
            Debug::Read(loader) => Some(loader),
            _ => None,
        }
    }

    /// Lets go of what was not used for longest, if there are too many.
    fn make_room(&mut self) {
        let read = self.modules.iter_mut();
        let read = read.filter(|module| matches!(module.file, Debug::Read(_)));
        let mut read: Vec<_> = read.collect();
        if read.len() >= MOST_READ
            && let Some(oldest) = read.iter_mut().min_by_key(|module| module.used)
        {
            oldest.file = Debug::Unread;
        }
    }
}

/// A function's name with its path: where there are only line tables, the debug
/// information has none, but the symbol table has. Of functions whose code is the same
/// the linker may keep one, so the two must agree.
fn with_path<'a>(name: Option<Cow<'a, str>>, symbol: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    let (Some(name), Some(symbol)) = (&name, &symbol) else {
        return name.or(symbol);
    };
    // Instances have their types in one of them.
    let base = name.split('<').next().unwrap_or(name);
    let is_same = symbol
        .trim_end_matches("::{{closure}}")
        .ends_with(&format!("::{base}"))
        || (base.starts_with('{') && symbol.ends_with('}'));
    let is_bare = !name.contains("::");
    Some(if is_bare && is_same {
        symbol.clone()
    } else {
        name.clone()
    })
}

/// Where the last code before an address comes from that has a line, in the same
/// function. What the compiler adds on its own account has none, and the file that is
/// given for it may be another function's.
fn line_before(file: &Loader, address: u64) -> Option<Location<'_>> {
    /// Code is not looked at farther back.
    const NEAR: u64 = 256;

    let start = file.find_symbol_info(address)?.address();
    let start = start.max(address.saturating_sub(NEAR));
    let rows = file.find_location_range(start, address).ok()?;
    rows.map(|(_, _, row)| row)
        .filter(|row| row.line.is_some())
        .last()
}

fn read(mapped: &Mapped) -> Option<Box<Loader>> {
    of_file(mapped, |path| Loader::new(path).ok()).map(Box::new)
}

/// Reads the file that a module was loaded from, if it can be found.
pub(super) fn of_file<R>(mapped: &Mapped, read: impl Fn(&Path) -> Option<R>) -> Option<R> {
    // A package of split debug information lies beside the program's own name; the other
    // one is there if the program was replaced or deleted.
    let own = mapped.is_program.then_some(Path::new("/proc/self/exe"));
    [Some(&*mapped.path), own]
        .into_iter()
        .flatten()
        .find_map(|path| {
            // Before it is read, and after: it may be replaced meanwhile.
            let is_it = || beginning(path).is_some_and(|file| modules::begins(mapped, &file));
            let all = is_it().then(|| read(path))??;
            is_it().then_some(all)
        })
}

fn beginning(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BEGINNING);
    let mut file = File::open(path).ok()?.take(BEGINNING as u64);
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
#[path = "loaders_tests.rs"]
mod tests;
