//! The `tracing` spans of a stalling poll tell one request from another.

use std::sync::mpsc;

use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::StallKind;
use tokio_plumber::spans::SpanLayer;
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::At;

const HERE: &str = "tests/stalls/spans.rs";

#[test]
fn spans_are_those_of_the_stalling_poll() {
    let subscriber = tracing_subscriber::registry().with(SpanLayer::new());
    let dispatch = tracing::Dispatch::new(subscriber);
    let theirs = dispatch.clone();
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(move || {
            // For the life of the thread.
            std::mem::forget(tracing::dispatcher::set_default(&theirs));
        })
        .build()
        .unwrap();
    let (send, received) = mpsc::channel();
    let line = line!() + 3;
    let handle = async move {
        let _parse = tracing::info_span!("parse", len = 4096).entered();
        received.recv().unwrap();
    };
    let span = tracing::dispatcher::with_default(&dispatch, || {
        tracing::info_span!("request", id = 17, path = "/upload")
    });
    let task = rt.spawn(handle.instrument(span));
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Wait],
    };
    let (_, stall) = at.eventually(HERE, |finding, _| finding.ongoing);
    let told = ["request{id=17 path=/upload}", "parse{len=4096}"];
    assert_eq!(stall.running[0].spans, told);
    assert_eq!(stall.stacks[0].spans, told);
    send.send(()).unwrap();
    rt.block_on(task).unwrap();
    // They are kept with the stack.
    let (_, stall) = at.eventually(HERE, |finding, _| !finding.ongoing);
    assert_eq!(stall.stacks[0].spans, told);
}
