//! Names for addresses.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::loaders::Loaders;

/// Addresses whose names are kept. All are forgotten when there are more: about ten
/// megabytes, which no program's stalls reach.
const MOST_ADDRESSES: usize = 1 << 16;

/// A function in a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(not(feature = "heap-profile"), allow(unreachable_pub))]
pub struct Frame {
    /// Inside of the call, in memory. The same for functions that were inlined into
    /// one.
    pub address: u64,
    /// The function's name, or the address if there is none.
    pub function: Arc<str>,
    /// The source file, if the program says so.
    pub file: Option<Arc<str>>,
    /// The line, if the program says so.
    pub line: Option<u32>,
}

/// Looks up every address once, and keeps every name once.
///
/// What is read of the debug information, tens of megabytes for a large program, is let
/// go of when this is dropped. Nothing here is shared: nobody's own backtraces wait.
pub(crate) struct Symbols {
    loaders: Loaders,
    by_address: HashMap<u64, Vec<Frame>>,
    names: HashSet<Arc<str>>,
}

impl Symbols {
    pub(crate) fn new() -> Self {
        Self {
            loaders: Loaders::new(),
            by_address: HashMap::new(),
            names: HashSet::new(),
        }
    }

    /// Reads what the first stack would wait for otherwise: the program's own debug
    /// information.
    pub(crate) fn warm(&mut self) {
        let own = Self::warm as *const ();
        self.frames(&[own.addr() as u64], 0);
    }

    /// The functions of a stack, the innermost first, for addresses inside of its calls.
    ///
    /// It was taken after the loader's [generation](super::Generation) had this number of
    /// unloads. What may have been another module's then has no name.
    pub(crate) fn frames(&mut self, addresses: &[u64], unloads: u64) -> Vec<Frame> {
        if self.loaders.refresh() {
            self.by_address.clear();
        }
        let mut frames = Vec::new();
        for &address in addresses {
            match self.loaders.module(address, unloads) {
                Some(module) => frames.extend_from_slice(self.known(module, address)),
                None => frames.push(unnamed(address)),
            }
        }
        frames
    }

    /// The function at an address of a module, after those that were inlined there.
    fn known(&mut self, module: usize, address: u64) -> &[Frame] {
        if self.by_address.len() >= MOST_ADDRESSES && !self.by_address.contains_key(&address) {
            self.by_address.clear();
            self.names.clear();
        }
        let Self {
            loaders,
            by_address,
            names,
        } = self;
        by_address.entry(address).or_insert_with(|| {
            let mut frames = Vec::new();
            loaders.resolve(module, address, |function, file, line| {
                frames.push(Frame {
                    address,
                    function: once(names, &shown(function, file)),
                    file: file.map(|file| once(names, file)),
                    line,
                });
            });
            if frames.is_empty() {
                frames.push(unnamed(address));
            }
            frames
        })
    }
}

fn unnamed(address: u64) -> Frame {
    Frame {
        address,
        function: format!("{address:#x}").into(),
        file: None,
        line: None,
    }
}

fn once(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    match names.get(name) {
        Some(known) => Arc::clone(known),
        None => {
            let new: Arc<str> = name.into();
            names.insert(Arc::clone(&new));
            new
        }
    }
}

/// A function's name without its generic arguments, which can fill a screen; a closure
/// or a future that comes without a path, with its file.
fn shown(name: &str, file: Option<&str>) -> String {
    let mut short = String::with_capacity(name.len());
    let mut depth = 0_usize;
    let mut before = ' ';
    for c in name.chars() {
        match c {
            // After a name: its arguments. Else the type of a method, which is kept.
            '<' if depth > 0 || before.is_alphanumeric() || "_:}".contains(before) => depth += 1,
            // An arrow closes nothing.
            '>' if depth > 0 && before != '-' => {
                depth -= 1;
                if depth == 0 && short.ends_with("::") {
                    short.truncate(short.len() - 2);
                }
            }
            _ if depth == 0 => short.push(c),
            _ => {}
        }
        before = c;
    }
    match file.and_then(|file| file.rsplit('/').next()) {
        Some(file) if short.starts_with('{') && !short.contains("::") => {
            format!("{short} in {file}")
        }
        _ => short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    mod of_this_program {
        use std::hint::black_box;
        use std::process::Command;
        use std::time::Instant;
        use std::{env, fs};

        use super::*;

        const DELETED: &str = "PLUMBER_TEST_DELETED";

        #[inline(never)]
        fn some_function(n: u32) -> u32 {
            black_box(n) + 1
        }

        #[test]
        fn it_has_names_even_if_it_was_deleted() {
            let own = env::current_exe().unwrap();
            if env::var_os(DELETED).is_some() {
                fs::remove_file(&own).unwrap();
            }
            let mut symbols = Symbols::new();
            let address = (some_function as *const ()).addr() as u64 + 1;
            let frames = symbols.frames(&[address, 8], 0);
            let [frame, none] = &frames[..] else {
                panic!("{frames:?}");
            };
            assert!(frame.function.ends_with("some_function"), "{frame:?}");
            assert_eq!(frame.file.as_deref().map(short), Some("symbols.rs"));
            assert!(frame.line.is_some());
            assert_eq!((&*none.function, none.line), ("0x8", None));
            if env::var_os(DELETED).is_some() {
                return;
            }
            let link = own.with_extension("to-be-deleted");
            fs::hard_link(&own, &link).unwrap();
            let test = concat!(module_path!(), "::it_has_names_even_if_it_was_deleted");
            let (_crate, test) = test.split_once("::").unwrap();
            let mut copy = Command::new(&link);
            copy.args(["--exact", test]).env(DELETED, "yes");
            let output = copy.output().unwrap();
            assert!(!link.exists(), "{output:?}");
            assert!(output.status.success(), "{output:?}");
        }

        fn short(file: &str) -> &str {
            file.rsplit('/').next().unwrap_or(file)
        }

        #[test]
        fn it_goes_to_where_it_is_needed() {
            fn is_send<T: Send>() {}
            is_send::<Symbols>();
        }

        #[test]
        #[ignore = "prints what a look-up costs"]
        fn costs() {
            let rss = || {
                let status = fs::read_to_string("/proc/self/status").unwrap();
                let lines = status.lines().filter(|line| line.starts_with("Rss"));
                lines
                    .collect::<Vec<_>>()
                    .join(" ")
                    .replace(char::is_whitespace, "")
            };
            let time = |what: &str, run: &mut dyn FnMut()| {
                let start = Instant::now();
                run();
                println!("{what}: {:?}, {}", start.elapsed(), rss());
            };
            let address = |function: *const ()| function.addr() as u64 + 1;
            let mut own = vec![
                address(some_function as *const ()),
                address(short as *const ()),
            ];
            own.push(address(crate::snapshot as *const ()));
            println!("before: {}", rss());
            let mut symbols = Symbols::new();
            time("warm", &mut || symbols.warm());
            time("three functions", &mut || drop(symbols.frames(&own, 0)));
            time("again", &mut || drop(symbols.frames(&own, 0)));
            time("dropped", &mut || symbols = Symbols::new());
            time("cold", &mut || drop(symbols.frames(&own, 0)));
        }
    }

    #[test]
    fn names_are_shown_short() {
        for (name, expected) in [
            ("app::fill", "app::fill"),
            ("fold<core::ops::Range<usize>, fn() -> u8>", "fold"),
            (
                "std::panic::catch_unwind::<&dyn Fn<()>, i32>",
                "std::panic::catch_unwind",
            ),
            ("<a::B<T> as c::D<E>>::f", "<a::B as c::D>::f"),
            ("Vec<T,A>::push", "Vec::push"),
            ("{async_fn#0}", "{async_fn#0} in app.rs"),
            ("app::fill::{closure#0}", "app::fill::{closure#0}"),
        ] {
            assert_eq!(shown(name, Some("src/app.rs")), expected);
        }
    }
}
