//! Tokio's builder, with the probe's hooks beside the user's.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::LocalOptions;
#[cfg(tokio_unstable)]
use tokio::runtime::{HistogramConfiguration, HistogramScale, RngSeed, TaskMeta, UnhandledPanic};

#[cfg(feature = "leaktest")]
use super::around::{AroundBlockOn, Built, MakeAround};
use super::instrument::{Purpose, install};
use super::{LocalRuntime, Runtime, Watch};
use crate::config::Config;
use crate::heap;
#[cfg(tokio_unstable)]
use crate::probe::hooks::{self, UserHooks, UserThreadHooks};
use crate::probe::recorder::Recorder;
use crate::probe::registry::RuntimeFacts;
use crate::snapshot::Flavor;

/// [`tokio::runtime::Builder`], whose runtimes are instrumented.
///
/// It has the methods of Tokio's builder, which they are documented by, and a
/// few of its own. Task hooks of the user's own run beside the probe's.
pub struct Builder {
    inner: tokio::runtime::Builder,
    flavor: Flavor,
    name: Option<String>,
    config: Config,
    #[cfg(tokio_unstable)]
    hooks: UserHooks,
    #[cfg(tokio_unstable)]
    thread_hooks: UserThreadHooks,
    #[cfg(feature = "leaktest")]
    around: Option<MakeAround>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Passes methods of the same name and shape on to Tokio's builder.
macro_rules! delegate {
    ($($(#[$meta:meta])* $method:ident($($arg:ident: $type:ty),*);)*) => {$(
        #[doc = concat!("See [`tokio::runtime::Builder::", stringify!($method), "`].")]
        $(#[$meta])*
        pub fn $method(&mut self $(, $arg: $type)*) -> &mut Self {
            self.inner.$method($($arg),*);
            self
        }
    )*};
}

/// Keeps a task hook, to be joined with the probe's.
macro_rules! task_hook {
    ($($method:ident => $hook:ident;)*) => {$(
        #[doc = concat!("See [`tokio::runtime::Builder::", stringify!($method), "`].")]
        ///
        /// Set twice, the later hook replaces the earlier one, as with Tokio.
        /// The probe's own hook runs besides.
        #[cfg(tokio_unstable)]
        pub fn $method<F>(&mut self, hook: F) -> &mut Self
        where
            F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
        {
            self.hooks.$hook = Some(Arc::new(hook));
            self
        }
    )*};
}

/// Building, and what is our own.
impl Builder {
    fn new(mut inner: tokio::runtime::Builder, flavor: Flavor) -> Self {
        inner.on_thread_start(thread_starts);
        Self {
            inner,
            flavor,
            name: None,
            config: Config::default(),
            #[cfg(tokio_unstable)]
            hooks: UserHooks::default(),
            #[cfg(tokio_unstable)]
            thread_hooks: UserThreadHooks::default(),
            #[cfg(feature = "leaktest")]
            around: None,
        }
    }

    /// Has the runtimes do something around each `block_on`.
    #[cfg(feature = "leaktest")]
    pub(crate) fn around_block_on(mut self, around: MakeAround) -> Self {
        self.around = Some(around);
        self
    }

    /// What a runtime that was just built does around each `block_on`.
    #[cfg(feature = "leaktest")]
    fn make_around(&self, recorder: Option<&Arc<Recorder>>) -> Option<Box<dyn AroundBlockOn>> {
        let make = self.around?;
        Some(make(Built {
            id: recorder.map(|recorder| recorder.runtime()),
            stall_threshold: recorder.and_then(|recorder| recorder.stall_threshold()),
        }))
    }

    /// See [`tokio::runtime::Builder::new_current_thread`].
    pub fn new_current_thread() -> Self {
        Self::new(
            tokio::runtime::Builder::new_current_thread(),
            Flavor::CurrentThread,
        )
    }

    /// See [`tokio::runtime::Builder::new_multi_thread`].
    pub fn new_multi_thread() -> Self {
        Self::new(
            tokio::runtime::Builder::new_multi_thread(),
            Flavor::MultiThread,
        )
    }

    /// Builds an instrumented runtime.
    ///
    /// # Errors
    ///
    /// As [`tokio::runtime::Builder::build`]; the probe adds none.
    pub fn build(&mut self) -> io::Result<Runtime> {
        let recorder = self.install(self.flavor);
        let built = self.inner.build();
        // The next build sets them again.
        #[cfg(tokio_unstable)]
        hooks::clear(&mut self.inner);
        let inner = built?;
        Ok(Runtime {
            #[cfg(feature = "leaktest")]
            around: self.make_around(recorder.as_ref()),
            watch: recorder.map(|recorder| Watch::new(recorder, inner.metrics(), self.flavor)),
            inner: Some(inner),
        })
    }

    /// Builds an instrumented runtime whose tasks need not be `Send`.
    ///
    /// # Errors
    ///
    /// As [`tokio::runtime::Builder::build_local`]; the probe adds none.
    ///
    /// # Panics
    ///
    /// As Tokio's, if the flavor is multi-thread.
    // Tokio takes the options by value, and its macros rely on that.
    #[allow(clippy::needless_pass_by_value)]
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        let recorder = self.install(Flavor::Local);
        let built = self.inner.build_local(options);
        // The next build sets them again.
        #[cfg(tokio_unstable)]
        hooks::clear(&mut self.inner);
        let inner = built?;
        Ok(LocalRuntime {
            #[cfg(feature = "leaktest")]
            around: self.make_around(recorder.as_ref()),
            watch: recorder.map(|recorder| Watch::new(recorder, inner.metrics(), Flavor::Local)),
            inner: Some(inner),
        })
    }

    fn install(&mut self, flavor: Flavor) -> Option<Arc<Recorder>> {
        let facts = RuntimeFacts {
            name: self.name.clone(),
            flavor,
            ..RuntimeFacts::default()
        };
        let purpose = self.purpose();
        install(
            &mut self.inner,
            self.config.clone(),
            facts,
            purpose,
            #[cfg(tokio_unstable)]
            &self.hooks,
            #[cfg(tokio_unstable)]
            &self.thread_hooks,
        )
    }

    #[cfg_attr(not(feature = "leaktest"), allow(clippy::unused_self))]
    fn purpose(&self) -> Purpose {
        #[cfg(feature = "leaktest")]
        if self.around.is_some() {
            return Purpose::LeakTest;
        }
        Purpose::Program
    }

    /// Names the runtime, in Tokio and in reports. See
    /// [`tokio::runtime::Builder::name`].
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.inner.name(name.clone());
        self.name = Some(name);
        self
    }

    /// A poll longer than this is a stall; `None` looks for none. Overridden by
    /// `PLUMBER_STALL_MS`. Default: [`DEFAULT_STALL_THRESHOLD`].
    ///
    /// [`DEFAULT_STALL_THRESHOLD`]: crate::config::DEFAULT_STALL_THRESHOLD
    pub fn stall_threshold(&mut self, threshold: Option<Duration>) -> &mut Self {
        self.config.stall_threshold = threshold;
        self
    }

    /// Profiles the heap of the process from when the runtime is built, with so many
    /// bytes between two samples on average; `None` does not, and does not end a
    /// profile that was started before. Overridden by `PLUMBER_HEAP_PROFILE`. Default:
    /// `None`. See [`heap_profile`](crate::heap_profile).
    #[cfg(feature = "heap-profile")]
    pub fn heap_profile(&mut self, interval: Option<u64>) -> &mut Self {
        self.config.heap_profile = interval;
        self
    }

    /// Where the process can be attached to, and by whom. Overridden by `PLUMBER_BIND`,
    /// `PLUMBER_ALLOW_REMOTE` and `PLUMBER_TOKEN`. There is one server in a process, that
    /// of the first runtime which is built. Default: `127.0.0.1:6669`. See
    /// [`serve`](crate::serve).
    #[cfg(feature = "attach")]
    pub fn serve(&mut self, settings: crate::serve::Settings) -> &mut Self {
        self.config.serve = settings;
        self
    }

    /// Whether the runtime is instrumented at all. Overridden by
    /// `PLUMBER_INSTRUMENT`. Default: `true`.
    pub fn instrument(&mut self, instrument: bool) -> &mut Self {
        self.config.instrument = instrument;
        self
    }

    task_hook! {
        on_task_spawn => spawn;
        on_before_task_poll => before_poll;
        on_after_task_poll => after_poll;
        on_task_terminate => terminate;
    }
}

/// A runtime starts a thread: one of its blocking pool, until it polls.
fn thread_starts() {
    heap::set_base(heap::Base::BlockingPool);
}

/// Tokio's methods.
impl Builder {
    /// See [`tokio::runtime::Builder::on_thread_start`].
    pub fn on_thread_start(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.inner.on_thread_start(move || {
            thread_starts();
            hook();
        });
        self
    }

    delegate! {
        enable_all();
        enable_io();
        enable_time();
        worker_threads(threads: usize);
        max_blocking_threads(threads: usize);
        thread_name(name: impl Into<String>);
        thread_name_fn(name: impl Fn() -> String + Send + Sync + 'static);
        thread_stack_size(bytes: usize);
        on_thread_stop(hook: impl Fn() + Send + Sync + 'static);
        thread_keep_alive(duration: Duration);
        global_queue_interval(ticks: u32);
        event_interval(ticks: u32);
        max_io_events_per_tick(capacity: usize);
        max_io_events_per_busy_tick(capacity: usize);
        #[cfg(feature = "test-util")]
        start_paused(paused: bool);
    }

    /// See `tokio::runtime::Builder::start_paused`.
    ///
    /// # Panics
    ///
    /// If `paused`: Tokio can pause time only with its feature `test-util`, which this
    /// crate's feature of the same name switches on.
    #[cfg(not(feature = "test-util"))]
    pub fn start_paused(&mut self, paused: bool) -> &mut Self {
        assert!(
            !paused,
            "start_paused needs tokio-plumber's feature test-util: features = [\"test-util\"] \
             in [dev-dependencies]"
        );
        self
    }
}

/// Keeps a hook around a thread's sleep, to be joined with the probe's.
macro_rules! thread_hook {
    ($($method:ident => $hook:ident;)*) => {$(
        #[doc = concat!("See [`tokio::runtime::Builder::", stringify!($method), "`].")]
        pub fn $method(&mut self, hook: impl Fn() + Send + Sync + 'static) -> &mut Self {
            #[cfg(tokio_unstable)]
            {
                self.thread_hooks.$hook = Some(Arc::new(hook));
            }
            #[cfg(not(tokio_unstable))]
            self.inner.$method(hook);
            self
        }
    )*};
}

/// Tokio's methods whose hooks run beside the probe's.
impl Builder {
    thread_hook! {
        on_thread_park => park;
        on_thread_unpark => unpark;
    }
}

/// Tokio's methods that need `--cfg tokio_unstable`.
#[cfg(tokio_unstable)]
impl Builder {
    delegate! {
        unhandled_panic(behavior: UnhandledPanic);
        disable_lifo_slot();
        rng_seed(seed: RngSeed);
        enable_alt_timer();
        enable_eager_driver_handoff();
        enable_sharded_blocking_queue();
        enable_metrics_poll_time_histogram();
        metrics_poll_time_histogram_configuration(configuration: HistogramConfiguration);
        #[doc(hidden)]
        #[allow(deprecated)]
        enable_metrics_poll_count_histogram();
        #[allow(deprecated)]
        metrics_poll_count_histogram_scale(scale: HistogramScale);
        #[allow(deprecated)]
        metrics_poll_count_histogram_resolution(resolution: Duration);
        #[allow(deprecated)]
        metrics_poll_count_histogram_buckets(buckets: usize);
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        enable_io_uring();
        #[cfg(feature = "schedule-latency")]
        track_task_schedule_latency();
        #[cfg(feature = "schedule-latency")]
        enable_metrics_schedule_latency_histogram();
        #[cfg(feature = "schedule-latency")]
        metrics_schedule_latency_histogram_configuration(configuration: HistogramConfiguration);
    }
}
