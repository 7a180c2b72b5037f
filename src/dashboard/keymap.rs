//! Keys and what they do, in one table: it drives the dashboard, and prints the
//! help and the footer, so neither can be wrong.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::list::Step;
use super::player::Control;
use super::scope::{
    ALWAYS, FINDING, FINDINGS, LISTS, LIVE, OVERLAY, PAGES, PANELS, Pictures, RECORDING, SITES,
    STALLS, Scope, Scopes, TASKS, TYPING, VIEWS, WORKERS,
};

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
    Play(Control),
    NotMeasured,
    Help,
    Redraw,
    Quit,
    Interrupt,
}

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
            Self::Plain(KeyCode::Char(' ')) => "space".to_owned(),
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
const BINDINGS: &[Binding] = &[
    Binding::new(&[c(' '), c('f')], Action::Play(Control::PlayOrPause), RECORDING, "pause, and go on; at the end start anew", "play/pause"),
    Binding::new(&[c('.')], Action::Play(Control::StepForward), RECORDING, "pause, and one picture on", "step"),
    Binding::new(&[c(',')], Action::Play(Control::StepBack), RECORDING, "pause, and one picture back", ""),
    Binding::new(&[c('>')], Action::Play(Control::JumpForward), RECORDING, "10 s on", "10 s on"),
    Binding::new(&[c('<')], Action::Play(Control::JumpBack), RECORDING, "10 s back", "back"),
    Binding::new(&[c(']')], Action::Play(Control::LongJumpForward), RECORDING, "1 min on", ""),
    Binding::new(&[c('[')], Action::Play(Control::LongJumpBack), RECORDING, "1 min back", ""),
    Binding::new(&[c('0')], Action::Play(Control::ToStart), RECORDING, "to the start of the recording", ""),
    Binding::new(&[c('$')], Action::Play(Control::ToEnd), RECORDING, "to the end of the recording", ""),
    Binding::new(&[c('+'), c('=')], Action::Play(Control::Faster), RECORDING, "play faster", ""),
    Binding::new(&[c('-')], Action::Play(Control::Slower), RECORDING, "play slower", ""),
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
    Binding::new(&[c('f')], Action::Freeze, LIVE, "freeze the picture, and go on", "freeze"),
    Binding::new(&[c('n')], Action::NotMeasured, VIEWS, "what is not measured, and why", "not measured"),
    Binding::new(&[Key::Ctrl('l')], Action::Redraw, ALWAYS, "draw the whole screen again", ""),
    Binding::new(&[c('?')], Action::Help, VIEWS, "this help", "help"),
    Binding::new(&[c('q')], Action::Quit, VIEWS, "quit", "quit"),
    Binding::new(&[Key::Ctrl('c')], Action::Interrupt, ALWAYS, "quit at once", ""),
];

/// The bindings that hold in `scope`.
pub(super) fn bindings(scope: Scope, of: Pictures) -> impl Iterator<Item = &'static Binding> {
    bindings_for(of).filter(move |binding| binding.scopes.within.contains(&scope))
}

/// The bindings that there are for such pictures, whatever is in front.
pub(super) fn bindings_for(of: Pictures) -> impl Iterator<Item = &'static Binding> {
    let there = move |binding: &&Binding| binding.scopes.only.is_none_or(|only| only == of);
    BINDINGS.iter().filter(there)
}

/// What `event` means in `scope`.
pub(super) fn action(scope: Scope, of: Pictures, event: KeyEvent) -> Option<Action> {
    let bound = bindings(scope, of).find(|binding| binding.keys.iter().any(|key| key.is(event)));
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
        for &scope in ALWAYS.within {
            for of in [Pictures::Live, Pictures::Recorded] {
                let mut seen = Vec::new();
                for key in bindings(scope, of).flat_map(|binding| binding.keys) {
                    assert!(!seen.contains(key), "{key:?} twice in {scope:?}");
                    seen.push(*key);
                }
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
    fn keys_of_a_recording_do_nothing_to_a_live_picture() {
        let space = KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE);
        let pause = Some(Action::Play(Control::PlayOrPause));
        assert_eq!(action(Scope::Sites, Pictures::Live, space), None);
        assert_eq!(action(Scope::Sites, Pictures::Recorded, space), pause);
        let typed = action(Scope::Typing, Pictures::Recorded, space);
        assert_eq!(typed, Some(Action::Type(' ')));
        // To freeze a recording is to pause it.
        let f = KeyEvent::new(KeyCode::Char('f'), KeyModifiers::NONE);
        let freeze = Some(Action::Freeze);
        assert_eq!(action(Scope::Sites, Pictures::Live, f), freeze);
        assert_eq!(action(Scope::Sites, Pictures::Recorded, f), pause);
    }

    #[test]
    fn letters_are_text_only_while_typing() {
        let action = |scope, event| super::action(scope, Pictures::Live, event);
        let q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(action(Scope::Sites, q), Some(Action::Quit));
        assert_eq!(action(Scope::Typing, q), Some(Action::Type('q')));
        let ctrl_q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL);
        assert_eq!(action(Scope::Typing, ctrl_q), None);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(Scope::Typing, ctrl_c), Some(Action::Interrupt));
    }
}
