use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use tracing::dispatcher::{Dispatch, with_default};
use tracing::{Instrument as _, field, info_span};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::{Identity, SubscriberExt as _};
use tracing_subscriber::{Layer as _, registry, reload};

use super::*;
use crate::lockfree::index::Lookup;

fn subscriber() -> Dispatch {
    Dispatch::new(registry().with(SpanLayer::new()))
}

/// What another thread is told of this one.
fn seen() -> String {
    let thread = thread::current().id();
    thread::scope(|scope| scope.spawn(|| told(thread)).join().unwrap())
}

fn told(thread: ThreadId) -> String {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(active) = active(thread) {
            return active.told().join(" > ");
        }
        assert!(Instant::now() < patience);
    }
}

#[test]
fn spans_are_nested() {
    with_default(&subscriber(), || {
        assert_eq!(seen(), "");
        let request = info_span!("request", id = 17, path = "/upload");
        let guard = request.enter();
        {
            let _parse = info_span!("parse", len = 4096_u64, r#type = ?Some("a\nb")).entered();
            assert_eq!(
                seen(),
                r#"request{id=17 path=/upload} > parse{len=4096 type=Some("a\nb")}"#
            );
        }
        assert_eq!(seen(), "request{id=17 path=/upload}");
        drop(guard);
        assert_eq!(seen(), "");
    });
}

#[test]
fn spans_may_overlap() {
    with_default(&subscriber(), || {
        let [a, b, c] = [info_span!("a"), info_span!("b"), info_span!("c")];
        let (in_a, in_b, in_c) = (a.enter(), b.enter(), c.enter());
        drop(in_a);
        assert_eq!(seen(), "b > c");
        let again = c.enter();
        drop(in_b);
        assert_eq!(seen(), "c > c");
        drop(in_c);
        drop(again);
        assert_eq!(seen(), "");
    });
}

#[test]
fn outermost_and_innermost_of_many_are_told() {
    with_default(&subscriber(), || {
        let mut entered = Vec::new();
        let mut enter = |to: usize| {
            while entered.len() < to {
                entered.push(info_span!("s", n = entered.len()).entered());
            }
        };
        let s = |range: std::ops::Range<usize>| {
            let spans: Vec<_> = range.map(|n| format!("s{{n={n}}}")).collect();
            spans.join(" > ")
        };
        enter(16);
        assert_eq!(seen(), s(0..16));
        enter(17);
        assert_eq!(seen(), format!("{} > … 1 more … > {}", s(0..8), s(9..17)));
        enter(70);
        let told = format!("{} > … 48 more … > {} > … 6 deeper", s(0..8), s(56..64));
        assert_eq!(seen(), told);
        // They are exited in order from here on.
        while let Some(innermost) = entered.pop() {
            drop(innermost);
            if entered.len() == 17 {
                assert_eq!(seen(), format!("{} > … 1 more … > {}", s(0..8), s(9..17)));
            }
        }
        assert_eq!(seen(), "");
    });
}

#[test]
fn fields_may_be_recorded_later() {
    with_default(&subscriber(), || {
        let span = info_span!("request", id = 1, user = field::Empty, code = field::Empty);
        let _entered = span.enter();
        assert_eq!(seen(), "request{id=1}");
        span.record("user", "ann");
        span.record("code", 200);
        assert_eq!(seen(), "request{id=1 user=ann code=200}");

        let empty = info_span!("empty", later = field::Empty).entered();
        empty.record("later", true);
        assert_eq!(
            seen(),
            "request{id=1 user=ann code=200} > empty{later=true}"
        );
    });
}

#[test]
fn long_values_are_cut() {
    with_default(&subscriber(), || {
        // 252 bytes are left, which is half an é too many.
        let long = "é".repeat(1000);
        let span = info_span!("s", a = 7, b = %long, c = 1, late = field::Empty);
        let _entered = span.enter();
        let told = format!("s{{a=7 b={}…}}", "é".repeat(125));
        assert_eq!(seen(), told);
        span.record("late", 1);
        assert_eq!(seen(), told);
    });
    with_default(&subscriber(), || {
        let span = info_span!("s", a = %"x".repeat(240), late = field::Empty);
        let _entered = span.enter();
        span.record("late", "0123456789");
        let told = format!("s{{a={} late=01234567…}}", "x".repeat(240));
        assert_eq!(seen(), told);
    });
}

#[test]
fn a_value_is_formatted_no_further_than_it_is_told() {
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("\u{9b}31m\n")?;
            }
        }
    }
    with_default(&subscriber(), || {
        let _entered = info_span!("s", endless = %Endless).entered();
        assert!(seen().starts_with("s{endless= 31m  31m "));
    });
}

#[test]
fn a_blocked_poll_is_told_from_another_thread() {
    let (blocked, blocks) = mpsc::channel();
    let (unblock, unblocked) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        with_default(&subscriber(), || {
            runtime.block_on(async {
                let other = async {
                    loop {
                        tokio::task::yield_now().await;
                    }
                };
                let other = tokio::spawn(other.instrument(info_span!("other")));
                let request = async move {
                    tokio::task::yield_now().await;
                    let _parse = info_span!("parse").entered();
                    blocked.send(thread::current()).unwrap();
                    unblocked.recv().unwrap();
                };
                let request = request.instrument(info_span!("request", id = 17));
                tokio::spawn(request).await.unwrap();
                assert_eq!(seen(), "");
                other.abort();
            });
        });
    });
    let worker: Thread = blocks.recv().unwrap();
    assert_eq!(told(worker.id()), "request{id=17} > parse");
    unblock.send(()).unwrap();
    thread.join().unwrap();
    assert_eq!(told(worker.id()), "");
}

#[test]
fn what_a_thread_leaves_is_handed_on() {
    let subscriber = subscriber();
    let before = with_default(&subscriber, || {
        thread::scope(|scope| {
            let subscriber = &subscriber;
            let ended = scope.spawn(move || {
                with_default(subscriber, || {
                    // It is never exited.
                    std::mem::forget(info_span!("left").entered());
                    assert_eq!(seen(), "left");
                    thread::current().id()
                })
            });
            ended.join().unwrap()
        })
    });
    assert_eq!(told(before), "");
    // Whether this thread gets the same or not.
    with_default(&subscriber, || {
        let _entered = info_span!("mine").entered();
        assert_eq!(seen(), "mine");
    });
}

#[test]
fn a_span_is_entered_at_a_threads_very_end() {
    struct AtTheEnd(Dispatch);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            with_default(&self.0, || {
                let span = info_span!("end");
                drop(span.enter());
                drop(span.entered());
            });
        }
    }
    thread_local! {
        static FIRST: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) };
    }
    let subscriber = subscriber();
    let ended = thread::spawn(move || {
        FIRST.with(|first| *first.borrow_mut() = Some(AtTheEnd(subscriber.clone())));
        with_default(&subscriber, || drop(info_span!("first").entered()));
        thread::current().id()
    });
    assert_eq!(told(ended.join().unwrap()), "");
}

#[test]
fn nothing_is_told_of_a_subscriber_that_is_gone() {
    let labels = {
        let layer = SpanLayer::new();
        let labels = Arc::downgrade(&layer.labels);
        let subscriber = Dispatch::new(registry().with(layer));
        with_default(&subscriber, || {
            let id = info_span!("gone").id().unwrap();
            // As of a guard that is forgotten, but without keeping the subscriber.
            subscriber.enter(&id);
            let _entered = info_span!("gone").entered();
            assert_eq!(seen(), "gone");
        });
        assert!(labels.upgrade().is_some());
        labels
    };
    assert!(labels.upgrade().is_none());
    assert_eq!(seen(), "");
    with_default(&subscriber(), || {
        let _entered = info_span!("new").entered();
        assert_eq!(seen(), "new");
    });
}

#[test]
fn subscribers_may_nest() {
    let all = [subscriber(), subscriber(), subscriber()];
    with_default(&all[0], || {
        let _a = info_span!("a").entered();
        with_default(&all[1], || {
            let _b = info_span!("b").entered();
            with_default(&all[2], || {
                let _c = info_span!("c").entered();
                assert_eq!(seen(), "a > b > c");
            });
            assert_eq!(seen(), "a > b");
        });
    });
    assert_eq!(seen(), "");
}

#[test]
fn filters_hide_spans() {
    let shown = SpanLayer::new().with_filter(filter_fn(|metadata| metadata.name() != "hidden"));
    let other = SpanLayer::new().with_filter(LevelFilter::OFF);
    with_default(&Dispatch::new(registry().with(shown).with(other)), || {
        let _a = info_span!("a").entered();
        let _hidden = info_span!("hidden").entered();
        let _b = info_span!("b").entered();
        assert_eq!(seen(), "a > b");
    });
}

#[test]
fn the_layer_may_be_reloaded() {
    let (layer, handle) = reload::Layer::new(Some(SpanLayer::new()));
    with_default(&Dispatch::new(registry().with(layer)), || {
        let older = info_span!("older").entered();
        assert_eq!(seen(), "older");
        handle.reload(None).unwrap();
        assert_eq!(seen(), "");
        let missed = info_span!("missed").entered();
        handle.reload(Some(SpanLayer::new())).unwrap();
        let newer = info_span!("newer").entered();
        drop(missed);
        drop(older);
        assert_eq!(seen(), "newer");
        drop(newer);
        assert_eq!(seen(), "");
    });
}

#[test]
fn what_is_closed_is_forgotten() {
    let layer = SpanLayer::new();
    let labels = Arc::clone(&layer.labels);
    with_default(&Dispatch::new(registry().with(layer)), || {
        let span = info_span!("s", a = 1);
        let id = span.id().unwrap().into_u64();
        assert!(matches!(labels.get(id), Lookup::Found(_)));
        drop(span);
        assert!(matches!(labels.get(id), Lookup::Absent));
    });
}

/// Each thread enters spans that name it, one inside of the other in order.
#[test]
fn what_is_told_is_of_one_thread_and_one_moment() {
    let subscriber = subscriber();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (sender, threads) = mpsc::channel();
        for number in 0..3_u64 {
            let (subscriber, done, sender) = (&subscriber, &done, sender.clone());
            scope.spawn(move || {
                sender.send((thread::current().id(), number)).unwrap();
                with_default(subscriber, || {
                    while !done.load(Ordering::Relaxed) {
                        let a = info_span!("a", number, depth = 0).entered();
                        let b = info_span!("b", number, depth = 1).entered();
                        let c = info_span!("c", number, depth = 2).entered();
                        drop(b);
                        drop(c);
                        drop(a);
                    }
                });
            });
        }
        drop(sender);
        let threads: Vec<_> = threads.iter().take(3).collect();
        let end = Instant::now() + Duration::from_millis(500);
        let mut told = 0;
        while Instant::now() < end {
            for (thread, number) in &threads {
                let Some(active) = active(*thread) else {
                    continue;
                };
                let mut names = String::new();
                for span in &active.spans {
                    names.push_str(span.name);
                    let depth = "abc".find(span.name).unwrap();
                    assert_eq!(span.fields, format!("number={number} depth={depth}"));
                }
                // A span that was closed since is absent.
                let entered = ["a", "ab", "abc", "ac"];
                let absent = ["", "b", "bc", "c"];
                assert!(entered.contains(&&*names) || absent.contains(&&*names));
                told += usize::from(!names.is_empty());
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(told > 0);
    });
}

/// `cargo test --release --features spans --lib spans::tests::costs -- --ignored --nocapture`
#[test]
#[ignore = "it measures"]
fn costs() {
    const TIMES: u32 = 500_000;
    let show = |what: &str, f: &dyn Fn() -> Box<dyn Fn()>| {
        // A registry without any layer frees no span.
        let bare = Dispatch::new(registry().with(Identity::new()));
        let subscribers = [bare, subscriber()];
        // In turn, so that both meet the same machine.
        let [without, with] = (0..21).fold([f64::MAX; 2], |best, _| {
            [0, 1].map(|n| {
                with_default(&subscribers[n], || {
                    let f = f();
                    let start = Instant::now();
                    (0..TIMES).for_each(|_| f());
                    let took = start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES);
                    took.min(best[n])
                })
            })
        });
        let (added, ratio) = (with - without, with / without);
        println!("{what:28}{without:8.1} ns {with:8.1} ns {added:+8.1} ns  x {ratio:.2}");
    };
    show("enter and exit", &|| {
        let span = info_span!("s");
        Box::new(move || drop(span.enter()))
    });
    show("enter and exit, in 4 others", &|| {
        let outer = [(); 4].map(|()| info_span!("s").entered());
        let span = info_span!("s");
        Box::new(move || {
            let _ = &outer;
            drop(span.enter());
        })
    });
    show("a span without fields", &|| {
        Box::new(|| drop(info_span!("s")))
    });
    show("a span with two fields", &|| {
        Box::new(|| drop(info_span!("s", id = 17, path = "/upload")))
    });
}
