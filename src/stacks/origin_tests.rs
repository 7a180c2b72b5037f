use proptest::prelude::*;

use super::*;

const REGISTRY: &str = "/home/x/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/";

fn frame(function: &str, file: &str) -> Frame {
    let file = file.replace("REGISTRY/", REGISTRY);
    Frame {
        address: 0,
        function: function.into(),
        file: (!file.is_empty()).then(|| file.into()),
        line: None,
    }
}

fn frames(list: &[(&str, &str)]) -> Vec<Frame> {
    list.iter()
        .map(|(function, file)| frame(function, file))
        .collect()
}

#[test]
fn files_tell_whose_code_it_is() {
    use Origin::{Dependency, Native, Program, Std, Tokio};
    for (file, expected) in [
        ("/rustc/59807616e1fa/library/core/src/ops/function.rs", Std),
        (
            "/home/x/.rustup/toolchains/stable-x86_64/lib/rustlib/src/rust/library/std/src/rt.rs",
            Std,
        ),
        ("/rust/deps/hashbrown-0.16.1/src/raw.rs", Std),
        ("REGISTRY/tokio-1.54.1/src/runtime/task/core.rs", Tokio),
        ("REGISTRY/tokio-util-0.7.18/src/codec/mod.rs", Dependency),
        ("REGISTRY/tokio-plumber-0.1.0/src/heap/exact.rs", Dependency),
        ("REGISTRY/hyper-1.12.0/src/proto/h1/conn.rs", Dependency),
        ("REGISTRY/ring-0.17.14/crypto/mem.c", Dependency),
        (
            "/home/x/.cargo/git/checkouts/tokio-377c595163f99a10/4fcbf4d/tokio/src/lib.rs",
            Tokio,
        ),
        (
            "/home/x/.cargo/git/checkouts/tokio-377c595163f99a10/4fcbf4d/tokio-util/src/lib.rs",
            Dependency,
        ),
        ("/srv/app/vendor/tokio/src/time/sleep.rs", Tokio),
        ("vendor/tokio-1.54.1/src/time/sleep.rs", Tokio),
        ("/srv/app/vendor/serde_json/src/de.rs", Dependency),
        ("/build/cargo-vendor-dir/itoa-1.0.15/lib.rs", Dependency),
        // Remapped and trimmed.
        ("/registry/tokio-1.54.1/src/lib.rs", Tokio),
        ("tokio-1.54.1/src/runtime/mod.rs", Tokio),
        ("./base64-0.22.1/src/lib.rs", Dependency),
        ("h2-0.5.0-alpha.1/src/lib.rs", Dependency),
        (
            "/rustc/59807616e1fa/library/std/src/sys/thread/unix.rs",
            Std,
        ),
        ("/build/glibc/nptl/pthread_create.c", Native),
        ("../sysdeps/x86_64/clone.S", Native),
        ("/srv/app/src/main.rs", Program),
        ("src/main.rs", Program),
        ("/usr/src/app-1.2.3/src/main.rs", Program),
        ("/srv/tokio-app/src/library/books.rs", Program),
        ("/srv/app/src/vendor/stripe.rs", Program),
        ("/srv/app/src/registry/mod.rs", Program),
        ("/srv/app/registry/src/main.rs", Program),
        ("/srv/app/registry/api/src/main.rs", Program),
        ("crates/tokio/src/lib.rs", Program),
        ("/srv/app/src/x-1.rs", Program),
        (
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"),
            Dependency,
        ),
        (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/a.rs"), Program),
    ] {
        assert_eq!(of(&frame("{async_fn#0}", file)), expected, "{file}");
    }
}

#[test]
fn without_a_file_the_path_tells_what_it_can() {
    use Origin::{Dependency, Native, Std, Tokio, Unknown};
    for (function, expected) in [
        ("std::thread::sleep", Std),
        ("<&dyn core::ops::Fn as core::ops::FnOnce>::call_once", Std),
        ("<alloc::boxed::Box as core::future::Future>::poll", Std),
        ("core::ptr::drop_in_place", Std),
        ("tokio::runtime::task::raw::poll", Tokio),
        ("<tokio::time::Sleep as core::future::Future>::poll", Tokio),
        ("tokio_util::codec::encode", Unknown),
        ("tokio_plumber::probe::poll", Dependency),
        ("<app::Job as core::future::Future>::poll", Unknown),
        ("app::serve::{closure#0}", Unknown),
        ("{closure#0} in app.rs", Unknown),
        ("0x7f00", Unknown),
        ("__rustc::__rust_alloc", Std),
        ("__libc_start_main", Native),
        ("poll", Native),
        ("", Unknown),
    ] {
        assert_eq!(of(&frame(function, "")), expected, "{function}");
    }
}

#[test]
fn the_users_line_is_the_innermost_of_the_program() {
    let stack = frames(&[
        ("clock_nanosleep", ""),
        ("sleep", "/rustc/5/library/std/src/thread.rs"),
        ("retry", "REGISTRY/backoff-0.4.0/src/retry.rs"),
        ("{closure#0} in db.rs", "/srv/app/src/db.rs"),
        ("fold", "/rustc/5/library/core/src/iter/mod.rs"),
        ("{async_fn#0} in serve.rs", "/srv/app/src/serve.rs"),
        ("poll", "REGISTRY/tracing-0.1.44/src/instrument.rs"),
        ("poll", "REGISTRY/tokio-1.54.1/src/runtime/task/core.rs"),
        ("catch_unwind", "/rustc/5/library/std/src/panic.rs"),
        ("block_on", "REGISTRY/tokio-1.54.1/src/runtime/runtime.rs"),
        ("main", "/srv/app/src/main.rs"),
        ("lang_start", "/rustc/5/library/std/src/rt.rs"),
        ("__libc_start_main", ""),
    ]);
    assert_eq!(users_line(&stack), Some(3));
    // A dependency's own task.
    assert_eq!(users_line(&stack[6..]), None);
    assert_eq!(users_line(&[]), None);
}

#[test]
fn without_debug_information_the_tasks_crate_is_the_users() {
    let mut stack = frames(&[
        ("clock_nanosleep", ""),
        ("std::thread::sleep", "/rustc/5/library/std/src/thread.rs"),
        ("backoff::retry", ""),
        ("app::db::query", ""),
        ("backoff::with", ""),
        ("<app::Job as core::future::Future>::poll", ""),
        ("tokio::runtime::task::core::poll", ""),
        ("tokio::runtime::Runtime::block_on", ""),
        ("starter::main", ""),
        ("main", ""),
    ]);
    assert_eq!(users_line(&stack), Some(3));
    // What is around the program's own is passed over.
    stack[5] = frame("hyper_util::server::poll", "");
    stack[4] = frame("<app::Job as core::future::Future>::poll", "");
    assert_eq!(users_line(&stack), Some(3));
    // Nothing is known of a task's frames.
    assert_eq!(users_line(&stack[6..]), None);
    // The stack is cut short.
    assert_eq!(users_line(&stack[..6]), None);
    // With debug information of a dependency there would be the program's, too.
    stack[2] = frame("retry", "REGISTRY/backoff-0.4.0/src/retry.rs");
    assert_eq!(users_line(&stack), None);
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let known = prop::sample::select(vec![
        ("poll", ""),
        ("app::serve", ""),
        ("hyper::serve", ""),
        ("tokio::poll", ""),
        ("std::sleep", ""),
        ("0x8", ""),
        ("f", "/srv/app/src/main.rs"),
        ("f", "REGISTRY/tokio-1.54.1/src/lib.rs"),
        ("f", "REGISTRY/hyper-1.12.0/src/lib.rs"),
        ("f", "/rustc/5/library/std/src/rt.rs"),
    ]);
    prop_oneof![
        known.prop_map(|(function, file)| frame(function, file)),
        (".{0,12}", "[-/.a-z0-9<é]{0,16}").prop_map(|(function, file)| frame(&function, &file)),
    ]
}

proptest! {
    /// The line is never Tokio's, the standard library's or a known dependency's, and
    /// does not depend on how the runtime was started.
    #[test]
    fn nobody_else_is_blamed(mut stack in prop::collection::vec(any_frame(), 0..12)) {
        stack.push(frame("tokio::runtime::task::poll", ""));
        let line = users_line(&stack);
        if let Some(line) = line {
            prop_assert!(matches!(of(&stack[line]), Origin::Program | Origin::Unknown));
        }
        stack.extend(frames(&[
            ("tokio::runtime::block_on", ""),
            ("lang_start", "/rustc/5/library/std/src/rt.rs"),
            ("main", ""),
        ]));
        prop_assert_eq!(users_line(&stack), line);
    }
}
