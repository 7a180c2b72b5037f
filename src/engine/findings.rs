//! What the lints found, as findings with a sentence each.

use std::time::Duration;

use super::Engine;
use super::verdict::Verdict;
use crate::format;
use crate::probe::sites::finding_site;
use crate::snapshot::{
    Evidence, Finding, Keeper, LeakEvidence, Lint, RetainedEvidence, SiteId, StallEvidence,
    ZombieEvidence,
};
use crate::stall;

/// Sites that leak, or did.
fn leaks(engine: &Engine) -> impl Iterator<Item = (SiteId, &Verdict<LeakEvidence>)> {
    engine
        .sites
        .iter()
        .enumerate()
        .filter_map(|(id, past)| Some((SiteId::at(id), past.leak()?)))
}

/// What a finding is about, among those of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Site(Lint, SiteId),
    /// The number of what stalls.
    Stall(u64),
}

/// All findings: ongoing ones first, leaks before stalls, the newest first.
pub(super) fn findings(engine: &Engine, now: Duration) -> Vec<(About, Finding)> {
    let stalls = stall::entries(now).into_iter().map(|entry| {
        let site = entry.evidence.sites.first();
        let finding = Finding {
            lint: Lint::StalledPoll,
            message: stall_message(&entry.evidence),
            place: entry.place,
            site: site.map(|site| site.site.clone()),
            first_seen: entry.first_seen,
            last_seen: entry.last_seen,
            ongoing: !entry.evidence.running.is_empty(),
            evidence: Evidence::Stall(entry.evidence),
        };
        (About::Stall(entry.number), finding)
    });
    let leaks = leaks(engine).map(|(site, leak)| {
        let evidence = leak.evidence.clone();
        finding(
            Lint::LeakingSite,
            site,
            leak,
            leak_message(&evidence),
            Evidence::Leak(evidence),
        )
    });
    let retained = retained(engine).map(|(site, retained)| {
        let evidence = &retained.evidence;
        let message = retained_message(evidence, retained.ongoing);
        finding(
            Lint::RetainedBytes,
            site,
            retained,
            message,
            Evidence::Retained(evidence.clone()),
        )
    });
    let zombies = zombies(engine).map(|(site, zombies)| {
        let evidence = &zombies.evidence;
        let message = zombie_message(evidence, zombies.ongoing);
        finding(
            Lint::ZombieTask,
            site,
            zombies,
            message,
            Evidence::Zombies(evidence.clone()),
        )
    });
    let findings = stalls.chain(leaks).chain(retained).chain(zombies);
    let mut findings: Vec<(About, Finding)> = findings.collect();
    findings.sort_by(|(_, a), (_, b)| {
        let key = |finding: &Finding| (!finding.ongoing, std::cmp::Reverse(finding.lint));
        let newest_first = b.first_seen.cmp(&a.first_seen);
        key(a)
            .cmp(&key(b))
            .then(newest_first)
            .then_with(|| a.place.cmp(&b.place))
    });
    findings
}

/// What is to be announced.
pub(super) fn found(engine: &Engine) -> impl Iterator<Item = About> {
    let stalls = stall::settled().into_iter().map(About::Stall);
    let leaks = leaks(engine).map(|(site, _)| About::Site(Lint::LeakingSite, site));
    // One that has ended is news if it comes back.
    let retained = retained(engine)
        .filter(|(_, verdict)| verdict.ongoing)
        .map(|(site, _)| About::Site(Lint::RetainedBytes, site));
    let zombies = zombies(engine)
        .filter(|(_, verdict)| verdict.ongoing)
        .map(|(site, _)| About::Site(Lint::ZombieTask, site));
    stalls.chain(leaks).chain(retained).chain(zombies)
}

/// Sites whose memory grows, or did, unless a leak of live tasks explains it.
fn retained(engine: &Engine) -> impl Iterator<Item = (SiteId, &Verdict<RetainedEvidence>)> {
    let leaks = |site: SiteId| {
        let past = engine.sites.get(site.0 as usize);
        past.and_then(|past| past.leak())
            .is_some_and(|leak| leak.ongoing)
    };
    engine.memory_past.sites().filter_map(move |(site, past)| {
        let retained = past.retained.as_ref()?;
        let explained = retained.evidence.keeper == Keeper::LiveTasks && leaks(site);
        (!explained).then_some((site, retained))
    })
}

/// Sites whose finished tasks pile up, or did.
fn zombies(engine: &Engine) -> impl Iterator<Item = (SiteId, &Verdict<ZombieEvidence>)> {
    let sites = engine.memory_past.sites();
    sites.filter_map(|(site, past)| Some((site, past.zombies.as_ref()?)))
}

fn finding<E>(
    lint: Lint,
    site: SiteId,
    verdict: &Verdict<E>,
    message: String,
    evidence: Evidence,
) -> (About, Finding) {
    let spawned = finding_site(site);
    let finding = Finding {
        lint,
        place: spawned.location.to_string(),
        message,
        site: Some(spawned),
        first_seen: verdict.first_seen,
        last_seen: verdict.last_seen,
        ongoing: verdict.ongoing,
        evidence,
    };
    (About::Site(lint, site), finding)
}

/// ```text
/// task 812 waits for the network (recvfrom) here and blocks the event loop for 1.20 s;
/// 14 stalls in all, the longest 1.20 s
///
/// a worker waited for the network (recvfrom) here: 14 stalls of the event loop, the
/// longest 1.20 s (task 812), 3.24 s in total
/// ```
fn stall_message(stall: &StallEvidence) -> String {
    let worst = format::duration(stall.worst);
    let stalls = |of| format::plural(stall.stalls, &format!("stall{of}"), &format!("stalls{of}"));
    let (here, spawned, in_task) = match (&stall.line, stall.sites.is_empty()) {
        (Some(_), _) => (" here", "", ""),
        (None, false) => ("", ", spawned here,", " in a task spawned here"),
        (None, true) => ("", "", " in block_on"),
    };
    let kind = stall.cause.kind;
    let call = stall.cause.syscall.as_ref();
    let call = call.map_or_else(String::new, |call| format!(" ({call})"));
    match stall.running.first() {
        Some(running) => format!(
            "{}{spawned} {}{call}{here} and blocks the event loop for {}; {} in all, the longest \
             {worst}",
            running
                .task
                .map_or_else(|| "block_on".to_owned(), |task| format!("task {task}")),
            kind.doing(),
            format::duration(running.running_for),
            stalls(""),
        ),
        None => format!(
            "a worker {}{call}{here}{in_task}: {}, the longest {worst}{}, {} in total",
            kind.did(),
            stalls(" of the event loop"),
            stall
                .worst_task
                .map_or_else(String::new, |task| format!(" (task {task})")),
            format::duration(stall.total),
        ),
    }
}

fn leak_message(leak: &LeakEvidence) -> String {
    let floors: Vec<String> = leak
        .floors
        .iter()
        .map(|floor| format::count(u64::from(*floor)))
        .collect();
    let over = leak.window * u32::try_from(leak.floors.len()).unwrap_or(u32::MAX);
    let bytes = leak.retained_bytes.map_or_else(String::new, |bytes| {
        format!(" and retain {}", format::bytes(bytes))
    });
    format!(
        "{} live tasks do not end{bytes}: in {} {} were spawned and {} finished; {} of the new \
         ones sit idle, {} with no parent left; floor {}",
        format::count(leak.live_tasks),
        format::duration(over),
        format::count(leak.spawned),
        format::count(leak.finished),
        format::count(leak.idle_tasks),
        format::count(leak.parent_finished),
        floors.join(" → "),
    )
}

fn retained_message(retained: &RetainedEvidence, ongoing: bool) -> String {
    let bytes = format::bytes(retained.retained_bytes);
    let span = retained.window * u32::try_from(retained.floors.len()).unwrap_or(u32::MAX);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It grows.
    let per_second = format::bytes(retained.growth as u64);
    let grew = format!("{per_second}/s more over {}", format::duration(span));
    let since = if ongoing {
        ""
    } else {
        "; it has stopped growing"
    };
    let tasks = |one: &str, many: &str| format::plural_or(retained.tasks, one, many);
    match retained.keeper {
        Keeper::OneTask => {
            let task = retained.examples.first();
            let task = task.map_or_else(String::new, |held| format!(" {}", held.task));
            format!("task{task} keeps growing: it retains {bytes}, {grew}{since}")
        }
        Keeper::LiveTasks => format!(
            "{} keep growing: they retain {bytes}, {grew}, which is not for being more{since}",
            tasks("live task", "live tasks")
        ),
        Keeper::FinishedTasks => format!(
            "{} left {bytes} behind, {grew}: what they allocated outlives them{since}",
            tasks("finished task", "finished tasks")
        ),
    }
}

fn zombie_message(zombies: &ZombieEvidence, ongoing: bool) -> String {
    let tasks = format::plural(zombies.zombies, "finished task", "finished tasks");
    let bytes = format::bytes(zombies.retained_bytes);
    let oldest = format::duration(zombies.oldest);
    if !ongoing {
        return format!("{tasks} were not freed and retained {bytes}; they are freed now");
    }
    format!(
        "{tasks} not freed, with {bytes}, and ever more: somebody keeps a JoinHandle or a JoinSet \
         that is not awaited, an AbortHandle or a waker; the first finished {oldest} ago"
    )
}
