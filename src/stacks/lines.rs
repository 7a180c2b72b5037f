//! Where the code of source lines is, as the debug information of a file says.
//!
//! Of a file of a hundred megabytes only a little is read: of every unit the head and the
//! list of its source files; of those that list a file which is asked about their lines,
//! and their functions if a line has no code of its own. The file is mapped, and let go of
//! at the end.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gimli::{AttributeValue, Dwarf, DwarfSections, EndianSlice, RunTimeEndian, Unit};
use memmap2::Mmap;
use object::{Object, ObjectSection};

/// Addresses of one line that are looked at: it may be inlined in many places.
const MOST_ADDRESSES: usize = 64;

/// The linker says that what it left out is there.
const LEFT_OUT: u64 = 0;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Files that are asked about, by their number in a unit.
type Files<'a> = HashMap<u64, &'a str>;

/// A line of a source file, which is named as the compiler was told: relative to the root
/// of the workspace, or absolute.
pub(super) type Line<'a> = (&'a str, u32);

/// The addresses at which the code of each line begins, or that of calls from there that
/// were inlined, as the file says them. `None` if it cannot be read.
pub(super) fn addresses(program: &Path, lines: &[Line<'_>]) -> Option<Vec<Vec<u64>>> {
    let file = File::open(program).ok()?;
    // SAFETY: a program that runs is not written to, and a new one is put in its place.
    let bytes = unsafe { Mmap::map(&file) }.ok()?;
    let object = object::File::parse(&*bytes).ok()?;
    let endian = if object.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let sections = DwarfSections::load(|id| {
        let section = object.section_by_name(id.name());
        section.map_or_else(|| Ok(Cow::default()), |it| it.uncompressed_data())
    });
    let sections = sections.ok()?;
    let dwarf = sections.borrow(|section| EndianSlice::new(section, endian));
    Some(Search::new(lines).look_in(&dwarf))
}

/// What is looked for, and what was found so far.
struct Search<'a> {
    lines: &'a [Line<'a>],
    /// The files of these lines, by their last component.
    files: HashMap<&'a [u8], HashSet<&'a str>>,
    /// The one path that each file has in the debug information; `None` where it may be
    /// either of two.
    paths: HashMap<&'a str, Option<PathBuf>>,
    addresses: Vec<Vec<u64>>,
}

impl<'a> Search<'a> {
    fn new(lines: &'a [Line<'a>]) -> Self {
        let mut files: HashMap<_, HashSet<_>> = HashMap::new();
        for (file, _) in lines {
            files
                .entry(last(file.as_bytes()))
                .or_default()
                .insert(*file);
        }
        Self {
            lines,
            files,
            paths: HashMap::new(),
            addresses: vec![Vec::new(); lines.len()],
        }
    }

    fn look_in(mut self, dwarf: &Dwarf<Slice<'_>>) -> Vec<Vec<u64>> {
        let mut listing = Vec::new();
        let mut units = dwarf.units();
        while let Ok(Some(header)) = units.next() {
            // One that cannot be read leaves the others as they are.
            let Ok(unit) = dwarf.unit(header) else {
                continue;
            };
            if let Ok(files) = self.files_of(dwarf, &unit)
                && !files.is_empty()
            {
                let _ = self.look_at_rows(&unit, &files);
                listing.push((unit, files));
            }
        }
        // Of a call that was inlined, all code may be that of another line.
        let lines = self.lines.iter().zip(&self.addresses);
        let missing = lines.filter(|(_, addresses)| addresses.is_empty());
        let missing: HashSet<_> = missing.map(|((file, _), _)| *file).collect();
        for (unit, files) in &listing {
            if files.values().any(|file| missing.contains(file)) {
                let _ = self.look_at_calls(dwarf, unit, files);
            }
        }
        self.found()
    }

    /// Looks for code of the lines in the files of one unit.
    fn look_at_rows(&mut self, unit: &Unit<Slice<'_>>, files: &Files<'a>) -> gimli::Result<()> {
        let Some(program) = unit.line_program.clone() else {
            return Ok(());
        };
        let mut rows = program.rows();
        let mut starts_at = None;
        // A line that is asked about begins there, if it has any code.
        let mut before: Option<(usize, u64)> = None;
        while let Some((_, row)) = rows.next_row()? {
            let address = row.address();
            if let Some((line, start)) = before.take()
                && start < address
            {
                self.found_at(line, start);
            }
            if row.end_sequence() {
                starts_at = None;
            } else if *starts_at.get_or_insert(address) != LEFT_OUT {
                let line = row.line().map_or(0, |line| line.get());
                let line = self.asked(files, row.file_index(), line);
                before = line.map(|line| (line, address));
            }
        }
        Ok(())
    }

    /// Looks for calls from these lines that were inlined.
    fn look_at_calls(
        &mut self,
        dwarf: &Dwarf<Slice<'_>>,
        unit: &Unit<Slice<'_>>,
        files: &Files<'a>,
    ) -> gimli::Result<()> {
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            if entry.tag() != gimli::DW_TAG_inlined_subroutine {
                continue;
            }
            let file = entry.attr_value(gimli::DW_AT_call_file);
            let Some(AttributeValue::FileIndex(file)) = file else {
                continue;
            };
            let line = entry.attr(gimli::DW_AT_call_line);
            let line = line.and_then(|line| line.udata_value()).unwrap_or(0);
            if let Some(line) = self.asked(files, file, line) {
                let mut ranges = dwarf.die_ranges(unit, entry)?;
                while let Some(range) = ranges.next()? {
                    if range.begin != LEFT_OUT && range.begin < range.end {
                        self.found_at(line, range.begin);
                    }
                }
            }
        }
        Ok(())
    }

    /// Which of the lines it is.
    fn asked(&self, files: &Files<'a>, file: u64, line: u64) -> Option<usize> {
        let file = files.get(&file)?;
        let mut lines = self.lines.iter();
        lines.position(|it| it.0 == *file && u64::from(it.1) == line)
    }

    fn found_at(&mut self, line: usize, address: u64) {
        let addresses = &mut self.addresses[line];
        if addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
        }
    }

    /// Which files of a unit are asked about, by their number in it.
    fn files_of(
        &mut self,
        dwarf: &Dwarf<Slice<'_>>,
        unit: &Unit<Slice<'_>>,
    ) -> gimli::Result<Files<'a>> {
        let mut wanted = Files::new();
        let Some(program) = &unit.line_program else {
            return Ok(wanted);
        };
        let header = program.header();
        // Of the workspace's crates the compiler is told paths that are relative to its
        // root, of all others absolute ones; here either may begin where it worked.
        let is_relative = unit.name.is_none_or(|name| !name.starts_with(b"/"));
        let first = u64::from(header.version() < 5);
        for (number, entry) in (first..).zip(header.file_names()) {
            let name = dwarf.attr_string(unit, entry.path_name())?;
            let Some(files) = self.files.get(last(name.slice())) else {
                continue;
            };
            let root = unit.comp_dir.map_or_else(PathBuf::new, |dir| path(&dir));
            let mut path = root.clone();
            if let Some(directory) = entry.directory(header) {
                path.push(self::path(&dwarf.attr_string(unit, directory)?));
            }
            path.push(self::path(&name));
            // What is absolute stays so. A unit also lists files of others, by absolute paths.
            let is_it =
                |file: &&&str| (is_relative || file.starts_with('/')) && path == root.join(file);
            if let Some(file) = files.iter().find(is_it) {
                wanted.insert(number, *file);
                let known = self.paths.entry(file);
                let known = known.or_insert_with(|| Some(path.clone()));
                known.take_if(|known| *known != path);
            }
        }
        Ok(wanted)
    }

    fn found(mut self) -> Vec<Vec<u64>> {
        for ((file, _), addresses) in self.lines.iter().zip(&mut self.addresses) {
            if self.paths.get(file).is_none_or(|path| path.is_none()) {
                addresses.clear();
            }
        }
        self.addresses
    }
}

fn path(bytes: &Slice<'_>) -> PathBuf {
    OsStr::from_bytes(bytes.slice()).into()
}

/// The last component of a path.
fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
