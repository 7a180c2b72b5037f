//! What a stall rests on: who is held, since when, and the stacks that show where.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::text;
use super::sheet::{INDENT, Sheet};
use crate::format;
use crate::snapshot::{
    CodeLine, Finding, Origin, RunningStall, StallEvidence, StallKind, StallStack, StallingSite,
};

impl Sheet {
    /// ```text
    ///              line  src/upload.rs:41 in upload::parse
    ///        the worker  waits for the network (recvfrom)
    ///       running now  task 812 blocks main/0 for 1.20 s, on 127.0.0.1:5432
    ///                    in request{id=7} > parse
    ///        spawned at  src/accept.rs:28:13, 14 stalls
    ///            stalls  14 over 10.0 ms, 3.24 s in total
    ///             worst  1.20 s by task 812
    ///
    ///    Stack 1 of 2, in 83 % of 24 samples, 1.02 s
    ///      library/std/src/net/tcp.rs:700  <std::net::TcpStream as Read>::read
    ///    ▶ src/upload.rs:41                upload::parse
    ///      … 57 frames of tokio and std
    /// ```
    pub(super) fn stall(&mut self, model: &Model, finding: &Finding, stall: &StallEvidence) {
        let StallEvidence {
            threshold,
            cause,
            line,
            stalls,
            total,
            worst,
            worst_task,
            running,
            sites,
            stacks,
            samples_omitted,
            not_sampled,
            no_stack,
            durations: _,
        } = stall;
        let blamed = match (line, no_stack) {
            (Some(line), _) => self.blamed(line),
            (None, Some(why)) => format!("not known: {why}"),
            (None, None) if stacks.is_empty() => "not known".to_owned(),
            (None, None) => "none of the program's own is on the stack".to_owned(),
        };
        self.fact("line", &blamed);
        let does = match cause.kind {
            StallKind::Unknown => "is held, by what was not seen".to_owned(),
            _ => cause.to_string(),
        };
        self.fact("the worker", &does);
        self.running(model, running);
        self.stalling_sites(sites);
        let counted = format!(
            "{} over {}, {} in total",
            format::count(*stalls),
            format::duration(*threshold),
            format::duration(*total),
        );
        self.fact("stalls", &counted);
        let worst = format::duration(*worst);
        let by = worst_task.map_or_else(String::new, |task| format!(" by task {task}"));
        self.fact("worst", &format!("{worst}{by}"));
        if let (Some(why), Some(_)) = (no_stack, line) {
            self.fact("no stack", why);
        }
        if *not_sampled > 0 {
            let many = format::count(*not_sampled);
            self.fact(
                "not sampled",
                &format!("{many}, over before they were looked at, or too many"),
            );
        }
        self.seen(model, finding);
        let samples: u64 = stacks.iter().map(|stack| stack.samples).sum();
        for (at, stack) in stacks.iter().enumerate() {
            self.blank();
            let which = match stacks.len() {
                1 => "Stack".to_owned(),
                of => format!("Stack {} of {of}", at + 1),
            };
            self.stack(&which, samples + samples_omitted, stack);
        }
        if *samples_omitted > 0 {
            self.blank();
            let others = format::plural(*samples_omitted, "sample has", "samples have");
            let says = format!("{others} other stacks, which are not listed.");
            self.prose(&says, Style::new());
        }
    }

    /// Its path over several lines if need be, but not file and line.
    fn blamed(&self, line: &CodeLine) -> String {
        let place = line.short_place().unwrap_or_default();
        if text::width(&place) <= self.value_room() {
            line.to_string()
        } else {
            text::code_line(line, self.value_room())
        }
    }

    fn running(&mut self, model: &Model, running: &[RunningStall]) {
        for (at, stall) in running.iter().enumerate() {
            let who = stall.who();
            let RunningStall {
                task: _,
                runtime,
                worker,
                running_for,
                target,
                spans,
            } = stall;
            let mut says = format!(
                "{who} blocks {}/{worker} for {}",
                model.runtime_name(*runtime),
                format::duration(*running_for)
            );
            if let Some(target) = target {
                says = format!("{says}, on {target}");
            }
            self.fact(if at == 0 { "running now" } else { "" }, &says);
            if !spans.is_empty() {
                self.fact("", &format!("in {}", spans.join(" > ")));
            }
        }
        if running.is_empty() {
            self.fact("running now", "none");
        }
    }

    fn stalling_sites(&mut self, sites: &[StallingSite]) {
        for (at, StallingSite { site, stalls }) in sites.iter().enumerate() {
            let label = if at == 0 { "spawned at" } else { "" };
            let stalls = format::plural(*stalls, "stall", "stalls");
            self.spawned_at(label, &site.location, &format!(", {stalls}"));
        }
    }

    fn stack(&mut self, which: &str, of: u64, stack: &StallStack) {
        let StallStack {
            samples,
            held,
            frames: _,
            blamed,
            truncated: _,
            target,
            spans,
        } = stack;
        let share = if *samples == of {
            format!("in {}", format::plural(of, "sample", "samples"))
        } else {
            let share = text::percent(*samples as f64 / of as f64);
            let of = format::plural(of, "sample", "samples");
            format!("in {share} of {of}")
        };
        let held = format::duration(*held);
        self.prose(&format!("{which}, {share}, {held}"), self.theme.value());
        if let Some(target) = target {
            self.frame_note(&format!("on {target}"));
        }
        if !spans.is_empty() {
            self.frame_note(&format!("in {}", spans.join(" > ")));
        }

        let room = self.room.saturating_sub(FRAMES + INDENT);
        let told = stack.told();
        let places = told.iter().map(|frame| {
            let place = text::frame_place(frame, room / 2);
            (text::width(&place), place)
        });
        let places: Vec<_> = places.collect();
        let widest = places.iter().map(|(width, _)| *width).max().unwrap_or(0);
        for (at, (frame, (width, place))) in told.iter().zip(places).enumerate() {
            let (mark, style) = match frame.origin {
                _ if *blamed == Some(at) => ('▶', self.theme.alarm()),
                Origin::Program => (' ', Style::new()),
                _ => (' ', self.theme.label()),
            };
            let gap = " ".repeat(widest - width + 2);
            let beside = room.saturating_sub(widest + 2);
            let function = text::function(frame.line.function_path(), beside);
            self.lines.push(Line::from(vec![
                Span::styled(format!("{:INDENT$}{mark} ", ""), style),
                Span::styled(format!("{place}{gap}{function}"), style),
            ]));
        }
        if let Some(untold) = stack.untold() {
            self.frame_note(&format!("… {untold}"));
        }
    }

    /// A line below the frames, or above.
    fn frame_note(&mut self, says: &str) {
        let room = self.room.saturating_sub(FRAMES + INDENT);
        for line in text::wrap(says, room) {
            let line = format!("{:FRAMES$}{line}", "");
            self.lines.push(Line::styled(line, self.theme.label()));
        }
    }
}

/// Columns in front of a frame, with room for a mark.
const FRAMES: usize = INDENT + 2;
