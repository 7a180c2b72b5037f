use std::time::Duration;

use super::super::proto;
use super::super::proto::finding::Evidence as Wire;
use super::super::table::Row;
use super::super::{Malformed, some_duration, some_nanos};
use super::site::{finding_site_from_wire, finding_site_to_wire};
use super::stall::{stall_from_wire, stall_to_wire};
use crate::snapshot::{
    Evidence, Finding, Holding, Keeper, LeakEvidence, Lint, RetainedEvidence, TaskId,
    ZombieEvidence, as_ns,
};

impl Row for proto::Finding {
    type Key = u32;

    fn key(&self) -> u32 {
        self.number
    }
}

/// A finding of a lint that this version does not know.
#[derive(Debug)]
pub(in super::super) struct Unknown(pub(in super::super) String);

pub(in super::super) fn finding_to_wire(
    finding: &Finding,
    number: u32,
    taken_at: Duration,
) -> proto::Finding {
    proto::Finding {
        number,
        lint: finding.lint.name().to_owned(),
        place: finding.place.clone(),
        message: finding.message.clone(),
        site: finding.site.as_ref().map(finding_site_to_wire),
        first_seen: as_ns(finding.first_seen),
        last_seen: as_ns(finding.last_seen),
        ongoing: finding.ongoing,
        evidence: Some(match &finding.evidence {
            Evidence::Stall(stall) => Wire::Stall(stall_to_wire(stall, taken_at)),
            Evidence::Leak(leak) => Wire::Leak(leak_to_wire(leak)),
            Evidence::Retained(retained) => Wire::Retained(retained_to_wire(retained)),
            Evidence::Zombies(zombies) => Wire::Zombies(zombies_to_wire(zombies)),
        }),
    }
}

pub(in super::super) fn finding_from_wire(
    finding: &proto::Finding,
    taken_at: Duration,
) -> Result<Result<Finding, Unknown>, Malformed> {
    let known = Lint::ALL
        .into_iter()
        .find(|lint| lint.name() == finding.lint);
    let (Some(lint), Some(evidence)) = (known, &finding.evidence) else {
        return Ok(Err(Unknown(finding.lint.clone())));
    };
    Ok(Ok(Finding {
        lint,
        place: finding.place.clone(),
        message: finding.message.clone(),
        site: finding
            .site
            .as_ref()
            .map(finding_site_from_wire)
            .transpose()?,
        first_seen: Duration::from_nanos(finding.first_seen),
        last_seen: Duration::from_nanos(finding.last_seen),
        ongoing: finding.ongoing,
        evidence: match evidence {
            Wire::Stall(stall) => Evidence::Stall(stall_from_wire(stall, taken_at)?),
            Wire::Leak(leak) => Evidence::Leak(leak_from_wire(leak)),
            Wire::Retained(retained) => Evidence::Retained(retained_from_wire(retained)),
            Wire::Zombies(zombies) => Evidence::Zombies(zombies_from_wire(zombies)),
        },
    }))
}

fn leak_to_wire(leak: &LeakEvidence) -> proto::LeakEvidence {
    proto::LeakEvidence {
        floors: leak.floors.clone(),
        window: as_ns(leak.window),
        spawned: leak.spawned,
        finished: leak.finished,
        live_tasks: leak.live_tasks,
        idle_tasks: leak.idle_tasks,
        parent_finished: leak.parent_finished,
        mean_lifetime: some_nanos(leak.mean_lifetime),
        examples: leak.examples.iter().map(|task| task.0).collect(),
        retained_bytes: leak.retained_bytes,
    }
}

fn leak_from_wire(leak: &proto::LeakEvidence) -> LeakEvidence {
    LeakEvidence {
        floors: leak.floors.clone(),
        window: Duration::from_nanos(leak.window),
        spawned: leak.spawned,
        finished: leak.finished,
        live_tasks: leak.live_tasks,
        idle_tasks: leak.idle_tasks,
        parent_finished: leak.parent_finished,
        mean_lifetime: some_duration(leak.mean_lifetime),
        examples: leak.examples.iter().copied().map(TaskId).collect(),
        retained_bytes: leak.retained_bytes,
    }
}

fn retained_to_wire(retained: &RetainedEvidence) -> proto::RetainedEvidence {
    proto::RetainedEvidence {
        keeper: keeper_to_wire(retained.keeper).into(),
        retained_bytes: retained.retained_bytes,
        growth: retained.growth,
        tasks: retained.tasks,
        floors: retained.floors.clone(),
        window: as_ns(retained.window),
        examples: retained.examples.iter().map(holding_to_wire).collect(),
    }
}

fn retained_from_wire(retained: &proto::RetainedEvidence) -> RetainedEvidence {
    RetainedEvidence {
        keeper: keeper_from_wire(retained.keeper()),
        retained_bytes: retained.retained_bytes,
        growth: retained.growth,
        tasks: retained.tasks,
        floors: retained.floors.clone(),
        window: Duration::from_nanos(retained.window),
        examples: retained.examples.iter().map(holding_from_wire).collect(),
    }
}

fn zombies_to_wire(zombies: &ZombieEvidence) -> proto::ZombieEvidence {
    proto::ZombieEvidence {
        zombies: zombies.zombies,
        retained_bytes: zombies.retained_bytes,
        floors: zombies.floors.clone(),
        window: as_ns(zombies.window),
        oldest: as_ns(zombies.oldest),
        examples: zombies.examples.iter().map(holding_to_wire).collect(),
    }
}

fn zombies_from_wire(zombies: &proto::ZombieEvidence) -> ZombieEvidence {
    ZombieEvidence {
        zombies: zombies.zombies,
        retained_bytes: zombies.retained_bytes,
        floors: zombies.floors.clone(),
        window: Duration::from_nanos(zombies.window),
        oldest: Duration::from_nanos(zombies.oldest),
        examples: zombies.examples.iter().map(holding_from_wire).collect(),
    }
}

fn holding_to_wire(holding: &Holding) -> proto::Holding {
    proto::Holding {
        task: holding.task.0,
        retained_bytes: holding.retained_bytes,
    }
}

fn holding_from_wire(holding: &proto::Holding) -> Holding {
    Holding {
        task: TaskId(holding.task),
        retained_bytes: holding.retained_bytes,
    }
}

same! { keeper_to_wire, keeper_from_wire, Keeper: LiveTasks OneTask FinishedTasks }
