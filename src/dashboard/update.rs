//! What an action does to the model. Nothing here draws, reads a clock or takes
//! a snapshot.

use super::Exit;
use super::keymap::Action;
use super::list::{Step, Window};
use super::model::{Model, Overlay, Page, Panel};
use super::tasks::TaskPage;

/// Carries out `action`; says so when it ends the dashboard.
pub(super) fn update(model: &mut Model, action: Action) -> Option<Exit> {
    match action {
        Action::Move(step) => move_by(model, step),
        Action::NextPanel => model.focus = panel_after(model, 1),
        Action::PreviousPanel => model.focus = panel_after(model, -1),
        Action::Open => open(model),
        Action::Back => back(model),
        Action::Filter => model.typing_filter = true,
        Action::Type(c) => {
            model.sites.filter.push(c);
            model.arrange_sites();
        }
        Action::Erase => {
            model.sites.filter.pop();
            model.arrange_sites();
        }
        Action::NextColumn => {
            model.sites.sort_by(1);
            model.arrange_sites();
        }
        Action::PreviousColumn => {
            model.sites.sort_by(-1);
            model.arrange_sites();
        }
        Action::Reverse => {
            model.sites.reverse();
            model.arrange_sites();
        }
        Action::Freeze => model.frozen = !model.frozen,
        // The source's business; the driver hands it on.
        Action::Play(_) => {}
        Action::NotMeasured => overlay(model, Overlay::NotMeasured),
        Action::Help => overlay(model, Overlay::Help),
        Action::Redraw => model.redraw.set(true),
        Action::Quit => return Some(Exit::Quit),
        Action::Interrupt => return Some(Exit::Interrupted),
    }
    None
}

fn panel_after(model: &Model, by: isize) -> Panel {
    let panels: Vec<_> = model.panels().collect();
    let at = panels.iter().position(|p| *p == model.focus).unwrap_or(0);
    let next = (at.cast_signed() + by).rem_euclid(panels.len().cast_signed());
    panels[next.cast_unsigned()]
}

fn overlay(model: &mut Model, overlay: Overlay) {
    model.overlay = Some(overlay);
    model.overlay_window = Window::default();
}

fn move_by(model: &mut Model, step: Step) {
    if model.overlay.is_some() {
        return model.overlay_window.scroll(step);
    }
    match (model.pages.last_mut(), model.focus) {
        (Some(Page::Finding(_, window)), _) => window.scroll(step),
        (Some(Page::Tasks(page)), _) => page.list.step(step),
        (None, Panel::Findings) => model.findings.step(step),
        (None, Panel::Stalls) => model.stalls.step(step),
        (None, Panel::Sites) => model.sites.list.step(step),
        (None, Panel::Workers) => model.workers.step(step),
    }
}

/// Goes into what is selected.
fn open(model: &mut Model) {
    if model.typing_filter {
        model.typing_filter = false;
        return;
    }
    if let Some(site) = model.leads_to() {
        // Where the user returns to should be where he was sent from.
        model.sites.list.select(&site);
        model.pages.push(Page::Tasks(TaskPage::new(site)));
    } else if let Some(key) = model.selected_finding() {
        let page = Page::Finding(key.clone(), Window::default());
        model.pages.push(page);
    }
}

/// Leaves what is in front: overlay, filter, page.
fn back(model: &mut Model) {
    if model.overlay.take().is_some() {
        return;
    }
    if model.pages.pop().is_some() {
        return;
    }
    model.typing_filter = false;
    model.sites.filter.clear();
    model.arrange_sites();
}
