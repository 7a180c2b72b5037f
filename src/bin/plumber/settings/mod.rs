//! Where settings come from: a flag, a variable of the environment, the project file.
//!
//! A setting has one name everywhere: `--max-stall`, `PLUMBER_MAX_STALL`, and `max-stall`
//! in a table of `plumber.toml`. Its value is written the same way, too, and read by the
//! same function.

mod file;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use tokio_plumber::check::{Allowed, Limits};
use tokio_plumber::{Address, AddressError};

pub(crate) use file::ProjectFile;

use crate::cli::{Attach, Check, Global, VerdictFormat};
use crate::exit::Failure;
use crate::remote::Target;
use crate::units;

const DEFAULT_INTERVAL: Duration = Duration::from_millis(200);
const DEFAULT_WATCH: Duration = Duration::from_secs(60);

/// The token itself. It is in no file of the project, which many can read.
const TOKEN: &str = "PLUMBER_TOKEN";

/// A setting that the project file may have.
struct Key {
    table: &'static str,
    name: &'static str,
    /// Whether a value is accepted.
    accepts: fn(&str) -> Result<(), String>,
    /// Whether it may be a list.
    many: bool,
}

const fn key(
    table: &'static str,
    name: &'static str,
    accepts: fn(&str) -> Result<(), String>,
) -> Key {
    Key {
        table,
        name,
        accepts,
        many: false,
    }
}

/// All of them.
const KEYS: [Key; 13] = [
    key("attach", "addr", |text| address(text).map(drop)),
    key("attach", "token-file", |text| path(text).map(drop)),
    key("attach", "interval", |text| units::interval(text).map(drop)),
    key("check", "for", |text| units::watch(text).map(drop)),
    key("check", "max-stall", |text| units::stall(text).map(drop)),
    key("check", "max-leaking-sites", |text| {
        units::sites(text).map(drop)
    }),
    key("check", "max-pending-growth", |text| {
        units::tasks_per_minute(text).map(drop)
    }),
    key("check", "max-retained-growth", |text| {
        units::bytes_per_minute(text).map(drop)
    }),
    Key {
        many: true,
        ..key("check", "allow", |text| units::allowed(text).map(drop))
    },
    key("check", "allow-restart", |text| {
        units::switch(text).map(drop)
    }),
    key("check", "fail-fast", |text| units::switch(text).map(drop)),
    key("check", "format", |text| format(text).map(drop)),
    key("check", "output", |text| path(text).map(drop)),
];

/// What is asked where no flag says anything.
pub(crate) struct Sources<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    file: Option<ProjectFile>,
}

/// How `check` goes about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckPlan {
    pub(crate) lasts: Duration,
    pub(crate) limits: Limits,
    pub(crate) fail_fast: bool,
    pub(crate) format: VerdictFormat,
    pub(crate) output: Option<PathBuf>,
}

impl<'a> Sources<'a> {
    /// The environment, and the project file of the directory `here` or one above it.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or anything in it is not accepted.
    pub(crate) fn read(
        variable: &'a dyn Fn(&str) -> Option<OsString>,
        here: &Path,
    ) -> Result<Self, Failure> {
        Ok(Self {
            variable,
            file: ProjectFile::find(here)?,
        })
    }

    /// What to attach to, and how.
    pub(crate) fn target(&self, args: &Attach, global: &Global) -> Result<Target, Failure> {
        let addr = self.one(args.addr.clone(), "attach", "addr", address)?;
        let interval = self.one(args.interval, "attach", "interval", units::interval)?;
        Ok(Target {
            address: addr.unwrap_or_default(),
            token: self.token(global)?,
            interval: interval.unwrap_or(DEFAULT_INTERVAL),
        })
    }

    /// What `check` is to do.
    pub(crate) fn check(&self, args: &Check) -> Result<CheckPlan, Failure> {
        let fail_fast = args.fail_fast.then_some(true);
        let fail_fast = self.one(fail_fast, "check", "fail-fast", units::switch)?;
        let lasts = self.one(args.lasts, "check", "for", units::watch)?;
        let format = self.one(args.format, "check", "format", format)?;
        Ok(CheckPlan {
            lasts: lasts.unwrap_or(DEFAULT_WATCH),
            limits: self.limits(args)?,
            fail_fast: fail_fast.unwrap_or(false),
            format: format.unwrap_or(VerdictFormat::Text),
            output: match &args.output {
                Some(output) => Some(output.clone()),
                None => self.path("check", "output")?,
            },
        })
    }

    fn limits(&self, args: &Check) -> Result<Limits, Failure> {
        let (sites, pending, retained) = (
            args.max_leaking_sites,
            args.max_pending_growth,
            args.max_retained_growth,
        );
        let (tasks, bytes) = (units::tasks_per_minute, units::bytes_per_minute);
        let mut limits = Limits::default();
        limits.max_stall = self.one(args.max_stall, "check", "max-stall", units::stall)?;
        limits.max_leaking_sites = self.one(sites, "check", "max-leaking-sites", units::sites)?;
        limits.max_pending_growth = self.one(pending, "check", "max-pending-growth", tasks)?;
        limits.max_retained_growth = self.one(retained, "check", "max-retained-growth", bytes)?;
        let restart = args.allow_restart.then_some(true);
        let restart = self.one(restart, "check", "allow-restart", units::switch)?;
        limits.allow_restart = restart.unwrap_or(false);
        limits.allow = match args.allow.as_slice() {
            [] => self.allow()?,
            given => given.to_vec(),
        };
        Ok(limits)
    }

    fn allow(&self) -> Result<Vec<Allowed>, Failure> {
        let given = self.values("check", "allow");
        let given = given.into_iter().flat_map(|given| match given.origin {
            // A place may have a comma, so a list in a file is one.
            Origin::Variable => given.split_at_commas(),
            Origin::File => vec![given],
        });
        given.map(|given| given.parsed(units::allowed)).collect()
    }

    /// `--token-file`, the token itself from the environment, or the files named elsewhere.
    fn token(&self, global: &Global) -> Result<Option<String>, Failure> {
        if let Some(file) = &global.token_file {
            return token_of(file).map(Some);
        }
        if let Some(token) = self.variable(TOKEN) {
            return sound_token(&token, TOKEN).map(Some);
        }
        let file = self.path("attach", "token-file")?;
        file.map(|file| token_of(&file)).transpose()
    }

    /// The value of a variable that is set to something.
    fn variable(&self, name: &str) -> Option<String> {
        let value = (self.variable)(name)?;
        let value = value.to_string_lossy().into_owned();
        (!value.trim().is_empty()).then_some(value)
    }

    /// What the flag says, else what other sources say.
    fn one<T>(
        &self,
        flag: Option<T>,
        table: &str,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        if flag.is_some() {
            return Ok(flag);
        }
        let given = self.values(table, name).into_iter().next();
        given.map(|given| given.parsed(parse)).transpose()
    }

    /// A path; one in the project file is meant from there.
    fn path(&self, table: &str, name: &str) -> Result<Option<PathBuf>, Failure> {
        let Some(given) = self.values(table, name).into_iter().next() else {
            return Ok(None);
        };
        let path = given.parsed(path)?;
        let folder = self.file.as_ref().map(ProjectFile::folder);
        Ok(Some(match (given.origin, folder) {
            (Origin::File, Some(folder)) => folder.join(path),
            _ => path,
        }))
    }

    /// What the environment says, else what the file says.
    fn values(&self, table: &str, name: &str) -> Vec<Given> {
        let variable = format!("PLUMBER_{}", name.replace('-', "_").to_uppercase());
        if let Some(text) = self.variable(&variable) {
            return vec![Given {
                text,
                whose: format!("{variable}="),
                origin: Origin::Variable,
            }];
        }
        let file = self.file.as_ref();
        file.map_or_else(Vec::new, |file| file.values(table, name))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Variable,
    File,
}

/// A value as it was written, and where.
#[derive(Clone, Debug)]
struct Given {
    text: String,
    /// What an error begins with: `PLUMBER_FOR=`, or `plumber.toml:3: [check] for = `.
    whose: String,
    origin: Origin,
}

impl Given {
    fn parsed<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
        parse(&self.text).map_err(|why| {
            let Self { text, whose, .. } = self;
            Failure::usage(format!("{whose}{text:?} is not accepted: {why}"))
        })
    }

    fn split_at_commas(&self) -> Vec<Self> {
        let parts = self.text.split(',');
        let parts = parts.map(|part| Self {
            text: part.trim().to_owned(),
            ..self.clone()
        });
        parts.collect()
    }
}

fn format(text: &str) -> Result<VerdictFormat, String> {
    VerdictFormat::from_str(text.trim(), false)
        .map_err(|_| "accepted is text, json, github or junit".to_owned())
}

fn path(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("accepted is the path of a file".to_owned()),
        path => Ok(path.into()),
    }
}

fn address(text: &str) -> Result<Address, String> {
    let error = |error: AddressError| error.to_string();
    text.parse().map_err(error)
}

fn token_of(file: &Path) -> Result<String, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read the token of {name}: {error}")))?;
    sound_token(&text, &name.to_string())
}

/// A token goes into a header of HTTP. It is not shown in an error.
fn sound_token(text: &str, whose: &str) -> Result<String, Failure> {
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::usage(format!(
            "the token of {whose} is not accepted: it must be one word of visible ASCII characters"
        )));
    }
    Ok(token.to_owned())
}
