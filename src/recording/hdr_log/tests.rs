//! Logs are read back by the crate that tools of the same format have, too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use proptest::prelude::*;

use super::*;
use crate::report::fixture;
use crate::snapshot::Flavor;

/// A poll as a test names it: worker, nanoseconds.
type Poll = (u32, u64);

/// The end of the bucket that a duration is in, as the probe lays them out.
fn upper(ns: u64) -> u64 {
    use crate::probe::latency::{bucket, upper_bound};
    upper_bound(bucket(ns))
}

/// The picture of second `second` after these polls.
fn picture(second: u64, polls: &[Poll]) -> Snapshot {
    let mut picture = fixture::full();
    picture.taken_at = Duration::from_secs(second);
    picture.process.started_unix_ms = 1_760_000_000_000;
    let mut worker = picture.workers[0].clone();
    worker.runtime = picture.runtimes[0].id;
    picture.runtimes[0].name = "my main,one".into();
    picture.runtimes[0].flavor = Flavor::MultiThread;
    picture.workers.clear();
    for index in 0..2 {
        let own = polls.iter().filter(|(of, _)| *of == index);
        let mut counts = BTreeMap::new();
        for (_, ns) in own.clone() {
            *counts.entry(upper(*ns)).or_insert(0) += 1;
        }
        worker.index = index;
        worker.polls = own.count() as u64;
        let bucket = |(upper, count)| LatencyBucket {
            upper: Duration::from_nanos(upper),
            count,
        };
        worker.poll_latency.buckets = counts.into_iter().map(bucket).collect();
        picture.workers.push(worker.clone());
    }
    picture
}

/// An interval of a log: tag, start, length, the longest in milliseconds, the polls.
type Interval = (String, Duration, Duration, f64, Histogram<u64>);

fn read(log: &[u8]) -> Vec<Interval> {
    let mut intervals = Vec::new();
    for entry in IntervalLogIterator::new(log) {
        if let LogEntry::Interval(interval) = entry.expect("a log") {
            let encoded = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let polls = Deserializer::new().deserialize(&mut &encoded[..]).unwrap();
            let tag = interval.tag().map_or("", |tag| tag.as_str());
            intervals.push((
                tag.to_owned(),
                interval.start_timestamp(),
                interval.duration(),
                interval.max(),
                polls,
            ));
        }
    }
    intervals
}

fn log(pictures: &[Snapshot]) -> (Logged, Vec<Interval>, String) {
    let mut bytes = Vec::new();
    let logged = hdr_log(pictures, Duration::from_secs(1), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    (logged, read(text.as_bytes()), text)
}

#[test]
fn an_interval_has_what_was_counted_in_it() {
    let before = vec![(0, 1_000), (1, 50)];
    let mut later = before.clone();
    later.extend([(0, 1_000), (0, 2_000_000)]);
    let pictures = [picture(5, &before), picture(7, &later), picture(8, &later)];
    let (logged, intervals, text) = log(&pictures);
    assert_eq!(
        logged,
        Logged {
            intervals: 2,
            polls: 2
        }
    );
    let told: Vec<_> = intervals
        .iter()
        .map(|(tag, start, length, _, polls)| {
            (&**tag, start.as_secs(), length.as_secs(), polls.len())
        })
        .collect();
    // The worker that did not poll has no histogram; all workers together always have.
    assert_eq!(
        told,
        [("", 0, 2, 2), ("my_main_one/0", 0, 2, 2), ("", 2, 1, 0)]
    );
    let (.., longest_ms, _) = intervals[0];
    assert!(
        (2.0..2.0 * 33.0 / 32.0).contains(&longest_ms),
        "{longest_ms}"
    );
    let expected = "#[Histogram log format version 1.3]\n\
                    #[Durations of polls in nanoseconds, the longest in milliseconds]\n\
                    #[StartTime: 1760000005.000 (seconds since epoch)]\n\
                    #[BaseTime: 1760000005.000 (seconds since epoch)]\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn pictures_that_are_close_make_one_interval() {
    let pictures: Vec<_> = (0..20_u64)
        .map(|at| {
            let polls: Vec<_> = (0..at).map(|_| (0, 70)).collect();
            let mut picture = picture(0, &polls);
            picture.taken_at = Duration::from_millis(at * 200);
            picture
        })
        .collect();
    let (logged, ..) = log(&pictures);
    assert_eq!(
        logged,
        Logged {
            intervals: 3,
            polls: 15
        }
    );
}

#[test]
fn a_process_that_was_started_again_starts_anew() {
    let many = vec![(0, 1_000); 9];
    let mut again = [picture(1, &many[..4]), picture(2, &many[..5])];
    for picture in &mut again {
        picture.process.started_unix_ms += 60_000;
    }
    let [first, second] = again;
    let (logged, intervals, _) = log(&[picture(7, &many), first, second]);
    assert_eq!(
        logged,
        Logged {
            intervals: 1,
            polls: 1
        }
    );
    assert_eq!(intervals[0].1, Duration::from_secs(54));
    // Counts that go down tell it, too.
    let (logged, ..) = log(&[picture(1, &many), picture(2, &many[..3]), picture(3, &many)]);
    assert_eq!(
        logged,
        Logged {
            intervals: 1,
            polls: 6
        }
    );
}

#[test]
fn without_pictures_there_is_no_log() {
    let (logged, _, text) = log(&[]);
    assert_eq!((logged, &*text), (Logged::default(), ""));
}

proptest! {
    #[test]
    fn quantiles_are_at_most_a_bucket_too_high(
        before in prop::collection::vec((0..2_u32, 0..20_000_000_000_u64), 0..40),
        during in prop::collection::vec((0..2_u32, 0..20_000_000_000_u64), 1..200),
    ) {
        let mut all = before.clone();
        all.extend(&during);
        let (logged, intervals, _) = log(&[picture(1, &before), picture(2, &all)]);
        prop_assert_eq!(logged.polls, during.len() as u64);
        let together: u64 = intervals[1..].iter().map(|(.., polls)| polls.len()).sum();
        prop_assert_eq!(together, logged.polls, "the workers' are all there are");
        let mut exact: Vec<u64> = during.iter().map(|(_, ns)| *ns).collect();
        exact.sort_unstable();
        let polls = &intervals[0].4;
        for (at, ns) in exact.iter().enumerate() {
            // In the middle of its share, where no rounding reaches the next one.
            let quantile = (at as f64 + 0.5) / exact.len() as f64;
            let read = polls.value_at_quantile(quantile);
            // A 32nd of the bucket, and a thousandth of the histogram's own.
            prop_assert!(read >= *ns && read <= ns + ns / 32 + ns / 500 + 1, "{} {}", ns, read);
        }
    }
}
