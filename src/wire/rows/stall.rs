use std::time::Duration;

use super::super::Malformed;
use super::super::proto;
use super::site::{finding_site_from_wire, finding_site_to_wire};
use crate::snapshot::{
    CodeLine, LatencyBucket, Origin, RunningStall, RuntimeId, StackFrame, StallCause,
    StallEvidence, StallKind, StallStack, StallingSite, TaskId, as_ns,
};

pub(super) fn stall_to_wire(stall: &StallEvidence, taken_at: Duration) -> proto::StallEvidence {
    proto::StallEvidence {
        threshold: as_ns(stall.threshold),
        cause: kind_to_wire(stall.cause.kind).into(),
        syscall: stall.cause.syscall.clone(),
        line: stall.line.as_ref().map(line_to_wire),
        stalls: stall.stalls,
        total: as_ns(stall.total),
        worst: as_ns(stall.worst),
        durations: stall
            .durations
            .iter()
            .map(|bucket| proto::LatencyBucket {
                upper: as_ns(bucket.upper),
                count: bucket.count,
            })
            .collect(),
        worst_task: stall.worst_task.map(|task| task.0),
        running: stall
            .running
            .iter()
            .map(|running| running_to_wire(running, taken_at))
            .collect(),
        sites: stall.sites.iter().map(site_to_wire).collect(),
        stacks: stall.stacks.iter().map(stack_to_wire).collect(),
        samples_omitted: stall.samples_omitted,
        not_sampled: stall.not_sampled,
        no_stack: stall.no_stack.clone(),
    }
}

pub(super) fn stall_from_wire(
    stall: &proto::StallEvidence,
    taken_at: Duration,
) -> Result<StallEvidence, Malformed> {
    let sites: Result<Vec<_>, _> = stall.sites.iter().map(site_from_wire).collect();
    let stacks: Result<Vec<_>, _> = stall.stacks.iter().map(stack_from_wire).collect();
    Ok(StallEvidence {
        threshold: Duration::from_nanos(stall.threshold),
        cause: StallCause {
            kind: kind_from_wire(stall.cause()),
            syscall: stall.syscall.clone(),
        },
        line: stall.line.as_ref().map(line_from_wire),
        stalls: stall.stalls,
        total: Duration::from_nanos(stall.total),
        worst: Duration::from_nanos(stall.worst),
        durations: stall
            .durations
            .iter()
            .map(|bucket| LatencyBucket {
                upper: Duration::from_nanos(bucket.upper),
                count: bucket.count,
            })
            .collect(),
        worst_task: stall.worst_task.map(TaskId),
        running: stall
            .running
            .iter()
            .map(|running| running_from_wire(running, taken_at))
            .collect(),
        sites: sites?,
        stacks: stacks?,
        samples_omitted: stall.samples_omitted,
        not_sampled: stall.not_sampled,
        no_stack: stall.no_stack.clone(),
    })
}

fn running_to_wire(running: &RunningStall, taken_at: Duration) -> proto::RunningStall {
    proto::RunningStall {
        task: running.task.map(|task| task.0),
        runtime: running.runtime.0,
        worker: running.worker,
        since: as_ns(taken_at.saturating_sub(running.running_for)),
        target: running.target.clone(),
        spans: running.spans.clone(),
    }
}

fn running_from_wire(running: &proto::RunningStall, taken_at: Duration) -> RunningStall {
    RunningStall {
        task: running.task.map(TaskId),
        runtime: RuntimeId(running.runtime),
        worker: running.worker,
        running_for: taken_at.saturating_sub(Duration::from_nanos(running.since)),
        target: running.target.clone(),
        spans: running.spans.clone(),
    }
}

fn site_to_wire(site: &StallingSite) -> proto::StallingSite {
    proto::StallingSite {
        site: Some(finding_site_to_wire(&site.site)),
        stalls: site.stalls,
    }
}

fn site_from_wire(site: &proto::StallingSite) -> Result<StallingSite, Malformed> {
    let of = site.site.as_ref();
    Ok(StallingSite {
        site: finding_site_from_wire(
            of.ok_or(Malformed::Nonsense("a stall without its spawn site"))?,
        )?,
        stalls: site.stalls,
    })
}

fn stack_to_wire(stack: &StallStack) -> proto::StallStack {
    proto::StallStack {
        samples: stack.samples,
        held: as_ns(stack.held),
        frames: stack.frames.iter().map(frame_to_wire).collect(),
        blamed: stack.blamed.map(|at| at as u64),
        truncated: stack.truncated,
        target: stack.target.clone(),
        spans: stack.spans.clone(),
    }
}

fn stack_from_wire(stack: &proto::StallStack) -> Result<StallStack, Malformed> {
    let frames: Result<Vec<_>, _> = stack.frames.iter().map(frame_from_wire).collect();
    let blamed = stack.blamed.and_then(|at| usize::try_from(at).ok());
    Ok(StallStack {
        samples: stack.samples,
        held: Duration::from_nanos(stack.held),
        blamed: blamed.filter(|at| *at < stack.frames.len()),
        frames: frames?,
        truncated: stack.truncated,
        target: stack.target.clone(),
        spans: stack.spans.clone(),
    })
}

fn frame_to_wire(frame: &StackFrame) -> proto::StackFrame {
    proto::StackFrame {
        line: Some(line_to_wire(&frame.line)),
        origin: origin_to_wire(frame.origin).into(),
    }
}

fn frame_from_wire(frame: &proto::StackFrame) -> Result<StackFrame, Malformed> {
    let line = frame.line.as_ref();
    Ok(StackFrame {
        line: line_from_wire(line.ok_or(Malformed::Nonsense("a frame without its line"))?),
        origin: origin_from_wire(frame.origin()),
    })
}

fn line_to_wire(line: &CodeLine) -> proto::CodeLine {
    proto::CodeLine {
        function: line.function.clone(),
        file: line.file.clone(),
        line: line.line,
    }
}

fn line_from_wire(line: &proto::CodeLine) -> CodeLine {
    CodeLine {
        function: line.function.clone(),
        file: line.file.clone(),
        line: line.line,
    }
}

same! { kind_to_wire, kind_from_wire, StallKind:
    Unknown Cpu Lock Wait Sleep Socket File Pipe Child Memory Syscall
}
same! { origin_to_wire, origin_from_wire, Origin: Program Dependency Tokio Std Native Unknown }
