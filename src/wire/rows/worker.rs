use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Malformed;
use super::super::proto;
use super::super::table::Row;
use crate::snapshot::{
    CurrentPoll, LatencyBucket, PollLatency, RuntimeId, SiteId, TaskId, Worker, as_ns,
};

impl Row for proto::Worker {
    /// Its runtime and its index.
    type Key = (u32, u32);

    fn key(&self) -> (u32, u32) {
        let key = self.key.unwrap_or_default();
        (key.runtime, key.index)
    }

    fn since(&self, before: &Self) -> Self {
        let known: BTreeMap<u64, u64> = before.buckets.iter().map(pair).collect();
        let is_news =
            |bucket: &&proto::LatencyBucket| known.get(&bucket.upper) != Some(&bucket.count);
        Self {
            buckets: self.buckets.iter().filter(is_news).copied().collect(),
            thread_name: self.thread_name.clone(),
            decades: self.decades.clone(),
            ..*self
        }
    }

    /// Counts only go up, so no bucket is ever taken away.
    fn merge(&mut self, mut change: Self) {
        let mut buckets: BTreeMap<u64, u64> = self.buckets.iter().map(pair).collect();
        buckets.extend(change.buckets.iter().map(pair));
        let buckets = buckets.into_iter();
        change.buckets = buckets
            .map(|(upper, count)| proto::LatencyBucket { upper, count })
            .collect();
        *self = change;
    }
}

fn pair(bucket: &proto::LatencyBucket) -> (u64, u64) {
    (bucket.upper, bucket.count)
}

pub(in super::super) fn worker_to_wire(worker: &Worker, taken_at: Duration) -> proto::Worker {
    let latency = &worker.poll_latency;
    proto::Worker {
        key: Some(proto::WorkerKey {
            runtime: worker.runtime.0,
            index: worker.index,
        }),
        thread_name: worker.thread_name.clone(),
        tid: worker.tid,
        polls: worker.polls,
        busy: as_ns(worker.busy),
        current: worker.current.map(|poll| proto::CurrentPoll {
            task: poll.task.0,
            site: poll.site.0,
            since: as_ns(taken_at.saturating_sub(poll.running_for)),
        }),
        p50: as_ns(latency.p50),
        p90: as_ns(latency.p90),
        p99: as_ns(latency.p99),
        p999: as_ns(latency.p999),
        max: as_ns(latency.max),
        decades: latency.decades.to_vec(),
        buckets: latency
            .buckets
            .iter()
            .map(|bucket| proto::LatencyBucket {
                upper: as_ns(bucket.upper),
                count: bucket.count,
            })
            .collect(),
    }
}

pub(in super::super) fn worker_from_wire(
    worker: &proto::Worker,
    taken_at: Duration,
) -> Result<Worker, Malformed> {
    let key = worker
        .key
        .ok_or(Malformed::Nonsense("a worker without its key"))?;
    let decades = worker.decades.as_slice().try_into();
    Ok(Worker {
        runtime: RuntimeId(key.runtime),
        index: key.index,
        thread_name: worker.thread_name.clone(),
        tid: worker.tid,
        polls: worker.polls,
        busy: Duration::from_nanos(worker.busy),
        current: worker.current.map(|poll| CurrentPoll {
            task: TaskId(poll.task),
            site: SiteId(poll.site),
            running_for: taken_at.saturating_sub(Duration::from_nanos(poll.since)),
        }),
        poll_latency: PollLatency {
            p50: Duration::from_nanos(worker.p50),
            p90: Duration::from_nanos(worker.p90),
            p99: Duration::from_nanos(worker.p99),
            p999: Duration::from_nanos(worker.p999),
            max: Duration::from_nanos(worker.max),
            decades: decades.map_err(|_| Malformed::Nonsense("a histogram of another shape"))?,
            buckets: worker
                .buckets
                .iter()
                .map(|bucket| LatencyBucket {
                    upper: Duration::from_nanos(bucket.upper),
                    count: bucket.count,
                })
                .collect(),
        },
    })
}
