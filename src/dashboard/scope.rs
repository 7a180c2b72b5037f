//! Where a key means what: scopes, and the groups of them that share keys.

/// What is in front of the user, and so decides what a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Findings,
    Stalls,
    Sites,
    Workers,
    /// The evidence of one finding.
    Finding,
    /// The tasks of one site.
    Tasks,
    /// The filter is being typed.
    Typing,
    /// Help, or what is not measured.
    Overlay,
}

/// Where the pictures come from, which decides a few keys more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pictures {
    Live,
    Recorded,
}

/// Scopes that share keys, under the name that the help gives them.
#[derive(Debug)]
pub(super) struct Scopes {
    pub(super) name: &'static str,
    pub(super) within: &'static [Scope],
    /// The only pictures that the keys are for, if not for all.
    pub(super) only: Option<Pictures>,
}

use Scope::{Finding, Findings, Overlay, Sites, Stalls, Tasks, Typing, Workers};

pub(super) const LISTS: Scopes = Scopes {
    name: "move",
    within: &[Findings, Stalls, Sites, Workers, Finding, Tasks, Overlay],
    only: None,
};
pub(super) const PANELS: Scopes = Scopes {
    name: "panels",
    within: &[Findings, Stalls, Sites, Workers],
    only: None,
};
pub(super) const FINDINGS: Scopes = Scopes {
    name: "findings",
    within: &[Findings],
    only: None,
};
pub(super) const STALLS: Scopes = Scopes {
    name: "stalls",
    within: &[Stalls],
    only: None,
};
pub(super) const FINDING: Scopes = Scopes {
    name: "evidence",
    within: &[Finding],
    only: None,
};
pub(super) const SITES: Scopes = Scopes {
    name: "spawn sites",
    within: &[Sites],
    only: None,
};
pub(super) const TASKS: Scopes = Scopes {
    name: "tasks",
    within: &[Tasks],
    only: None,
};
pub(super) const WORKERS: Scopes = Scopes {
    name: "workers",
    within: &[Workers],
    only: None,
};
pub(super) const TYPING: Scopes = Scopes {
    name: "filter",
    within: &[Typing],
    only: None,
};
pub(super) const PAGES: Scopes = Scopes {
    name: "pages",
    within: &[Finding, Tasks],
    only: None,
};
pub(super) const OVERLAY: Scopes = Scopes {
    name: "help",
    within: &[Overlay],
    only: None,
};
pub(super) const VIEWS: Scopes = Scopes {
    name: "everywhere",
    within: &[Findings, Stalls, Sites, Workers, Finding, Tasks],
    only: None,
};
pub(super) const LIVE: Scopes = Scopes {
    name: "everywhere",
    within: VIEWS.within,
    only: Some(Pictures::Live),
};
pub(super) const RECORDING: Scopes = Scopes {
    name: "recording",
    within: VIEWS.within,
    only: Some(Pictures::Recorded),
};
pub(super) const ALWAYS: Scopes = Scopes {
    name: "everywhere",
    within: &[
        Findings, Stalls, Sites, Workers, Finding, Tasks, Typing, Overlay,
    ],
    only: None,
};
