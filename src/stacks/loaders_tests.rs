use std::ffi::{CString, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::stacks::Symbols;

fn mapped(name: u64, at: u64) -> Mapped {
    let start = 0x1000 * (at + 1);
    Mapped {
        path: format!("/lib/{name}.so").into(),
        addresses: start..start + 0x1000,
        bias: start,
        is_program: at == 0,
    }
}

proptest! {
    /// A model of the loader: a few places, and modules that come and go. Some moments
    /// are looked at, stacks are taken at any. A module that is named is the one that was
    /// there when the stack was taken, and where nothing is unloaded it is named.
    #[test]
    fn no_name_is_another_modules(
        steps in prop::collection::vec((1_u64..4, 0_u64..3, any::<bool>()), 1..40),
    ) {
        // Who is at which place: its name, and which load of it that was.
        let mut places = [Some((0, 0)), None, None, None];
        let mut now = Generation::default();
        let mut loaders = Loaders::new();
        let mut stacks = Vec::new();
        for (place, name, looks) in steps {
            let at = usize::try_from(place).unwrap();
            if places[at].take().is_some() {
                now.unloads += 1;
            } else {
                now.loads += 1;
                places[at] = Some((name, now.loads));
            }
            stacks.push((places, now.unloads));
            if !looks {
                continue;
            }
            let list = (0..).zip(places);
            let list = list.filter_map(|(at, who)| Some(mapped(who?.0, at))).collect();
            loaders.replace(now, list);
            for (then, unloads) in &stacks {
                for (at, who) in (0_u64..).zip(places) {
                    let named = loaders.module(0x1000 * (at + 1) + 8, *unloads);
                    let was = then[usize::try_from(at).unwrap()];
                    if was.is_some() && named.is_some() {
                        prop_assert_eq!(was, who);
                    }
                    if who.is_some() && (*unloads == now.unloads || at == 0) {
                        prop_assert!(named.is_some());
                    }
                }
            }
        }
    }
}

#[test]
fn what_stays_keeps_its_names_when_another_goes() {
    let mut loaders = Loaders::new();
    let mut now = Generation::default();
    loaders.replace(now, vec![mapped(0, 0), mapped(1, 1), mapped(2, 2)]);
    now.unloads = 1;
    loaders.replace(now, vec![mapped(0, 0), mapped(1, 1)]);
    assert!(loaders.module(0x2008, 0).is_some());
    // One more was loaded and unloaded in between: it may have been the other.
    now.unloads = 2;
    loaders.replace(now, vec![mapped(0, 0), mapped(1, 1)]);
    assert!(loaders.module(0x2008, 1).is_none());
    assert!(loaders.module(0x2008, 2).is_some());
    assert!(loaders.module(0x1008, 0).is_some());
}

#[test]
fn modules_that_overlap_have_no_names() {
    let mut loaders = Loaders::new();
    let mut wide = mapped(1, 1);
    wide.addresses.end += 0x1000;
    loaders.replace(
        Generation::default(),
        vec![mapped(0, 0), wide, mapped(2, 2)],
    );
    assert!(loaders.module(0x2008, 0).is_some());
    assert!(loaders.module(0x3008, 0).is_none());
}

/// A library of one function, compiled by the compiler that links Rust programs.
struct Library {
    file: PathBuf,
    function: &'static str,
}

impl Library {
    fn compile(function: &'static str) -> Self {
        let directory = std::env::temp_dir();
        let name = format!("plumber-{}-{function}", std::process::id());
        let (source, file) = (directory.join(format!("{name}.c")), directory.join(name));
        fs::write(
            &source,
            format!("int {function}(int n) {{ return n + 1; }}\n"),
        )
        .unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-g1", "-o"]);
        let status = compiler.args([&file, &source]).status();
        assert!(status.unwrap().success());
        fs::remove_file(source).unwrap();
        Self { file, function }
    }

    /// Loads it; returns its handle and an address in its function.
    fn load(&self) -> (*mut c_void, u64) {
        let file = CString::new(self.file.as_os_str().as_bytes()).unwrap();
        let function = CString::new(self.function).unwrap();
        // SAFETY: both names end with a nul, and nothing runs when it is loaded.
        unsafe {
            let handle = libc::dlopen(file.as_ptr(), libc::RTLD_NOW);
            assert!(!handle.is_null());
            let address = libc::dlsym(handle, function.as_ptr());
            assert!(!address.is_null());
            (handle, address.addr() as u64 + 1)
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.file);
    }
}

fn unload(handle: *mut c_void) {
    // SAFETY: it was loaded, and nothing of it is in use.
    assert_eq!(unsafe { libc::dlclose(handle) }, 0);
}

#[test]
fn libraries_that_come_and_go_get_their_own_names() {
    let (first, second) = (
        Library::compile("plumber_first"),
        Library::compile("plumber_second"),
    );
    let mut symbols = Symbols::new();
    let mut name = |address, unloads| symbols.frames(&[address], unloads).remove(0);
    // The list is known before either is loaded.
    let before = modules::generation().unloads;
    assert_eq!(&*name(8, before).function, "0x8");

    let (handle, address) = first.load();
    let frame = name(address, before);
    assert_eq!(&*frame.function, "plumber_first");
    assert!(frame.file.unwrap().ends_with("plumber_first.c"));
    assert_eq!(frame.line, Some(1));
    unload(handle);
    assert!(name(address, before).function.starts_with("0x"));

    let (handle, again) = second.load();
    assert_eq!(
        &*name(again, modules::generation().unloads).function,
        "plumber_second"
    );
    // It usually comes to lie where the other was.
    assert!(name(address, before).function.starts_with("0x"));

    // One that was replaced in its place is not read.
    let mut fresh = Symbols::new();
    fs::rename(&first.file, &second.file).unwrap();
    let frame = fresh
        .frames(&[again], modules::generation().unloads)
        .remove(0);
    assert!(frame.function.starts_with("0x"), "{frame:?}");
    unload(handle);
}

#[test]
fn only_so_many_files_are_kept_open() {
    let library = Library::compile("plumber_many");
    let copies: Vec<_> = (0..MOST_READ + 3)
        .map(|nth| {
            let file = library.file.with_extension(nth.to_string());
            fs::copy(&library.file, &file).unwrap();
            let function = library.function;
            Library { file, function }
        })
        .collect();
    // They stay loaded: the other test looks at what is unloaded.
    let addresses: Vec<_> = copies.iter().map(|copy| copy.load().1).collect();
    let mut loaders = Loaders::new();
    loaders.refresh();
    // The second time, the first are read again.
    for address in addresses.iter().chain(&addresses) {
        let module = loaders.module(*address, u64::MAX).unwrap();
        let mut seen = String::new();
        loaders.resolve(module, *address, |name, _, _| seen += name);
        assert_eq!(seen, "plumber_many");
        let read = loaders.modules.iter();
        let read = read.filter(|module| matches!(module.file, Debug::Read(_)));
        assert!(read.count() <= MOST_READ);
    }
}
