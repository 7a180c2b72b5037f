//! `tokio::runtime`, instrumented.
//!
//! [`Builder`], [`Runtime`] and [`LocalRuntime`] are ours and have the methods
//! of Tokio's; everything else is Tokio's own, re-exported. So Tokio's macros
//! work with this crate in the place of theirs:
//!
//! ```
//! #[tokio::main(crate = "tokio_plumber", flavor = "current_thread")]
//! async fn main() {
//!     tokio::spawn(async {}).await.unwrap();
//! }
//! ```
//!
//! Who builds a runtime by hand and wants to keep Tokio's builder calls
//! [`instrument`] on it.

#[cfg(feature = "leaktest")]
pub(crate) mod around;
mod builder;
mod instrument;

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

pub use tokio::runtime::*;

use crate::probe::recorder::Recorder;
use crate::probe::registry;
use crate::snapshot::Flavor;

pub use builder::Builder;
pub use instrument::{Instrument, instrument};

/// An instrumented [`tokio::runtime::Runtime`], and all it can do.
#[derive(Debug)]
pub struct Runtime {
    /// There until this is dropped, or taken apart.
    inner: Option<tokio::runtime::Runtime>,
    watch: Option<Watch>,
    #[cfg(feature = "leaktest")]
    around: Option<Box<dyn around::AroundBlockOn>>,
}

/// An instrumented [`tokio::runtime::LocalRuntime`], and all it can do.
#[derive(Debug)]
pub struct LocalRuntime {
    /// There until this is dropped, or taken apart.
    inner: Option<tokio::runtime::LocalRuntime>,
    watch: Option<Watch>,
    #[cfg(feature = "leaktest")]
    around: Option<Box<dyn around::AroundBlockOn>>,
}

/// What an instrumented runtime keeps besides Tokio's.
#[derive(Debug)]
struct Watch {
    /// Lets the registry, which has a weak reference, ask about the workers.
    _metrics: Arc<RuntimeMetrics>,
    /// Where `block_on` does everything, it is told when that runs.
    block_on: Option<Arc<Recorder>>,
}

impl Watch {
    fn new(recorder: Arc<Recorder>, metrics: RuntimeMetrics, flavor: Flavor) -> Self {
        let metrics = Arc::new(metrics);
        registry::set_metrics(recorder.runtime(), &metrics);
        Self {
            _metrics: metrics,
            // Without Tokio's hooks nobody tells what else it does.
            block_on: Some(recorder)
                .filter(|_| cfg!(tokio_unstable) && flavor.is_single_threaded()),
        }
    }
}

/// The thread is in `block_on`, until this is dropped.
struct InBlockOn<'a>(&'a Recorder);

impl<'a> InBlockOn<'a> {
    fn enter(watch: Option<&'a Watch>) -> Option<Self> {
        let recorder = watch?.block_on.as_deref()?;
        recorder.block_on_starts();
        Some(Self(recorder))
    }
}

impl Drop for InBlockOn<'_> {
    fn drop(&mut self) {
        self.0.block_on_ended();
    }
}

/// What takes the runtime by value, or makes one; the rest comes by `Deref`.
macro_rules! runtime_like {
    ($runtime:ident, $new:expr) => {
        impl $runtime {
            #[doc = concat!("See [`tokio::runtime::", stringify!($runtime), "::new`].")]
            ///
            /// # Errors
            ///
            /// As Tokio's.
            pub fn new() -> io::Result<Self> {
                $new
            }

            #[doc = concat!("See [`tokio::runtime::", stringify!($runtime), "::block_on`].")]
            ///
            /// # Panics
            ///
            /// As Tokio's.
            #[track_caller]
            pub fn block_on<F: Future>(&self, future: F) -> F::Output {
                #[cfg(feature = "leaktest")]
                if let Some(around) = &self.around {
                    return around::run(&**around, self, || self.run(future));
                }
                self.run(future)
            }

            #[track_caller]
            fn run<F: Future>(&self, future: F) -> F::Output {
                let _watched = InBlockOn::enter(self.watch.as_ref());
                (**self).block_on(future)
            }


            #[doc = concat!("See [`tokio::runtime::", stringify!($runtime), "::shutdown_timeout`].")]
            pub fn shutdown_timeout(self, duration: Duration) {
                self.into_inner().shutdown_timeout(duration);
            }

            #[doc = concat!("See [`tokio::runtime::", stringify!($runtime), "::shutdown_background`].")]
            pub fn shutdown_background(self) {
                self.into_inner().shutdown_background();
            }

            /// Tokio's own runtime; it stays instrumented.
            pub fn into_inner(mut self) -> tokio::runtime::$runtime {
                match self.inner.take() {
                    Some(inner) => inner,
                    None => unreachable!("a runtime was taken apart twice"),
                }
            }
        }

        #[cfg(feature = "leaktest")]
        impl Drop for $runtime {
            fn drop(&mut self) {
                let gives_up = |around: &Box<dyn around::AroundBlockOn>| around.gives_up();
                if self.around.as_ref().is_some_and(gives_up)
                    && let Some(inner) = self.inner.take()
                {
                    inner.shutdown_background();
                }
            }
        }

        #[cfg(feature = "leaktest")]
        impl around::Driver for $runtime {
            fn drive(&self, future: std::pin::Pin<&mut dyn Future<Output = ()>>) {
                // Not watched: only what its tasks do is the program's.
                (**self).block_on(future);
            }
        }

        impl Deref for $runtime {
            type Target = tokio::runtime::$runtime;

            fn deref(&self) -> &Self::Target {
                match &self.inner {
                    Some(inner) => inner,
                    None => unreachable!("a runtime that was taken apart is used"),
                }
            }
        }

        impl AsRef<tokio::runtime::$runtime> for $runtime {
            fn as_ref(&self) -> &tokio::runtime::$runtime {
                self
            }
        }
    };
}

runtime_like!(Runtime, Builder::new_multi_thread().enable_all().build());
runtime_like!(
    LocalRuntime,
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
);
