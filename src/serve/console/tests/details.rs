//! What a client is told of one task's polls.

use std::sync::Arc;
use std::time::Duration;

use console_api::tasks::task_details::PollTimesHistogram;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use tokio::sync::Notify;
use tonic::Code;

use super::*;

/// The counted polls, and the outlier.
fn polls(details: TaskDetails) -> Option<(Histogram<u64>, Option<u64>)> {
    let PollTimesHistogram::Histogram(histogram) = details.poll_times_histogram? else {
        panic!("the older form is not sent");
    };
    let raw = &mut histogram.raw_histogram.as_slice();
    let polls: Histogram<u64> = Deserializer::new().deserialize(raw).unwrap();
    assert_eq!(polls.max(), histogram.max_value);
    assert_eq!(
        u64::from(histogram.highest_outlier.is_some()),
        histogram.high_outliers
    );
    Some((polls, histogram.highest_outlier))
}

#[test]
fn a_tasks_polls_are_counted_while_somebody_looks() {
    const SLOW: Duration = Duration::from_millis(250);
    const SLOW_NS: u64 = 250_000_000;
    let world = World::new();
    let (wake, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (woken, stopped) = (Arc::clone(&wake), Arc::clone(&stop));
    let task = world.service.spawn(async move {
        std::thread::sleep(SLOW);
        let work = async {
            loop {
                woken.notified().await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stopped.notified() => {}
        }
    });
    let poll = |times: u64| {
        for _ in 0..times {
            wake.notify_one();
            world.settle();
        }
    };
    // Not polled yet: the client's panel stays blank.
    let mut early = world.details(id(&task)).unwrap();
    assert_eq!(polls(world.next(&mut early)), None);

    // Its first two polls are known without being counted.
    world.settle();
    poll(1);
    let mut details = world.details(id(&task)).unwrap();
    let first = world.next(&mut details);
    assert_eq!(first.task_id.unwrap().id, id(&task));
    assert!(first.now.is_some() && first.scheduled_times_histogram.is_none());
    let (known, outlier) = polls(first).unwrap();
    assert_eq!((known.len(), outlier), (2, None));
    assert!(known.max() >= SLOW_NS && known.min() < SLOW_NS);
    poll(5);
    let (known, _) = polls(world.next(&mut details)).unwrap();
    assert_eq!(known.len(), 7);
    assert_eq!(polls(world.next(&mut early)).unwrap().0.len(), 7);

    // Later only the longest of what was before is, as an outlier.
    let mut late = world.details(id(&task)).unwrap();
    assert_eq!(polls(world.next(&mut late)), None);
    poll(3);
    let (known, outlier) = polls(world.next(&mut late)).unwrap();
    assert_eq!(known.len(), 3);
    assert!(outlier.unwrap() >= SLOW_NS && known.max() < SLOW_NS);

    // A pause holds here, too, and the end of the task is the end of the stream.
    let mut states = world.states(1);
    world.next(&mut states);
    world.pause(1);
    assert!(world.is_quiet(&mut late));
    world.resume(1);
    stop.notify_one();
    world.settle();
    assert!(task.is_finished());
    for mut stream in [early, details, late] {
        assert!(world.server.block_on(stream.next()).is_none());
        assert!(world.server.block_on(stream.next()).is_none());
    }
    let refused = world.details(id(&task)).map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains(&id(&task).to_string()));
}
