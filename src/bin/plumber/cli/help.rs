//! Texts of `--help` that teach: examples, where settings come from, exit codes.

/// The heading of flags that every command has.
pub(super) const FOR_ALL: &str = "For all commands";

pub(super) const SETTINGS: &str = "\
Where settings come from, the first that has one:
  a flag                            --max-stall 50ms
  a variable of the environment     PLUMBER_MAX_STALL=50ms
  plumber.toml, in this directory   [check]
  or one above it                   max-stall = \"50ms\"
  the default";

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    all is well
  1    check found what the limits do not allow, baseline an entry that should go
  2    the command line, a PLUMBER_ variable, plumber.toml or a limit is wrong
  3    cannot attach, or what was asked could not be judged
  130  ctrl-c, before anything could be judged
  143  SIGTERM under the dashboard, or before a check was over";

pub(super) const EXAMPLES: &str = "\
Examples:
  plumber                         the dashboard of 127.0.0.1:6669, live
  plumber 6670                    the same on another port
  plumber snapshot --format json | jq '.findings[].place'
  plumber check --for 60s --max-stall 50ms
  plumber record -o night.plumb   and later: plumber replay night.plumb
  plumber explain leaking_site    what it means, and the cure

An address is a host and a port, a port alone, or unix:/run/service.sock. The process listens
if it was built with tokio-plumber's feature attach; one with console-subscriber works, too,
with what tokio-console's protocol knows.";

pub(super) const CHECK_HELP: &str = "\
Examples:
  plumber check --for 60s --max-stall 50ms
      fails if any poll holds its worker for longer
  plumber check --for 5m --max-pending-growth 100/min --max-retained-growth 1MiB/min
      fails if live tasks or memory keep growing
  plumber check --allow leaking_site=src/pool.rs --allow retained_bytes
      tolerates what is known
  plumber check --for 60s --format github
      annotates the lines of a pull request
  plumber check --for 60s --format junit -o target/plumber.xml

Only what happens during the watch counts, and only what is proven. Without --max-stall, any
stall fails; any other finding fails unless it is allowed. Growth is that of the floor from
third to third of the watch, so that load which comes and goes is none; it takes 20 s to judge.
A process that is restarted during the watch fails, too, unless --allow-restart is given.

Ctrl-c ends the watch, and what was seen so far is judged; a second one ends the command.
SIGTERM does, too, but acquits nothing: exit code 143.
A violation that was seen is one even if the connection is lost later on. Without one, a
connection that is lost at the end or for over half of the time is no acquittal: exit code 3.";

pub(super) const RECORD_HELP: &str = "\
Examples:
  plumber record -o night.plumb --interval 1s
  plumber record -o load.plumb --for 5m --hdr-log load.hlog
  plumber replay night.plumb --at 3h

Ctrl-c ends the recording. While the connection is lost there are no pictures, and it is tried
again. A recorder that is killed loses the picture that it is in, and no others. The interval
log is what HdrHistogram's own tools read: an interval a second, in nanoseconds.";

pub(super) const BASELINE_HELP: &str = "\
Examples:
  cargo test && plumber baseline
      fails if an entry of plumber.toml has expired, or no test needs it any more
  plumber baseline --format json | jq -r '.entries[] | select(.status != \"needed\") | .line'
      the lines of these entries

An entry allows one leak, or several, in leak tests: #[tokio::test(crate =
\"tokio_plumber::leaktest\")]. It looks so:
  [[leaktest.allow]]
  signature = \"pending_task src/pool.rs in pool::Pool::new\"   # * stands for anything
  reason = \"the reaper lives as long as the pool, #1234\"
  expires = 2027-01-31     # the last day; without it, for good
  tests = [\"pool::*\"]      # in these tests; without it, in all
PLUMBER_BLESS=1 cargo test adds an entry for each leak that is there and not allowed.

Each leak test leaves a report when it runs, and those are what is read: run all tests first.
Reports of tests that are gone stay; remove the folder, and run all tests, to forget them.

Exit codes:
  0    every entry is needed, or there is none
  1    an entry is not needed, or has expired
  2    the command line, plumber.toml or a report is wrong
  3    there are entries, and no reports to judge them by";
