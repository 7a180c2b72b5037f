//! Keys and what they do, in one table: it drives the dashboard, and prints the
//! help and the footer, so neither can be wrong.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::list::Step;

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Move(Step),
    NextPanel,
    PreviousPanel,
    Open,
    Back,
    Filter,
    Type(char),
    Erase,
    NextColumn,
    PreviousColumn,
    Reverse,
    Freeze,
    NotMeasured,
    Help,
    Redraw,
    Quit,
    Interrupt,
}

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

/// Scopes that share keys, under the name that the help gives them.
#[derive(Debug)]
pub(super) struct Scopes {
    pub(super) name: &'static str,
    scopes: &'static [Scope],
}

use Scope::{Finding, Findings, Overlay, Sites, Stalls, Tasks, Typing, Workers};

const LISTS: Scopes = Scopes {
    name: "move",
    scopes: &[Findings, Stalls, Sites, Workers, Finding, Tasks, Overlay],
};
const PANELS: Scopes = Scopes {
    name: "panels",
    scopes: &[Findings, Stalls, Sites, Workers],
};
const FINDINGS: Scopes = Scopes {
    name: "findings",
    scopes: &[Findings],
};
const STALLS: Scopes = Scopes {
    name: "stalls",
    scopes: &[Stalls],
};
const FINDING: Scopes = Scopes {
    name: "evidence",
    scopes: &[Finding],
};
const SITES: Scopes = Scopes {
    name: "spawn sites",
    scopes: &[Sites],
};
const TASKS: Scopes = Scopes {
    name: "tasks",
    scopes: &[Tasks],
};
const WORKERS: Scopes = Scopes {
    name: "workers",
    scopes: &[Workers],
};
const TYPING: Scopes = Scopes {
    name: "filter",
    scopes: &[Typing],
};
const PAGES: Scopes = Scopes {
    name: "pages",
    scopes: &[Finding, Tasks],
};
const OVERLAY: Scopes = Scopes {
    name: "help",
    scopes: &[Overlay],
};
const VIEWS: Scopes = Scopes {
    name: "everywhere",
    scopes: &[Findings, Stalls, Sites, Workers, Finding, Tasks],
};
const ALWAYS: Scopes = Scopes {
    name: "everywhere",
    scopes: &[
        Findings, Stalls, Sites, Workers, Finding, Tasks, Typing, Overlay,
    ],
};

/// A key alone, or with the control key held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Plain(KeyCode),
    Ctrl(char),
}

impl Key {
    fn is(self, event: KeyEvent) -> bool {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        match self {
            Self::Plain(code) => !ctrl && event.code == code,
            Self::Ctrl(c) => ctrl && event.code == KeyCode::Char(c),
        }
    }

    /// Its name as printed in the help.
    pub(super) fn name(self) -> String {
        match self {
            Self::Ctrl(c) => format!("ctrl-{c}"),
            Self::Plain(KeyCode::Char(c)) => c.to_string(),
            Self::Plain(code) => match code {
                KeyCode::Up => "↑",
                KeyCode::Down => "↓",
                KeyCode::Left => "←",
                KeyCode::Right => "→",
                KeyCode::Enter => "enter",
                KeyCode::Esc => "esc",
                KeyCode::Tab => "tab",
                KeyCode::BackTab => "shift-tab",
                KeyCode::PageUp => "pgup",
                KeyCode::PageDown => "pgdn",
                KeyCode::Home => "home",
                KeyCode::End => "end",
                KeyCode::Backspace => "backspace",
                _ => "?",
            }
            .to_owned(),
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) keys: &'static [Key],
    pub(super) action: Action,
    pub(super) scopes: Scopes,
    /// What it does, for the help.
    pub(super) help: &'static str,
    /// What it does in a word, for the footer; empty where it is not shown.
    pub(super) footer: &'static str,
}

impl Binding {
    const fn new(
        keys: &'static [Key],
        action: Action,
        scopes: Scopes,
        help: &'static str,
        footer: &'static str,
    ) -> Self {
        Self {
            keys,
            action,
            scopes,
            help,
            footer,
        }
    }

    /// All its keys, such as `↑ k`.
    pub(super) fn keys(&self) -> String {
        let names: Vec<_> = self.keys.iter().map(|key| key.name()).collect();
        names.join(" ")
    }
}

const fn c(c: char) -> Key {
    Key::Plain(KeyCode::Char(c))
}
const UP: Key = Key::Plain(KeyCode::Up);
const DOWN: Key = Key::Plain(KeyCode::Down);
const LEFT: Key = Key::Plain(KeyCode::Left);
const RIGHT: Key = Key::Plain(KeyCode::Right);
const ENTER: Key = Key::Plain(KeyCode::Enter);
const ESC: Key = Key::Plain(KeyCode::Esc);
const TAB: Key = Key::Plain(KeyCode::Tab);
const BACK_TAB: Key = Key::Plain(KeyCode::BackTab);
const PAGE_UP: Key = Key::Plain(KeyCode::PageUp);
const PAGE_DOWN: Key = Key::Plain(KeyCode::PageDown);
const HOME: Key = Key::Plain(KeyCode::Home);
const END: Key = Key::Plain(KeyCode::End);
const BACKSPACE: Key = Key::Plain(KeyCode::Backspace);

/// Every key there is. The order is that of the help, and within a scope that
/// of the footer: what does not fit there is dropped from the end.
#[rustfmt::skip]
pub(super) const BINDINGS: &[Binding] = &[
    Binding::new(&[ENTER], Action::Open, FINDINGS, "show all the evidence of a finding", "evidence"),
    Binding::new(&[ENTER], Action::Open, STALLS, "show the stacks of a stall", "stacks"),
    Binding::new(&[ENTER], Action::Open, FINDING, "show the tasks of its spawn site", "tasks of this site"),
    Binding::new(&[ENTER], Action::Open, SITES, "show the tasks of a site", "tasks"),
    Binding::new(&[c('/')], Action::Filter, SITES, "type a filter on the location", "filter"),
    Binding::new(&[c('s')], Action::NextColumn, SITES, "sort by the next column", "sort"),
    Binding::new(&[c('S')], Action::PreviousColumn, SITES, "sort by the previous column", ""),
    Binding::new(&[c('r')], Action::Reverse, SITES, "reverse the order", "reverse"),
    Binding::new(&[ESC], Action::Back, SITES, "clear the filter", ""),
    Binding::new(&[ENTER], Action::Open, WORKERS, "show the tasks of the site it polls", "tasks it polls"),
    Binding::new(&[ENTER], Action::Open, TASKS, "on a parent: show the tasks of its site", "parent's tasks"),
    Binding::new(&[ESC, LEFT, c('h'), BACKSPACE], Action::Back, PAGES, "go back", "back"),
    Binding::new(&[ENTER], Action::Open, TYPING, "keep the filter", "keep"),
    Binding::new(&[ESC], Action::Back, TYPING, "clear the filter", "clear"),
    Binding::new(&[BACKSPACE], Action::Erase, TYPING, "erase a character", ""),
    Binding::new(&[UP], Action::Move(Step::Up), TYPING, "one row up", ""),
    Binding::new(&[DOWN], Action::Move(Step::Down), TYPING, "one row down", ""),
    Binding::new(&[TAB, RIGHT, c('l')], Action::NextPanel, PANELS, "next panel", "panel"),
    Binding::new(&[BACK_TAB, LEFT, c('h')], Action::PreviousPanel, PANELS, "previous panel", ""),
    Binding::new(&[UP, c('k')], Action::Move(Step::Up), LISTS, "one row up", ""),
    Binding::new(&[DOWN, c('j')], Action::Move(Step::Down), LISTS, "one row down", ""),
    Binding::new(&[PAGE_UP], Action::Move(Step::PageUp), LISTS, "one page up", ""),
    Binding::new(&[PAGE_DOWN], Action::Move(Step::PageDown), LISTS, "one page down", ""),
    Binding::new(&[HOME, c('g')], Action::Move(Step::First), LISTS, "to the top", ""),
    Binding::new(&[END, c('G')], Action::Move(Step::Last), LISTS, "to the end", ""),
    Binding::new(&[ESC, ENTER, c('q'), c('?'), c('n')], Action::Back, OVERLAY, "close", "close"),
    Binding::new(&[c('f')], Action::Freeze, VIEWS, "freeze the picture, and go on", "freeze"),
    Binding::new(&[c('n')], Action::NotMeasured, VIEWS, "what is not measured, and why", "not measured"),
    Binding::new(&[Key::Ctrl('l')], Action::Redraw, ALWAYS, "draw the whole screen again", ""),
    Binding::new(&[c('?')], Action::Help, VIEWS, "this help", "help"),
    Binding::new(&[c('q')], Action::Quit, VIEWS, "quit", "quit"),
    Binding::new(&[Key::Ctrl('c')], Action::Interrupt, ALWAYS, "quit at once", ""),
];

/// The bindings that hold in `scope`.
pub(super) fn bindings(scope: Scope) -> impl Iterator<Item = &'static Binding> {
    BINDINGS
        .iter()
        .filter(move |binding| binding.scopes.scopes.contains(&scope))
}

/// What `event` means in `scope`.
pub(super) fn action(scope: Scope, event: KeyEvent) -> Option<Action> {
    let bound = bindings(scope).find(|binding| binding.keys.iter().any(|key| key.is(event)));
    match (bound, scope, event.code) {
        (Some(binding), ..) => Some(binding.action),
        // With control or alt held, a character is a command we do not have.
        (None, Scope::Typing, KeyCode::Char(c))
            if !event
                .modifiers
                .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
        {
            Some(Action::Type(c))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_scope() {
        for &scope in ALWAYS.scopes {
            let mut seen = Vec::new();
            for key in bindings(scope).flat_map(|binding| binding.keys) {
                assert!(!seen.contains(key), "{key:?} twice in {scope:?}");
                seen.push(*key);
            }
        }
    }

    #[test]
    fn every_key_has_a_name() {
        for key in BINDINGS.iter().flat_map(|binding| binding.keys) {
            assert!(*key == c('?') || key.name() != "?", "{key:?}");
        }
    }

    #[test]
    fn letters_are_text_only_while_typing() {
        let q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(action(Scope::Sites, q), Some(Action::Quit));
        assert_eq!(action(Scope::Typing, q), Some(Action::Type('q')));
        let ctrl_q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL);
        assert_eq!(action(Scope::Typing, ctrl_q), None);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(Scope::Typing, ctrl_c), Some(Action::Interrupt));
    }
}
