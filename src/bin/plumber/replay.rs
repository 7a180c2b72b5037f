//! `plumber replay`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use tokio_plumber::dashboard;
use tokio_plumber::format::{duration, plural};
use tokio_plumber::recording::{Pictures, Playback, Reader, hdr_log};
use tokio_plumber::report;

use crate::attach::{options, shown};
use crate::cli::{Global, Replay};
use crate::exit::{CLEAN, Failure};
use crate::output::{self, New, complain};

/// The length of an interval in the log.
const INTERVAL: Duration = Duration::from_secs(1);

type Recording = Playback<File, Pictures>;

pub(crate) fn run(args: &Replay, global: &Global, terminal: bool) -> Result<u8, Failure> {
    let mut recording = open(&args.recording)?;
    if let Some(path) = &args.hdr_log {
        write_log(recording, New::create(path)?, path)?;
        return Ok(CLEAN);
    }
    if terminal {
        if let Some(at) = args.at {
            recording.seek(at);
            recording.play(false);
        }
        return shown(dashboard::run(recording, options(global.color)));
    }
    recording.seek(args.at.unwrap_or(Duration::MAX));
    tell_damage(&recording, &args.recording);
    output::print(&report::text(recording.picture()))?;
    Ok(CLEAN)
}

pub(crate) fn open(path: &Path) -> Result<Recording, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("{} cannot be shown: {why}", path.display()))
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let reader = Reader::open(file).map_err(|error| failed(&error))?;
    Playback::new(reader, Pictures::default()).map_err(|why| failed(&why))
}

/// Writes the poll latencies of all of it.
pub(crate) fn write_log(mut recording: Recording, log: New, path: &Path) -> Result<(), Failure> {
    let name = path.display();
    let failed = |error| Failure::usage(format!("cannot write to {name}: {error}"));
    let mut log = BufWriter::new(log.keep().map_err(failed)?);
    let written = hdr_log(recording.pictures(), INTERVAL, &mut log);
    let logged = written
        .and_then(|logged| log.flush().map(|()| logged))
        .map_err(failed)?;
    tell_damage(&recording, path);
    let intervals = plural(logged.intervals, "interval", "intervals");
    let polls = plural(logged.polls, "poll", "polls");
    let of = duration(recording.length());
    complain(&format!("{name}: {polls} in {intervals} of {of}"));
    Ok(())
}

/// What is not shown, on standard error.
fn tell_damage(recording: &Recording, path: &Path) {
    if let Some(damage) = recording.damage() {
        complain(&format!("{}: the recording is {damage}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_recording_is_named() {
        let path = std::env::temp_dir().join(format!("plumber-none-{}", std::process::id()));
        let error = |path: &Path| open(path).expect_err("no recording").message;
        assert!(error(&path).contains(" cannot be shown: "));
        std::fs::write(&path, "something else").expect("a file");
        let message = error(&path);
        assert!(
            message.ends_with("cannot be shown: the file is not a recording of plumber's"),
            "{message}"
        );
        std::fs::remove_file(&path).expect("it is ours");
    }
}
