use std::time::Duration;

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::report::fixture::full;
use crate::snapshot::{Finding, LatencyBucket, Snapshot, TaskState};

/// A fixture that could be a process's: what is sorted there is sorted here.
fn picture() -> Snapshot {
    let mut snapshot = full();
    snapshot.sites.sort_by(|a, b| a.location.cmp(&b.location));
    snapshot.tasks.sort_by_key(|task| task.id);
    snapshot.runtimes.sort_by_key(|runtime| runtime.id);
    snapshot
        .workers
        .sort_by_key(|worker| (worker.runtime, worker.index));
    snapshot
}

/// Sends `pictures` one after another and returns what arrives of the last.
fn sent(pictures: &[Snapshot]) -> (Vec<usize>, Snapshot) {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let mut sizes = Vec::new();
    for picture in pictures {
        let bytes = encoder.encode(picture).encode_to_vec();
        sizes.push(bytes.len());
        let update = proto::Update::decode(bytes.as_slice()).unwrap();
        decoder.apply(update).unwrap();
    }
    (sizes, decoder.snapshot().unwrap())
}

#[test]
fn a_picture_arrives_as_it_was_taken() {
    let picture = picture();
    assert_eq!(sent(std::slice::from_ref(&picture)).1, picture);
}

#[test]
fn what_does_not_change_is_not_sent_again() {
    let first = picture();
    let mut second = first.clone();
    second.taken_at += Duration::from_millis(200);
    let later = |for_: &mut Duration| *for_ += Duration::from_millis(200);
    for task in &mut second.tasks {
        let (TaskState::Running { since } | TaskState::Idle { since }) = &mut task.state;
        later(since);
    }
    let polls = second
        .workers
        .iter_mut()
        .filter_map(|worker| worker.current.as_mut());
    polls.for_each(|poll| later(&mut poll.running_for));
    for finding in &mut second.findings {
        if let crate::snapshot::Evidence::Stall(stall) = &mut finding.evidence {
            stall
                .running
                .iter_mut()
                .for_each(|running| later(&mut running.running_for));
        }
    }
    let (sizes, arrived) = sent(&[first, second.clone()]);
    assert_eq!(arrived, second);
    assert!(sizes[0] > 1_000 && sizes[1] < 40, "{sizes:?}");
}

#[test]
fn a_past_moves_on_by_its_new_points() {
    let first = picture();
    let mut second = first.clone();
    let site = &mut second.sites[0];
    site.history.remove(0);
    site.history.push(77);
    site.live_tasks = 77;
    second.process.history.remove(0);
    let (sizes, arrived) = sent(&[first, second.clone()]);
    assert_eq!(arrived, second);
    assert!(sizes[1] < sizes[0] / 4, "{sizes:?}");
}

#[test]
fn a_histogram_arrives_by_the_buckets_that_changed() {
    let first = picture();
    let mut second = first.clone();
    let worker = &mut second.workers[0];
    let polls: u64 = worker.poll_latency.buckets.iter().map(|it| it.count).sum();
    assert!(polls > 0);
    worker.polls += 9;
    worker.current = None;
    worker.poll_latency.buckets[0].count += 8;
    worker.poll_latency.buckets.push(LatencyBucket {
        upper: Duration::from_secs(3),
        count: 1,
    });
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    decoder.apply(encoder.encode(&first)).unwrap();
    let change = encoder.encode(&second);
    assert_eq!(change.workers.len(), 1);
    assert_eq!(change.workers[0].buckets.len(), 2);
    decoder.apply(change).unwrap();
    assert_eq!(decoder.snapshot().unwrap(), second);
}

#[test]
fn another_version_is_not_read() {
    let mut update = Encoder::default().encode(&picture());
    update.server.as_mut().unwrap().protocol = PROTOCOL + 1;
    let error = Decoder::default().apply(update).unwrap_err().to_string();
    let expected = "a message of version 2 of the protocol, and tokio-plumber ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn more_rows_than_there_can_be_are_refused() {
    let mut update = Encoder::default().encode(&picture());
    let runtime = update.runtimes[0].clone();
    let many = 0..200_000;
    update.runtimes = many
        .map(|id| proto::Runtime {
            id,
            ..runtime.clone()
        })
        .collect();
    assert!(Decoder::default().apply(update).is_err());
}

#[test]
fn what_is_gone_is_gone_and_may_come_back() {
    let first = picture();
    let mut second = first.clone();
    second.tasks.clear();
    second.findings.remove(0);
    second.workers.pop();
    second.runtimes.pop();
    second.sites.pop();
    second.not_measured.clear();
    assert_eq!(sent(&[first.clone(), second.clone()]).1, second);
    assert_eq!(sent(&[first.clone(), second, first.clone()]).1, first);
}

#[test]
fn a_change_without_its_picture_is_refused() {
    let error = Decoder::default().apply(proto::Update::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("it changes a picture that was never sent"),
        "{error}"
    );
}

#[test]
fn a_lint_from_the_future_is_left_out_and_said() {
    let mut update = Encoder::default().encode(&picture());
    update.findings[0].lint = "time_travel".to_owned();
    let mut decoder = Decoder::default();
    decoder.apply(update).unwrap();
    let snapshot = decoder.snapshot().unwrap();
    assert_eq!(snapshot.findings.len(), picture().findings.len() - 1);
    let why = &snapshot.not_measured.last().unwrap().why;
    assert!(
        why.starts_with("1 finding of lints that this version does not know, such as time_travel")
    );
}

#[test]
fn what_is_asked_for_stays_within_bounds() {
    for (asked, given) in [
        (TaskSelection::None, TaskSelection::None),
        (TaskSelection::Oldest(7), TaskSelection::Oldest(7)),
        (
            TaskSelection::Oldest(usize::MAX),
            TaskSelection::Oldest(MAX_TASKS),
        ),
        (
            TaskSelection::OfSite(SiteId(3), 500),
            TaskSelection::OfSite(SiteId(3), 500),
        ),
    ] {
        assert_eq!(selection_from_wire(Some(selection_to_wire(asked))), given);
    }
    assert_eq!(selection_from_wire(None), TaskSelection::None);
}

/// Findings by number of a fixed set, in any order, with any of them left out.
fn findings() -> impl Strategy<Value = Vec<Finding>> {
    let all = picture().findings;
    let most = all.len();
    prop::sample::subsequence(all, 0..=most).prop_shuffle()
}

fn pictures() -> impl Strategy<Value = Snapshot> {
    let histories = (prop::collection::vec(any::<u32>(), 0..5), any::<u64>());
    (findings(), 0..3_usize, 0..3_usize, histories).prop_map(|(findings, tasks, sites, past)| {
        let mut picture = picture();
        picture.findings = findings;
        picture.tasks.truncate(tasks);
        picture.sites.truncate(sites);
        for site in &mut picture.sites {
            site.history.clone_from(&past.0);
            site.retained_history = past.0.iter().map(|it| u64::from(*it)).collect();
            site.polls = past.1;
        }
        picture
    })
}

proptest! {
    #[test]
    fn the_last_of_any_pictures_arrives(pictures in prop::collection::vec(pictures(), 1..8)) {
        prop_assert_eq!(&sent(&pictures).1, pictures.last().unwrap());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, flips: Vec<(u16, u8)>) {
        let mut good = Encoder::default().encode(&picture()).encode_to_vec();
        for (at, with) in flips {
            let at = usize::from(at) % good.len();
            good[at] ^= with;
        }
        for bytes in [bytes, good] {
            let mut decoder = Decoder::default();
            if let Ok(update) = proto::Update::decode(bytes.as_slice())
                && decoder.apply(update).is_ok()
            {
                let _ = decoder.snapshot();
            }
        }
    }
}
