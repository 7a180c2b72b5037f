//! Sets the probe's hooks on a builder of Tokio's.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::engine;
#[cfg(tokio_unstable)]
use crate::probe::hooks::{self, UserHooks, UserThreadHooks};
use crate::probe::recorder::Recorder;
use crate::probe::registry::RuntimeFacts;
use crate::stall::{self, Warming};

/// Instruments the runtimes that `builder` builds from now on.
///
/// They share one entry in reports, under the name `rtN`; use
/// [`Instrument`] to name it. This sets all four task hooks of the builder, and
/// replaces hooks that were set before: hooks of your own go through
/// [`Builder`](super::Builder), which runs both. Set afterwards, they replace the probe's.
///
/// Tokio's builder does not tell which threads drive its workers, so a long
/// `block_in_place` on such a runtime counts as a stall; with [`Builder`](super::Builder) it
/// does not.
///
/// ```
/// let mut builder = tokio::runtime::Builder::new_current_thread();
/// tokio_plumber::instrument(&mut builder);
/// let runtime = builder.build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn instrument(builder: &mut tokio::runtime::Builder) {
    Instrument::new().install(builder);
}

/// How a runtime built by hand is instrumented; [`instrument`] takes the
/// defaults.
#[derive(Clone, Debug, Default)]
pub struct Instrument {
    name: Option<String>,
    config: Config,
}

impl Instrument {
    /// The defaults; environment variables override what is set here.
    pub fn new() -> Self {
        Self::default()
    }

    /// The runtime's name in reports.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A poll longer than this is a stall; `None` looks for none.
    #[must_use]
    pub fn stall_threshold(mut self, threshold: Option<Duration>) -> Self {
        self.config.stall_threshold = threshold;
        self
    }

    /// Profiles the heap of the process, with so many bytes between two samples on
    /// average; `None` does not. See [`heap_profile`](crate::heap_profile).
    #[cfg(feature = "heap-profile")]
    #[must_use]
    pub fn heap_profile(mut self, interval: Option<u64>) -> Self {
        self.config.heap_profile = interval;
        self
    }

    /// Where the process can be attached to, and by whom, if this is its first runtime.
    /// See [`serve`](crate::serve).
    #[cfg(feature = "attach")]
    #[must_use]
    pub fn serve(mut self, settings: crate::serve::Settings) -> Self {
        self.config.serve = settings;
        self
    }

    /// Sets the probe's hooks on `builder`; see [`instrument`].
    pub fn install(self, builder: &mut tokio::runtime::Builder) {
        let facts = RuntimeFacts {
            name: self.name,
            ..RuntimeFacts::default()
        };
        #[cfg(tokio_unstable)]
        install(
            builder,
            self.config,
            facts,
            Purpose::Program,
            &UserHooks::default(),
            &UserThreadHooks::default(),
        );
        #[cfg(not(tokio_unstable))]
        install(builder, self.config, facts, Purpose::Program);
    }
}

/// Sets the hooks, unless the configuration says otherwise.
pub(super) fn install(
    builder: &mut tokio::runtime::Builder,
    config: Config,
    mut facts: RuntimeFacts,
    purpose: Purpose,
    #[cfg(tokio_unstable)] user: &UserHooks,
    #[cfg(tokio_unstable)] user_threads: &UserThreadHooks,
) -> Option<Arc<Recorder>> {
    let (config, errors) = config.overridden(|name| std::env::var_os(name));
    engine::note_config_errors(errors);
    #[cfg(feature = "heap-profile")]
    if let Some(interval) = config.heap_profile {
        engine::note_heap_profile(crate::heap_profile::start(interval));
    }
    if !config.instrument {
        engine::note_bare_runtime();
        #[cfg(tokio_unstable)]
        {
            hooks::install_user(builder, user);
            hooks::install_parking(builder, None, user_threads);
        }
        return None;
    }
    facts.stall_threshold = config.stall_threshold;
    #[cfg(tokio_unstable)]
    let single_threaded = facts.flavor.is_single_threaded();
    let recorder = Arc::new(Recorder::new(facts));
    #[cfg(tokio_unstable)]
    {
        hooks::install(builder, &recorder, user);
        let parks = Some(&recorder).filter(|_| single_threaded);
        hooks::install_parking(builder, parks, user_threads);
    }
    #[cfg(not(tokio_unstable))]
    let _ = builder;
    if purpose == Purpose::Program || is_served(&config) {
        engine::start();
    }
    #[cfg(feature = "attach")]
    crate::serve::start_with_runtime(&config.serve);
    if config.stall_threshold.is_some() {
        stall::start(engine::stalls_anew, purpose.warming());
    }
    Some(recorder)
}

/// Whether others may attach, and want to see findings.
fn is_served(config: &Config) -> bool {
    #[cfg(feature = "attach")]
    return config.serve.bind.is_some();
    #[cfg(not(feature = "attach"))]
    {
        let _ = config;
        false
    }
}

/// What a runtime is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody looks at reports and findings.
    Program,
    /// A test judges what is left of it, on its own. It needs no history, ends soon, and
    /// most often stalls nowhere.
    #[cfg(feature = "leaktest")]
    LeakTest,
}

impl Purpose {
    fn warming(self) -> Warming {
        match self {
            Self::Program => Warming::AtStart,
            #[cfg(feature = "leaktest")]
            Self::LeakTest => Warming::AtFirstStall,
        }
    }
}
