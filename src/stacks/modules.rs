//! The modules that are loaded into this process, and how to unwind their code.
//!
//! All is taken from memory, as the loader has it: no file is read, and one that was
//! replaced or deleted since does not matter.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::{mem, ptr, slice};

#[cfg(feature = "heap-profile")]
use framehop::{ExplicitModuleSectionInfo, Module};

use super::{Generation, Mapped};

/// Unwind information of a module. That of the program itself stays where it is; that
/// of libraries is copied, since they may be unloaded while a stack is unwound.
pub(crate) type Data = Cow<'static, [u8]>;

/// The encoding of the pointer to `.eh_frame` that linkers use: four bytes, signed,
/// relative to where they are (`DW_EH_PE_pcrel | DW_EH_PE_sdata4`).
const RELATIVE: u8 = 0x1B;

/// What says how to unwind a module's code.
pub(crate) struct Sections {
    path: PathBuf,
    pub(crate) addresses: Range<u64>,
    /// How far from where its file says it is mapped.
    moved: u64,
    /// `.eh_frame_hdr`, and the addresses of it that the file says.
    index: (Range<u64>, Data),
    /// From the start of `.eh_frame` to the end of its segment, in the same way.
    frames: (Range<u64>, Data),
}

impl Sections {
    /// `.eh_frame_hdr`, and where it is in memory.
    pub(crate) fn index(&self) -> (u64, &[u8]) {
        (self.moved.wrapping_add(self.index.0.start), &self.index.1)
    }

    /// `.eh_frame` and what follows it, and where it is in memory.
    pub(crate) fn frames(&self) -> (u64, &[u8]) {
        (self.moved.wrapping_add(self.frames.0.start), &self.frames.1)
    }
}

#[cfg(feature = "heap-profile")]
impl From<Sections> for Module<Data> {
    fn from(sections: Sections) -> Self {
        let (index, frames) = (sections.index, sections.frames);
        Module::new(
            sections.path.to_string_lossy().into_owned(),
            sections.addresses,
            sections.moved,
            ExplicitModuleSectionInfo {
                eh_frame_svma: Some(frames.0),
                eh_frame: Some(frames.1),
                eh_frame_hdr_svma: Some(index.0),
                eh_frame_hdr: Some(index.1),
                ..ExplicitModuleSectionInfo::default()
            },
        )
    }
}

/// The modules, in the order of their addresses, and the generation of this list: the
/// loader changes neither while it shows them.
pub(crate) fn list() -> (Generation, Vec<Mapped>) {
    let room = Room::filled(|_| None);
    let mut list: Vec<Mapped> = room.rows.iter().map(|row| row.mapped(&room)).collect();
    list.sort_by_key(|module| module.addresses.start);
    (room.generation, list)
}

/// How often the list has changed.
pub(crate) fn generation() -> Generation {
    let mut generation = Generation::default();
    each(|module| {
        generation = module.generation();
        false
    });
    generation
}

/// How much of a file [`begins`] compares. The header is in there, which says how long
/// the rest is, and by linkers' custom the build's id.
pub(crate) const BEGINNING: usize = 4096;

/// Whether a file that begins like this is the one that a module was loaded from, and no
/// other that was put in its place.
pub(crate) fn begins(mapped: &Mapped, file: &[u8]) -> bool {
    let mut is_same = false;
    each(|module| {
        if module.addresses() != mapped.addresses {
            return true;
        }
        is_same = module.beginning().is_some_and(|in_memory| {
            let len = in_memory.len().min(BEGINNING);
            file.get(..len) == Some(&in_memory[..len])
        });
        false
    });
    is_same
}

/// What framehop has to know of each.
#[cfg(feature = "heap-profile")]
pub(crate) fn unwindable() -> Vec<Module<Data>> {
    sections().into_iter().map(Module::from).collect()
}

/// The modules that say how to unwind their code, in the order of their addresses.
pub(crate) fn sections() -> Vec<Sections> {
    let room = Room::filled(|module| module.unwinding());
    let mut list: Vec<Sections> = (room.rows.iter())
        .filter_map(|row| row.sections(&room))
        .collect();
    list.sort_by_key(|module| module.addresses.start);
    list
}

/// A module, while the loader shows it.
struct Shown<'a> {
    info: &'a libc::dl_phdr_info,
    headers: &'a [libc::Elf64_Phdr],
    is_program: bool,
}

impl Shown<'_> {
    fn generation(&self) -> Generation {
        Generation {
            loads: self.info.dlpi_adds,
            unloads: self.info.dlpi_subs,
        }
    }

    /// The loader's name of it; `None` for the program.
    fn name(&self) -> Option<&[u8]> {
        if self.is_program || self.info.dlpi_name.is_null() {
            return None;
        }
        // SAFETY: the loader's name of the module ends with a nul, and stays while
        // the module is shown.
        Some(unsafe { CStr::from_ptr(self.info.dlpi_name) }.to_bytes())
    }

    /// The address of what the file says is at `address`.
    fn moved(&self, address: u64) -> u64 {
        self.info.dlpi_addr.wrapping_add(address)
    }

    fn loaded(&self) -> impl Iterator<Item = &libc::Elf64_Phdr> {
        let headers = self.headers.iter();
        headers.filter(|header| header.p_type == libc::PT_LOAD)
    }

    fn addresses(&self) -> Range<u64> {
        let starts = self.loaded().map(|header| header.p_vaddr);
        let ends = self.loaded().map(|header| header.p_vaddr + header.p_memsz);
        self.moved(starts.min().unwrap_or(0))..self.moved(ends.max().unwrap_or(0))
    }

    /// The bytes from an address of the file to the end of its segment.
    fn bytes_from(&self, start: u64) -> Option<(Range<u64>, Bytes<'_>)> {
        let segment = self.loaded().find(|header| {
            let end = header.p_vaddr + header.p_filesz;
            header.p_flags & libc::PF_R != 0 && (header.p_vaddr..end).contains(&start)
        })?;
        let end = segment.p_vaddr + segment.p_filesz;
        let len = usize::try_from(end - start).ok()?;
        let first: *const u8 =
            ptr::with_exposed_provenance(usize::try_from(self.moved(start)).ok()?);
        let bytes = if self.is_program && segment.p_flags & libc::PF_W == 0 {
            // SAFETY: this part of the program's file is mapped for reading only, and
            // the program is never unloaded.
            Bytes::Lasting(unsafe { slice::from_raw_parts(first, len) })
        } else {
            // SAFETY: it is mapped for reading, and not unloaded while the loader
            // shows it; only its bytes' copy is kept.
            Bytes::Shown(unsafe { slice::from_raw_parts(first, len) })
        };
        Some((start..end, bytes))
    }

    /// The start of the module's file, as far as it is mapped and never written to.
    fn beginning(&self) -> Option<&[u8]> {
        let first = self.loaded().find(|header| header.p_offset == 0)?;
        if first.p_flags & (libc::PF_R | libc::PF_W) != libc::PF_R {
            return None;
        }
        let address = usize::try_from(self.moved(first.p_vaddr)).ok()?;
        let len = usize::try_from(first.p_filesz).ok()?;
        // SAFETY: it is mapped for reading only, and not unloaded while the loader
        // shows it.
        Some(unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(address), len) })
    }

    /// What says how to unwind its code: the index, and from the frames on.
    fn unwinding(&self) -> Option<Unwinding<'_>> {
        let header = self
            .headers
            .iter()
            .find(|header| header.p_type == libc::PT_GNU_EH_FRAME)?;
        let (_, bytes) = self.bytes_from(header.p_vaddr)?;
        let index = bytes.first(usize::try_from(header.p_memsz).ok()?)?;
        // Version 1, the encodings of three fields, and the first of them.
        let &[1, RELATIVE, _, _, a, b, c, d] = index.get().first_chunk()? else {
            return None;
        };
        let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
        let frames_at = (header.p_vaddr + 4).wrapping_add_signed(distance);
        let index_at = header.p_vaddr..header.p_vaddr + header.p_memsz;
        Some([(index_at, index), self.bytes_from(frames_at)?])
    }
}

/// The index and the frames, each with the addresses that the file says.
type Unwinding<'a> = [(Range<u64>, Bytes<'a>); 2];

/// Bytes of a module.
#[derive(Clone, Copy)]
enum Bytes<'a> {
    /// They stay as they are for the life of the process.
    Lasting(&'static [u8]),
    /// They are there while the loader shows the module.
    Shown(&'a [u8]),
}

impl<'a> Bytes<'a> {
    // They live for different times.
    #[allow(clippy::match_same_arms)]
    fn get(self) -> &'a [u8] {
        match self {
            Self::Lasting(bytes) => bytes,
            Self::Shown(bytes) => bytes,
        }
    }

    fn first(self, len: usize) -> Option<Self> {
        Some(match self {
            Self::Lasting(bytes) => Self::Lasting(bytes.get(..len)?),
            Self::Shown(bytes) => Self::Shown(bytes.get(..len)?),
        })
    }
}

/// Room for what the loader shows, made before it does.
///
/// The loader holds a lock meanwhile. An allocator that takes stacks, as dhat's does, waits
/// for that lock with its own held: so nothing may be allocated while modules are shown.
struct Room {
    generation: Generation,
    rows: Vec<Row>,
    bytes: Vec<u8>,
    /// Rows and bytes that there was no room for.
    missing: (usize, usize),
}

/// What is copied of a module.
struct Row {
    /// `None` for the program.
    name: Option<Copied>,
    addresses: Range<u64>,
    bias: u64,
    is_program: bool,
    unwinding: Option<[(Range<u64>, Copied); 2]>,
}

/// Bytes that are kept.
#[derive(Clone)]
enum Copied {
    Lasting(&'static [u8]),
    /// Where they are in the room.
    At(Range<usize>),
}

impl Room {
    /// Copies all modules, and of each what `unwinding` says of it.
    fn filled(unwinding: impl for<'a> Fn(&'a Shown<'_>) -> Option<Unwinding<'a>>) -> Self {
        let mut room = Self {
            generation: Generation::default(),
            rows: Vec::with_capacity(64),
            bytes: Vec::with_capacity(16 * 1024),
            missing: (0, 0),
        };
        loop {
            each(|module| {
                room.generation = module.generation();
                room.add(module, unwinding(module));
                true
            });
            let (rows, bytes) = mem::take(&mut room.missing);
            if (rows, bytes) == (0, 0) {
                return room;
            }
            let wanted = (room.rows.len() + rows, room.bytes.len() + bytes);
            room.rows.clear();
            room.bytes.clear();
            // More than was missing, since more may be loaded meanwhile.
            room.rows.reserve(wanted.0 + 8);
            room.bytes.reserve(wanted.1 + 4096);
        }
    }

    /// Allocates nothing.
    fn add(&mut self, module: &Shown<'_>, unwinding: Option<Unwinding<'_>>) {
        let name = module.name().map(|name| self.copy(Bytes::Shown(name)));
        let row = Row {
            name,
            addresses: module.addresses(),
            bias: module.info.dlpi_addr,
            is_program: module.is_program,
            unwinding: unwinding.map(|parts| parts.map(|(at, bytes)| (at, self.copy(bytes)))),
        };
        if self.rows.len() < self.rows.capacity() {
            self.rows.push(row);
        } else {
            self.missing.0 += 1;
        }
    }

    fn copy(&mut self, bytes: Bytes<'_>) -> Copied {
        let bytes = match bytes {
            Bytes::Lasting(bytes) => return Copied::Lasting(bytes),
            Bytes::Shown(bytes) => bytes,
        };
        let start = self.bytes.len();
        if bytes.len() <= self.bytes.capacity() - start {
            self.bytes.extend_from_slice(bytes);
        } else {
            self.missing.1 += bytes.len();
        }
        Copied::At(start..self.bytes.len())
    }

    fn get<'a>(&'a self, copied: &'a Copied) -> &'a [u8] {
        match copied {
            Copied::Lasting(bytes) => bytes,
            Copied::At(range) => self.bytes.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl Row {
    fn path(&self, room: &Room) -> PathBuf {
        match &self.name {
            None => std::env::current_exe().unwrap_or_default(),
            Some(name) => OsStr::from_bytes(room.get(name)).into(),
        }
    }

    fn mapped(&self, room: &Room) -> Mapped {
        Mapped {
            path: self.path(room),
            addresses: self.addresses.clone(),
            bias: self.bias,
            is_program: self.is_program,
        }
    }

    fn sections(&self, room: &Room) -> Option<Sections> {
        let [index, frames] = self.unwinding.as_ref()?;
        let data = |(at, bytes): &(Range<u64>, Copied)| {
            let data = match bytes {
                Copied::Lasting(bytes) => Cow::Borrowed(*bytes),
                Copied::At(_) => Cow::Owned(room.get(bytes).to_vec()),
            };
            (at.clone(), data)
        };
        Some(Sections {
            path: self.path(room),
            addresses: self.addresses.clone(),
            moved: self.bias,
            index: data(index),
            frames: data(frames),
        })
    }
}

/// Shows every module until `visit` returns `false`. It must not allocate; see [`Room`].
fn each<F: FnMut(&Shown<'_>) -> bool>(visit: F) {
    struct Visit<F>(F, bool);
    unsafe extern "C" fn show<F: FnMut(&Shown<'_>) -> bool>(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        visit: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader gives a description that is valid during this call, and
        // passes on the pointer that it was given below.
        let (info, visit) = unsafe { (&*info, &mut *visit.cast::<Visit<F>>()) };
        let headers = if info.dlpi_phdr.is_null() {
            &[][..]
        } else {
            // SAFETY: that many program headers are there, mapped with the module.
            unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) }
        };
        let shown = Shown {
            info,
            headers,
            // The program comes first.
            is_program: mem::replace(&mut visit.1, false),
        };
        c_int::from(!(visit.0)(&shown))
    }
    let mut visit = Visit(visit, true);
    // SAFETY: the function is for this type of visit, which outlives the call.
    unsafe {
        libc::dl_iterate_phdr(Some(show::<F>), ptr::from_mut(&mut visit).cast());
    }
}
