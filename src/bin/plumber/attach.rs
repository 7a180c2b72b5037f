//! `plumber attach`: the dashboard of another process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ColorChoice;
use tokio_plumber::dashboard::{self, Caveat, Exit, Options, Source};
use tokio_plumber::format::duration;
use tokio_plumber::snapshot::{Snapshot, TaskSelection};

use crate::cli::{Attach, Global, ReportFormat};
use crate::exit::{CLEAN, Failure, INTERRUPTED, TERMINATED};
use crate::remote::{Connect, Link, Remote};
use crate::settings::Sources;
use crate::snapshot;

/// Tasks in a report that takes the place of the dashboard.
const TASKS: usize = 20;

pub(crate) fn run(
    args: &Attach,
    global: &Global,
    sources: &Sources<'_>,
    connect: Connect<'_>,
    terminal: bool,
) -> Result<u8, Failure> {
    let target = sources.target(args, global)?;
    let remote = connect(&target)?;
    if !terminal {
        // There is nobody to press a key.
        return snapshot::print(&*remote, TASKS, ReportFormat::Text);
    }
    let attached = format!("attached to {}", target.address);
    let options = options(global.color).status(move || attached.clone());
    let live = Live {
        remote,
        looked: Instant::now(),
    };
    shown(dashboard::run(live, options))
}

/// The dashboard as the user wants it.
pub(crate) fn options(color: ColorChoice) -> Options {
    match color {
        ColorChoice::Auto => Options::new(),
        ColorChoice::Always => Options::new().coloured(true),
        ColorChoice::Never => Options::new().coloured(false),
    }
}

/// The exit code of the dashboard.
pub(crate) fn shown(ended: std::io::Result<Exit>) -> Result<u8, Failure> {
    let failure = |error| Failure::usage(format!("the dashboard cannot be shown: {error}"));
    ended.map(code).map_err(failure)
}

/// The process as the dashboard sees it.
struct Live {
    remote: Arc<dyn Remote>,
    /// When tasks were last looked at.
    looked: Instant,
}

/// The dashboard looks at tasks now and then; to ask for none in between would have all
/// of them sent again.
const LOOKED_AWAY: Duration = Duration::from_secs(2);

impl Source for Live {
    fn snapshot(&mut self, tasks: TaskSelection) -> Snapshot {
        let now = Instant::now();
        if tasks != TaskSelection::None {
            self.looked = now;
            self.remote.want(tasks);
        } else if now.saturating_duration_since(self.looked) >= LOOKED_AWAY {
            self.remote.want(tasks);
        }
        (*self.remote.latest()).clone()
    }

    fn caveat(&mut self) -> Option<Caveat> {
        caveat(&*self.remote, Instant::now())
    }
}

fn code(exit: Exit) -> u8 {
    match exit {
        Exit::Interrupted => INTERRUPTED,
        Exit::Terminated => TERMINATED,
        _ => CLEAN,
    }
}

/// That the connection is lost, so that the picture is old.
fn caveat(remote: &dyn Remote, now: Instant) -> Option<Caveat> {
    match remote.link() {
        Link::Down {
            since,
            why,
            retry_at,
        } => {
            let ago = coarse(now.saturating_duration_since(since));
            let retry = retry_at.saturating_duration_since(now);
            let retry = if retry.is_zero() {
                "trying again".to_owned()
            } else {
                format!("trying again in {}", coarse(retry))
            };
            let says = format!("the connection was lost {ago} ago, {retry}: {why}");
            Some(Caveat::new("NOT LIVE", says))
        }
        _ => None,
    }
}

/// A time in whole seconds: more digits would flicker.
fn coarse(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        _ => duration(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Step};

    #[test]
    fn a_lost_connection_is_told() {
        let fake = Fake::new(vec![Step::Picture(3), Step::Down]);
        fake.next(Duration::ZERO);
        assert_eq!(caveat(&fake, fake.now()), None);
        fake.next(Duration::ZERO);
        // It is a second later already.
        let says = "the connection was lost 1 s ago, trying again: the server closed it";
        assert_eq!(
            caveat(&fake, fake.now()),
            Some(Caveat::new("NOT LIVE", says))
        );
        let before = fake
            .now()
            .checked_sub(Duration::from_millis(500))
            .expect("a moment");
        let says = "the connection was lost 0 s ago, trying again in 0 s: the server closed it";
        assert_eq!(caveat(&fake, before), Some(Caveat::new("NOT LIVE", says)));
    }

    #[test]
    fn the_exit_code_says_who_ended_it() {
        let codes = [Exit::Quit, Exit::Interrupted, Exit::Terminated].map(code);
        assert_eq!(codes, [0, 130, 143]);
    }
}
