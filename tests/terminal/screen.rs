//! A terminal with a program in it, and what it shows.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Far more than a busy machine needs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// See the [module](self).
pub(crate) struct Terminal {
    pub(crate) master: Box<dyn MasterPty + Send>,
    pub(crate) keys: Box<dyn Write + Send>,
    pub(crate) output: Receiver<Vec<u8>>,
    pub(crate) child: Box<dyn Child + Send + Sync>,
    screen: vt100::Parser,
}

impl Terminal {
    /// Runs a command. What it prints is read from `elsewhere`, if given.
    pub(crate) fn run(mut command: CommandBuilder, elsewhere: Option<Receiver<Vec<u8>>>) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        // Else our own end of it would keep it from going away.
        drop(pair.slave);
        let own = read_all(pair.master.try_clone_reader().unwrap());
        Self {
            keys: pair.master.take_writer().unwrap(),
            master: pair.master,
            output: elsewhere.unwrap_or(own),
            screen: vt100::Parser::new(cells(24), cells(80), 0),
            child,
        }
    }

    /// Waits until the screen is as `expected` wants it.
    #[track_caller]
    pub(crate) fn shows(&mut self, what: &str, expected: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LONG;
        while !expected(&self.contents()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(error) => panic!("{what} is not shown: {error}\n{}", self.contents()),
            }
        }
    }

    /// What the screen shows, as far as it was read.
    pub(crate) fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Whether a program has it, which would give it back at its end.
    pub(crate) fn is_taken(&self) -> bool {
        self.screen.screen().alternate_screen()
    }

    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.master.resize(size(rows, columns)).unwrap();
        let screen = self.screen.screen_mut();
        screen.set_size(cells(rows), cells(columns));
    }

    pub(crate) fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
    }

    /// Waits for the end of the program, and returns its exit code.
    pub(crate) fn exit_code(self) -> u32 {
        wait(self.child)
    }
}

/// Waits for the end of a program, and returns its exit code.
pub(crate) fn wait(mut child: Box<dyn Child + Send + Sync>) -> u32 {
    let (sender, receiver) = mpsc::channel();
    let mut killer = child.clone_killer();
    thread::spawn(move || sender.send(child.wait()));
    match receiver.recv_timeout(LONG) {
        Ok(ended) => ended.unwrap().exit_code(),
        Err(error) => {
            killer.kill().unwrap();
            panic!("the program does not end: {error}");
        }
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has cells")
}

pub(crate) fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        ..PtySize::default()
    }
}

/// Reads on a thread of its own: a terminal that nobody reads stops its programs. It
/// keeps the terminal open until something comes after the receiver is gone.
pub(crate) fn read_all(mut reader: Box<dyn Read + Send>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = reader.read(&mut bytes) {
            if sender.send(bytes[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}
