//! What each kind of text looks like: the only place that names a colour.
//!
//! No state is told by colour alone; every style here comes with a word or a
//! mark where it is used. So the plain theme loses nothing but joy.

use ratatui::style::{Color, Modifier, Style};

/// The styles of the dashboard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    coloured: bool,
}

impl Theme {
    /// The sixteen colours of the terminal, so that the user's own scheme holds.
    pub(super) const COLOURED: Self = Self { coloured: true };
    /// Bold, dim, underline and reverse only.
    pub(super) const PLAIN: Self = Self { coloured: false };

    /// As the host says; where it does not, plain if `NO_COLOR` is set and not empty, as
    /// <https://no-color.org> asks.
    pub(super) fn of(coloured: Option<bool>) -> Self {
        let asked = || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if coloured.unwrap_or_else(asked) {
            Self::COLOURED
        } else {
            Self::PLAIN
        }
    }

    fn style(self, color: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.coloured {
            style.fg(color)
        } else {
            style
        }
    }

    /// Names of things: labels, units, column titles.
    pub(super) fn label(self) -> Style {
        self.style(Color::Reset, Modifier::DIM)
    }

    /// A value that should catch the eye first.
    pub(super) fn value(self) -> Style {
        self.style(Color::Reset, Modifier::BOLD)
    }

    /// Title and rule of the panel that has the keys.
    pub(super) fn focused(self) -> Style {
        self.style(Color::Cyan, Modifier::BOLD)
    }

    /// Something is wrong now.
    pub(super) fn alarm(self) -> Style {
        self.style(Color::Red, Modifier::BOLD)
    }

    /// Something deserves a look.
    pub(super) fn warning(self) -> Style {
        self.style(Color::Yellow, Modifier::BOLD)
    }

    /// A curve or a bar.
    pub(super) fn graph(self) -> Style {
        self.style(Color::Cyan, Modifier::empty())
    }

    /// A key on the keyboard.
    pub(super) fn key(self) -> Style {
        self.style(Color::Cyan, Modifier::BOLD)
    }

    /// The row that the keys act on.
    pub(super) fn selected(self) -> Style {
        self.style(Color::Reset, Modifier::REVERSED)
    }

    /// A state of the dashboard itself that must not be missed.
    pub(super) fn badge(self) -> Style {
        self.style(Color::Yellow, Modifier::BOLD | Modifier::REVERSED)
    }
}
