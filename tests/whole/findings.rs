//! Findings on real runtimes: seen while they last, said once.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::{Evidence, Finding, Lint, Snapshot, StallEvidence, TaskSelection};
use tracing::field::{Field, Visit};

use crate::{PATIENCE, eventually};

/// A stall of this length is one on any machine.
const PLAINLY: Duration = Duration::from_millis(300);

/// Stalls of tasks that this line of this file spawned.
fn stalls_at(snapshot: &Snapshot, line: u32) -> impl Iterator<Item = (&Finding, &StallEvidence)> {
    let about = snapshot
        .findings
        .iter()
        .filter(move |finding| finding.lint == Lint::StalledPoll && is_at(finding, line));
    about.filter_map(|finding| match &finding.evidence {
        Evidence::Stall(stall) => Some((finding, stall)),
        _ => None,
    })
}

/// The first of them that is as wanted.
fn stall_at(
    snapshot: &Snapshot,
    line: u32,
    wanted: impl Fn(&Finding, &StallEvidence) -> bool,
) -> Option<(Finding, StallEvidence)> {
    let mut stalls = stalls_at(snapshot, line);
    let found = stalls.find(|(finding, stall)| wanted(finding, stall));
    found.map(|(finding, stall)| (finding.clone(), stall.clone()))
}

/// Whether it is about tasks that this line of this file spawned.
fn is_at(finding: &Finding, line: u32) -> bool {
    let site = finding.site.as_ref();
    site.is_some_and(|site| {
        site.location.line == line && site.location.file.ends_with("findings.rs")
    })
}

#[test]
fn a_stall_shows_while_every_worker_is_frozen() {
    let log = Log::install();
    let rt = Builder::new_multi_thread()
        .worker_threads(2)
        .name("frozen")
        .build()
        .unwrap();
    let mut releases = Vec::new();
    let mut line = 0;
    for _ in 0..2 {
        let (release, blocked) = mpsc::channel::<()>();
        releases.push(release);
        line = line!() + 1;
        rt.spawn(async move {
            let _ = blocked.recv_timeout(PATIENCE);
        });
    }
    let (finding, stall) = eventually(TaskSelection::None, |snapshot| {
        stall_at(snapshot, line, |_, stall| {
            // Long enough that no wait for a processor can outweigh it.
            let running = stall.running.iter();
            let plain = running.filter(|it| it.running_for > PLAINLY);
            plain.count() == 2
        })
    });
    assert!(finding.ongoing);
    assert_eq!(stall.stalls, 2);
    assert!(stall.worst >= stall.threshold);
    // Crossing to showing takes about half a threshold; a starved machine may
    // take longer.
    let started = finding
        .last_seen
        .saturating_sub(stall.running[0].running_for);
    let shown_after = finding.first_seen.saturating_sub(started);
    assert!(shown_after < Duration::from_secs(5), "{shown_after:?}");
    drop(releases);
    let (finding, stall) = eventually(TaskSelection::None, |snapshot| {
        stall_at(snapshot, line, |finding, stall| {
            !finding.ongoing && stall.stalls == 2
        })
    });
    assert!(stall.total >= stall.worst);
    drop(rt);
    // Many ticks have passed; the log has it once.
    let said = log.said_once(&finding.place);
    assert!(said.contains("lint=stalled_poll"), "{said}");
}

#[test]
fn block_in_place_stalls_nobody() {
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .name("in-place")
        .enable_all()
        .build();
    let rt = rt.unwrap();
    let line = line!() + 1;
    let task = rt.spawn(async {
        tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(200)));
    });
    rt.block_on(task).unwrap();
    // The end of the poll is booked after the joiner was told.
    let snapshot = eventually(TaskSelection::None, |snapshot| {
        let site = snapshot
            .sites
            .iter()
            .find(|site| site.location.line == line && site.location.file.ends_with("findings.rs"));
        (site?.slow_polls == 1).then(|| snapshot.clone())
    });
    assert_eq!(stalls_at(&snapshot, line).count(), 0);
}

#[test]
fn without_a_threshold_nothing_stalls() {
    let rt = Builder::new_current_thread()
        .name("no-threshold")
        .stall_threshold(None)
        .build()
        .unwrap();
    let line = line!() + 1;
    let task = rt.spawn(async { std::thread::sleep(Duration::from_millis(100)) });
    rt.block_on(task).unwrap();
    let (snapshot, site) = eventually(TaskSelection::None, |snapshot| {
        let site = snapshot.sites.iter().find(|site| {
            site.location.line == line && site.location.file.ends_with("findings.rs")
        })?;
        (site.polls == 1).then(|| (snapshot.clone(), site.clone()))
    });
    assert_eq!(stalls_at(&snapshot, line).count(), 0);
    assert_eq!(site.slow_polls, 0);
    assert!(site.longest_poll >= Duration::from_millis(100));
}

#[test]
fn a_leaking_site_is_found_and_forgiven() {
    let log = Log::install();
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .name("leaking")
        .enable_all()
        .build();
    let rt = rt.unwrap();
    let (keep, kept) = tokio::sync::watch::channel(());
    let (line_of_leak, line_of_cure) = (line!() + 8, line!() + 12);
    let leaking = rt.spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let mut kept = kept.clone();
            // Its parent ends at once, so nobody is left to wait for it.
            tokio::spawn(async move {
                tokio::spawn(async move { kept.changed().await });
            });
            // The same load without the leak.
            tokio::spawn(async {
                tokio::spawn(async { tokio::time::sleep(Duration::from_millis(20)).await });
            });
        }
    });
    let leak_at = |snapshot: &Snapshot, line| {
        let finding = snapshot
            .findings
            .iter()
            .find(|finding| finding.lint == Lint::LeakingSite && is_at(finding, line));
        finding.cloned()
    };
    let finding = eventually(TaskSelection::None, |snapshot| {
        leak_at(snapshot, line_of_leak)
    });
    let Evidence::Leak(evidence) = &finding.evidence else {
        panic!("{finding:?}")
    };
    assert!(finding.ongoing);
    assert!(evidence.floors.is_sorted() && evidence.floors.len() >= 4);
    assert_eq!(evidence.finished, 0);
    assert!(evidence.parent_finished * 2 >= evidence.idle_tasks);
    assert!(!evidence.examples.is_empty());
    leaking.abort();
    keep.send(()).unwrap();
    eventually(TaskSelection::None, |snapshot| {
        leak_at(snapshot, line_of_leak).filter(|finding| !finding.ongoing)
    });
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    assert!(leak_at(&snapshot, line_of_cure).is_none());
    log.said_once(&finding.place);
}

/// A subscriber that keeps what the probe logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The one log of this process.
    fn install() -> Self {
        static LOG: std::sync::OnceLock<Log> = std::sync::OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            tracing::subscriber::set_global_default(log.clone()).unwrap();
            log
        });
        log.clone()
    }

    /// The line about a site, once it is there; there must not be two.
    #[track_caller]
    fn said_once(&self, site: &str) -> String {
        eventually(TaskSelection::None, |_| {
            let lines = self.0.lock().unwrap();
            let mut about = lines.iter().filter(|line| line.contains(site));
            let said = about.next()?;
            assert_eq!(about.next(), None);
            Some(said.clone())
        })
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "tokio_plumber"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        // A subscriber may do anything, such as this.
        let _ = tokio_plumber::snapshot(TaskSelection::None);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, "{field}={value} ");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}
