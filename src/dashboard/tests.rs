//! The whole dashboard but for the terminal: keys in, screens out.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::driver::Feed;
use super::keymap;
use super::model::{Model, Page};
use super::theme::Theme;
use super::update::update;
use super::{Exit, fixture, view};
use crate::report::fixture::forget_bytes;
use crate::snapshot::{HeapAccounting, SiteId, Snapshot, TaskSelection};

/// A user in front of the made-up service.
pub(super) struct User {
    pub(super) model: Model,
    pub(super) snapshot: Snapshot,
}

impl User {
    pub(super) fn of(snapshot: Snapshot) -> Self {
        // Shares are measured between two snapshots.
        let mut earlier = snapshot.clone();
        earlier.taken_at = earlier.taken_at.saturating_sub(Duration::from_secs(2));
        for (worker, busy_ms) in earlier.workers.iter_mut().zip([796, 121, 1_930]) {
            worker.current = None;
            worker.busy -= Duration::from_millis(busy_ms);
        }
        let mut user = Self {
            model: Model::default(),
            snapshot,
        };
        user.model.absorb(earlier);
        user.waits();
        user
    }

    pub(super) fn new() -> Self {
        let mut snapshot = fixture::snapshot();
        snapshot.tasks_omitted = 1_271;
        Self::of(snapshot)
    }

    /// Lets the dashboard take its next snapshot.
    pub(super) fn waits(&mut self) -> &mut Self {
        let wanted = self.model.wanted_tasks();
        let mut snapshot = self.snapshot.clone();
        if wanted != TaskSelection::None && !snapshot.sites.is_empty() {
            snapshot.tasks = fixture::tasks();
            if snapshot.process.heap_accounting != Some(HeapAccounting::Exact) {
                snapshot.tasks.iter_mut().for_each(forget_bytes);
            }
        }
        snapshot.tasks_selected = wanted;
        self.model.absorb(snapshot);
        self
    }

    /// Presses keys: letters as they are, others by the names of the help.
    pub(super) fn presses(&mut self, keys: &str) -> Option<Exit> {
        let mut exit = None;
        for key in keys.split_whitespace() {
            let (code, modifiers) = match key {
                "tab" => (KeyCode::Tab, KeyModifiers::NONE),
                "shift-tab" => (KeyCode::BackTab, KeyModifiers::SHIFT),
                "enter" => (KeyCode::Enter, KeyModifiers::NONE),
                "esc" => (KeyCode::Esc, KeyModifiers::NONE),
                "backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
                "down" => (KeyCode::Down, KeyModifiers::NONE),
                "end" => (KeyCode::End, KeyModifiers::NONE),
                "pgdn" => (KeyCode::PageDown, KeyModifiers::NONE),
                "ctrl-c" => (KeyCode::Char('c'), KeyModifiers::CONTROL),
                letter => {
                    let letter = letter.chars().next().expect("a key");
                    (KeyCode::Char(letter), KeyModifiers::NONE)
                }
            };
            let event = KeyEvent::new(code, modifiers);
            if let Some(action) = keymap::action(self.model.scope(), self.model.pictures(), event) {
                exit = update(&mut self.model, action);
            }
            if !self.model.frozen {
                self.waits();
            }
        }
        exit
    }

    fn buffer(&self, width: u16, height: u16, theme: Theme) -> Buffer {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        view::draw(&mut buffer, area, &self.model, theme);
        buffer
    }

    pub(super) fn sees(&self, width: u16, height: u16) -> String {
        text(&self.buffer(width, height, Theme::COLOURED))
    }

    fn selected_site(&self) -> Option<SiteId> {
        self.model.sites.list.selected().map(|row| row.key)
    }
}

/// What is on the screen, without trailing spaces.
pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    };
    let lines: Vec<_> = buffer.content.chunks(width).map(line).collect();
    lines.join("\n")
}

/// Snapshots lie beside this file under the name given, and nothing else.
macro_rules! assert_screen {
    ($name:literal, $screen:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, $screen);
        });
    };
}
pub(super) use assert_screen;

#[test]
fn first_screen() {
    let mut user = User::new();
    assert_screen!("panels_80x24", user.sees(80, 24));
    assert_screen!("panels_120x30", user.sees(120, 30));
    assert_screen!("panels_200x50", user.sees(200, 50));
    assert_screen!("panels_40x10", user.sees(40, 10));
    user.model.status = "scenario orphans 3/12 · 12 s left".to_owned();
    assert_screen!("status_80x24", user.sees(80, 24));
    user.presses("tab");
    assert_screen!("workers_80x24", user.sees(80, 24));
    assert_screen!("workers_40x10", user.sees(40, 10));
    user.presses("tab");
    assert_screen!("findings_80x24", user.sees(80, 24));
}

#[test]
fn without_an_allocator_that_counts() {
    let mut user = User::of(fixture::without_allocator());
    assert_screen!("no_heap_80x24", user.sees(80, 24));
    assert_screen!("no_heap_200x50", user.sees(200, 50));
    assert_screen!("no_heap_40x10", user.sees(40, 10));
    user.presses("enter");
    assert_screen!("no_heap_tasks_80x24", user.sees(80, 24));
    user.presses("esc shift-tab shift-tab enter");
    assert_screen!("no_heap_leaking_site_80x24", user.sees(80, 24));
}

#[test]
fn with_an_allocator_that_takes_samples() {
    let mut user = User::of(fixture::sampled());
    assert_screen!("sampled_80x24", user.sees(80, 24));
    assert_screen!("sampled_200x50", user.sees(200, 50));
    assert_screen!("sampled_40x10", user.sees(40, 10));
    user.presses("enter");
    assert!(!user.sees(80, 24).contains("retained"));
}

#[test]
fn empty_states() {
    assert_screen!("blank_80x24", User::of(fixture::blank()).sees(80, 24));
    let mut unmeasured = fixture::blank();
    unmeasured.process.tasks_measured = false;
    assert_screen!("unmeasured_80x24", User::of(unmeasured).sees(80, 24));
    let nothing = User {
        model: Model::default(),
        snapshot: fixture::blank(),
    };
    assert_screen!("before_the_first_snapshot", nothing.sees(80, 24));
    let mut user = User::of(fixture::blank());
    user.presses("n");
    assert_screen!("everything_is_measured", user.sees(80, 24));
}

#[test]
fn details_of_findings() {
    let mut user = User::new();
    user.presses("shift-tab shift-tab enter");
    assert_screen!("leaking_site_80x24", user.sees(80, 24));
    assert_screen!("leaking_site_40x10", user.sees(40, 10));
    user.presses("enter");
    assert_screen!("tasks_of_the_finding_80x24", user.sees(80, 24));
    user.presses("esc esc down enter");
    assert_screen!("retained_bytes_80x24", user.sees(80, 24));
    assert_screen!("retained_bytes_40x10", user.sees(40, 10));
    user.presses("esc down enter");
    assert_screen!("zombie_task_80x24", user.sees(80, 24));
    user.presses("esc");
    assert_screen!("findings_200x50", user.sees(200, 50));
    user.presses("enter");
    user.snapshot.findings.clear();
    user.waits();
    assert_screen!("finding_is_gone_80x24", user.sees(80, 24));
}

#[test]
fn tasks_of_a_site() {
    let mut user = User::new();
    user.presses("enter");
    assert_screen!("tasks_80x24", user.sees(80, 24));
    assert_screen!("tasks_200x50", user.sees(200, 50));
    // The oldest parent is of another site; enter goes on to its tasks. On a
    // task of this site it would do nothing, and is not offered.
    user.presses("down");
    assert!(!user.sees(80, 24).contains("parent's tasks"));
    user.presses("g enter");
    assert!(user.sees(80, 24).contains("Tasks of src/accept.rs:28:13"));
    user.presses("esc esc");
    assert_eq!(user.model.pages.len(), 0);
}

#[test]
fn tasks_are_asked_for_only_while_they_are_seen() {
    let mut user = User::new();
    assert_eq!(user.model.wanted_tasks(), TaskSelection::None);
    user.presses("enter");
    let wanted = user.model.wanted_tasks();
    assert!(matches!(wanted, TaskSelection::OfSite(SiteId(1), _)));
    user.presses("esc");
    assert_eq!(user.model.wanted_tasks(), TaskSelection::None);
}

#[test]
fn tasks_are_copied_twice_a_second() {
    let copies = RefCell::new(Vec::new());
    let mut feed = Feed::new(|wanted| {
        copies.borrow_mut().push(wanted != TaskSelection::None);
        let mut snapshot = fixture::snapshot();
        snapshot.tasks_selected = wanted;
        snapshot
    });
    let mut model = Model::default();
    let start = Instant::now();
    feed.refresh(&mut model, start);
    update(&mut model, keymap::Action::Open);
    for ms in (1..1_000).step_by(50) {
        feed.refresh(&mut model, start + Duration::from_millis(ms));
    }
    model.frozen = true;
    feed.refresh(&mut model, start + Duration::from_secs(9));
    let copies = copies.borrow();
    assert_eq!(copies.iter().filter(|with_tasks| **with_tasks).count(), 2);
    assert_eq!(copies.len(), 7);
}

#[test]
fn overlays() {
    let mut user = User::new();
    user.presses("?");
    assert_screen!("help_80x24", user.sees(80, 24));
    assert_screen!("help_200x50", user.sees(200, 50));
    assert_screen!("help_40x10", user.sees(40, 10));
    user.presses("end");
    assert_screen!("help_end_80x24", user.sees(80, 24));
    user.presses("q n");
    assert_screen!("not_measured_80x24", user.sees(80, 24));
    user.presses("esc");
    assert_eq!(user.model.overlay, None);
}

#[test]
fn sorting_and_filtering() {
    let mut user = User::new();
    user.presses("s");
    assert_screen!("sorted_by_the_next_column_80x24", user.sees(80, 24));
    user.presses("S S r / h y p");
    assert_screen!("typing_a_filter_80x24", user.sees(80, 24));
    user.presses("enter");
    assert_screen!("filtered_80x24", user.sees(80, 24));
    user.presses("/ x");
    assert_screen!("filtered_to_nothing_80x24", user.sees(80, 24));
    user.presses("backspace backspace backspace backspace enter");
    assert_eq!(user.model.sites.list.len(), 7);
    user.presses("/ q ctrl-c");
    assert_eq!(user.presses("ctrl-c"), Some(Exit::Interrupted));
}

#[test]
fn the_selection_stays_on_its_site() {
    let mut user = User::new();
    user.presses("j j");
    let chosen = user.selected_site();
    for key in ["s", "s", "S", "r", "s", "r", "s"] {
        user.presses(key);
        assert_eq!(user.selected_site(), chosen);
        // Scrolled to, too: the mark is on the screen.
        assert!(user.sees(80, 12).contains('▶'));
    }
    for site in &mut user.snapshot.sites {
        site.live_tasks = 5_000 - site.live_tasks;
    }
    user.waits();
    assert_eq!(user.selected_site(), chosen);
}

#[test]
fn a_worker_leads_to_what_it_polls() {
    let mut user = User::new();
    user.presses("tab enter");
    let page = user.model.pages.last();
    assert!(matches!(page, Some(Page::Tasks(page)) if page.site == SiteId(1)));
    user.presses("esc end enter");
    assert!(user.model.pages.is_empty(), "an idle worker polls nothing");
}

#[test]
fn frozen() {
    let mut user = User::new();
    user.presses("f");
    user.snapshot.process.live_tasks = 7;
    assert_screen!("frozen_80x24", user.sees(80, 24));
    user.presses("enter");
    assert_screen!("frozen_tasks_80x24", user.sees(80, 24));
    user.presses("f");
    assert!(user.sees(80, 24).contains("live 7 "));
}

#[test]
fn no_color_means_no_colour() {
    let mut user = User::new();
    user.model.status = "plain".to_owned();
    let pages = [
        "",
        "tab",
        "tab enter",
        "esc tab enter",
        "enter",
        "?",
        "esc f",
    ];
    for keys in pages {
        user.presses(keys);
        let buffer = user.buffer(80, 24, Theme::PLAIN);
        for cell in &buffer.content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
        // Every state is told without colour too.
        let coloured = user.buffer(80, 24, Theme::COLOURED);
        assert_eq!(text(&buffer), text(&coloured));
    }
    assert_screen!("no_color_80x24", text(&user.buffer(80, 24, Theme::PLAIN)));
}

#[test]
fn every_size_is_drawn() {
    let openings = [
        "",
        "tab",
        "tab",
        "enter",
        "enter",
        "esc esc",
        "down down enter",
        "esc down enter",
        "esc",
        "tab",
        "enter",
        "end",
        "esc down enter",
        "esc end enter",
        "esc n",
        "esc ?",
        "esc tab / z",
        "esc f",
    ];
    let mut user = User::new();
    user.model.status = "東京 status".to_owned();
    for keys in openings {
        user.presses(keys);
        for width in 0..=90 {
            for height in 0..=30 {
                user.buffer(width, height, Theme::PLAIN);
            }
        }
        for (width, height) in [(200, 50), (150, 1), (1, 200), (151, 16), (1_000, 3)] {
            user.buffer(width, height, Theme::COLOURED);
        }
    }
    for snapshot in [fixture::without_allocator(), fixture::sampled()] {
        let user = User::of(snapshot);
        for width in 0..=150 {
            user.buffer(width, 24, Theme::PLAIN);
        }
    }
    for (width, height) in [(0, 0), (1, 1), (80, 24)] {
        User::of(fixture::blank()).buffer(width, height, Theme::PLAIN);
    }
}
