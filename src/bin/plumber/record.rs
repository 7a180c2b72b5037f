//! `plumber record`.

use std::io::{self, IsTerminal, Write, stderr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_plumber::format::{bytes, duration, plural};
use tokio_plumber::recording::{Header, Recorder};
use tokio_plumber::snapshot::TaskSelection;

use crate::cli::{Global, Record};
use crate::exit::{CLEAN, Failure};
use crate::interrupt::Interrupt;
use crate::output::{New, complain};
use crate::progress::{Progress, about};
use crate::remote::{Connect, LOOK_AROUND, Link, Remote, Target};
use crate::replay;
use crate::settings::Sources;

pub(crate) fn run(
    args: &Record,
    global: &Global,
    sources: &Sources<'_>,
    connect: Connect<'_>,
) -> Result<u8, Failure> {
    let target = sources.target(&args.attach, global)?;
    let remote = connect(&target)?;
    remote.want(TaskSelection::Oldest(args.tasks));
    // Only now: one that cannot attach leaves no file behind.
    let name = args.output.display();
    let log = args.hdr_log.as_deref().map(New::create).transpose()?;
    let file = New::create(&args.output)?;
    let failed = |error: io::Error| Failure::usage(format!("cannot write to {name}: {error}"));
    let recorder = Recorder::new(file.keep().map_err(failed)?, &header(&target, &*remote));
    let mut recorder = recorder.map_err(failed)?;
    let interrupt = Interrupt::listen()?;
    let recording = Recording {
        remote: &*remote,
        lasts: args.lasts,
        now: &Instant::now,
        stopped: &|| interrupt.came(),
    };
    let mut out = stderr();
    let terminal = out.is_terminal();
    let ended = recording.run(&mut recorder, &mut Progress::new(&mut out, terminal));
    complain(&format!("{name}: {}", summary(&recorder)));
    if let Link::Down { why, .. } = remote.link() {
        complain(&format!(
            "{name}: it ends where the connection was lost: {why}"
        ));
    }
    ended.map_err(failed)?;
    if let (Some(log), Some(path)) = (log, &args.hdr_log) {
        replay::write_log(replay::open(&args.output)?, log, path)?;
    }
    Ok(CLEAN)
}

fn header(target: &Target, remote: &dyn Remote) -> Header {
    let process = &remote.latest().process;
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Header {
        recorded_unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        address: target.address.to_string(),
        process: process.name.clone(),
        pid: process.pid,
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// `240 pictures over 1 m 00 s, 1.20 MiB`
fn summary<W: Write>(recorder: &Recorder<W>) -> String {
    let writer = recorder.writer();
    format!(
        "{} over {}, {}",
        plural(writer.frames(), "picture", "pictures"),
        duration(writer.length()),
        bytes(writer.bytes())
    )
}

/// How to record.
struct Recording<'a> {
    remote: &'a dyn Remote,
    lasts: Option<Duration>,
    now: &'a dyn Fn() -> Instant,
    stopped: &'a dyn Fn() -> bool,
}

impl Recording<'_> {
    /// Records until the time is over or the user ends it.
    fn run<W: Write>(
        &self,
        recorder: &mut Recorder<W>,
        progress: &mut Progress<'_>,
    ) -> io::Result<()> {
        let start = (self.now)();
        let first = self.remote.latest();
        recorder.record(Duration::ZERO, &first)?;
        loop {
            let passed = (self.now)().saturating_duration_since(start);
            let left = self.lasts.map(|lasts| lasts.saturating_sub(passed));
            if left.is_some_and(|left| left.is_zero()) || (self.stopped)() {
                break;
            }
            let wait = left.map_or(LOOK_AROUND, |left| left.min(LOOK_AROUND));
            let says = match self.remote.next(wait) {
                // It is written already.
                Some(picture) if Arc::ptr_eq(&picture, &first) => continue,
                Some(picture) => {
                    let at = (self.now)().saturating_duration_since(start);
                    recorder.record(at, &picture)?;
                    about(&picture)
                }
                None => match self.remote.link() {
                    Link::Down { why, .. } => format!("no connection: {why}"),
                    _ => continue,
                },
            };
            progress.show((self.now)(), &format!("{}: {says}", summary(recorder)));
        }
        progress.end();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, sink};

    use tokio_plumber::recording::{Pictures, Playback, Reader};

    use super::*;
    use crate::fake::{Fake, Step};

    const SECOND: Duration = Duration::from_secs(1);

    fn recorded(steps: Vec<Step>, lasts: Option<Duration>, stop: usize) -> Vec<u8> {
        let fake = Fake::new(steps);
        let recording = Recording {
            remote: &fake,
            lasts,
            now: &|| fake.now(),
            stopped: &|| fake.taken() >= stop,
        };
        let mut file = Vec::new();
        let mut recorder = Recorder::new(&mut file, &Header::default()).expect("a vector");
        recording
            .run(&mut recorder, &mut Progress::new(&mut sink(), false))
            .expect("a vector");
        file
    }

    /// When there are pictures, and with how many live tasks.
    fn played(file: Vec<u8>) -> Vec<(u64, u64)> {
        let reader = Reader::open(Cursor::new(file)).expect("a recording");
        let times: Vec<_> = reader.entries().iter().map(|it| it.at.as_secs()).collect();
        let mut playback = Playback::new(reader, Pictures::default()).expect("pictures");
        let live = playback.pictures().map(|it| it.process.live_tasks);
        times.into_iter().zip(live.collect::<Vec<_>>()).collect()
    }

    #[test]
    fn it_records_for_its_time_and_over_gaps() {
        let steps = vec![
            Step::Picture(10),
            Step::Down,
            Step::Down,
            Step::Picture(20),
            Step::Picture(30),
        ];
        let all = played(recorded(steps.clone(), Some(60 * SECOND), 99));
        assert_eq!(all, [(0, 3), (1, 10), (4, 20), (5, 30)]);
        let some = played(recorded(steps.clone(), Some(4 * SECOND), 99));
        assert_eq!(some, [(0, 3), (1, 10), (4, 20)]);
        let ended = played(recorded(steps, None, 1));
        assert_eq!(ended, [(0, 3), (1, 10)]);
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let path = std::env::temp_dir().join(format!("plumber-there-{}", std::process::id()));
        std::fs::write(&path, "precious").expect("a file");
        let error = New::create(&path).expect_err("it is there").message;
        assert!(error.ends_with("is there already: remove it, or name another file"));
        assert_eq!(std::fs::read(&path).expect("a file"), b"precious");
        std::fs::remove_file(&path).expect("it is ours");
        let error =
            New::create(std::path::Path::new("no/such/folder/a.plumb")).expect_err("no folder");
        assert!(
            error
                .message
                .starts_with("cannot write to no/such/folder/a.plumb: ")
        );
    }
}
