//! What this build, platform or moment cannot measure, and why.

use super::Engine;
use crate::format;
use crate::heap::Accounting;
use crate::probe::registry::RuntimeEntry;
use crate::probe::sites::{MAX_SITES, SITES};
use crate::snapshot::{Flavor, NotMeasured};
use crate::stall;

/// The list, for a snapshot.
pub(super) fn not_measured(engine: &Engine) -> Vec<NotMeasured> {
    let mut list = List::default();
    list.add_tasks(engine);
    list.add_bytes(engine);
    list.add_judgements(engine);
    #[cfg(feature = "heap-profile")]
    if let Some(error) = engine.heap_profile_error {
        list.add("where live blocks were allocated", error.to_string());
    }
    for error in &engine.config_errors {
        list.add("a setting", format!("{error}; {}", error.instead()));
    }
    list.0
}

#[derive(Default)]
struct List(Vec<NotMeasured>);

impl List {
    fn add(&mut self, what: &str, why: impl Into<String>) {
        self.0.push(NotMeasured::new(what, why));
    }

    fn add_tasks(&mut self, engine: &Engine) {
        if cfg!(not(tokio_unstable)) {
            self.add(
                "tasks, polls, findings",
                "built without --cfg tokio_unstable, so Tokio has no task hooks; add it to \
                 rustflags",
            );
        } else if engine.sample.runtimes.is_empty() {
            self.add(
                "tasks, polls, findings",
                "no instrumented runtime was built yet",
            );
        } else {
            self.add(
                "the future given to block_on, and tasks of a LocalSet",
                "Tokio runs no task hooks for them; their stalls show on single-threaded \
                 runtimes of tokio_plumber::runtime",
            );
        }
        if engine.bare_runtimes > 0 {
            let runtimes = format::plural(engine.bare_runtimes, "runtime", "runtimes");
            self.add(
                "tasks of bare runtimes",
                format!(
                    "{runtimes} built with instrumentation switched off, by \
                     PLUMBER_INSTRUMENT=off or Builder::instrument(false)"
                ),
            );
        }
        if SITES.is_full() {
            let sites = MAX_SITES - 1;
            self.add(
                "some spawn sites",
                format!("more than {sites} were met; the others are counted together"),
            );
        }
    }

    fn add_bytes(&mut self, engine: &Engine) {
        match engine.memory.accounting {
            None => self.add(
                "retained bytes",
                "no allocator of this crate is installed; add #[global_allocator] static ALLOC: \
                 tokio_plumber::Alloc = tokio_plumber::Alloc::system();",
            ),
            Some(Accounting::Sampled) => self.add(
                "retained bytes of single tasks",
                "SampledAlloc estimates them too roughly; tokio_plumber::Alloc counts them",
            ),
            Some(Accounting::Exact) => {}
        }
        if engine.memory.accounting.is_some() && has_runtimes_by_hand(engine) {
            self.add(
                "blocking pools of runtimes instrumented by hand",
                "their builder does not tell which threads those are, so their bytes count as \
                 owned by no task; tokio_plumber::runtime::Builder tells",
            );
        }
    }

    fn add_judgements(&mut self, engine: &Engine) {
        if has_runtimes_by_hand(engine) {
            self.add(
                "block_in_place on runtimes instrumented by hand",
                "their builder does not tell which thread drives a worker, so it counts as a \
                 stall; tokio_plumber::runtime::Builder tells",
            );
        }
        self.add_stalls();
        if engine.no_thread {
            self.add(
                "findings and history",
                "the engine's thread could not be started; they are as of the last snapshots only",
            );
        } else if super::STARTED.get().is_none() && !engine.sample.runtimes.is_empty() {
            self.add(
                "findings and history",
                "all runtimes are those of leak tests, which judge on their own what is left",
            );
        }
    }
}

impl List {
    fn add_stalls(&mut self) {
        let condition = stall::condition();
        if condition.unjudged > 0 {
            let were = format::plural(condition.unjudged, "was", "were");
            self.add(
                "some slow polls",
                format!("{were} not judged, because the watchdog did not get to run in time"),
            );
        }
        let no_lines = condition.no_lines.map(ToOwned::to_owned);
        for why in condition.no_stacks.into_iter().chain(no_lines) {
            self.add("the lines of some stalls", why);
        }
        if condition.forgotten > 0 {
            let were = format::plural(condition.forgotten, "was", "were");
            self.add(
                "some stalls",
                format!("{were} forgotten, because more lines stall than are kept apart"),
            );
        }
        if condition.no_accounts {
            self.add(
                "time without a processor",
                "this system keeps no account of it; a stall is judged by the wall clock, and may \
                 be a busy machine's fault",
            );
        }
        if condition.no_thread {
            self.add("stalls", "the watchdog's threads could not be started");
        }
    }
}

fn has_runtimes_by_hand(engine: &Engine) -> bool {
    let by_hand = |runtime: &RuntimeEntry| {
        runtime.ended_at.is_none() && runtime.facts.flavor == Flavor::Unknown
    };
    engine.sample.runtimes.iter().any(by_hand)
}
