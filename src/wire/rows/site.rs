use std::time::Duration;

use super::super::Malformed;
use super::super::proto;
use super::super::table::{Row, move_on, moved_on};
use crate::snapshot::{FindingSite, Location, Site, SiteId, as_ns};

impl Row for proto::Site {
    type Key = u32;

    fn key(&self) -> u32 {
        self.id
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            retained_history: news(
                before.retained_history.as_ref(),
                self.retained_history.as_ref(),
            ),
            history: news(before.history.as_ref(), self.history.as_ref()),
            location: self.location.clone(),
            ..*self
        }
    }

    fn merge(&mut self, mut change: Self) {
        let (retained, live) = (self.retained_history.take(), self.history.take());
        change.retained_history = Some(merged(retained, change.retained_history));
        change.history = Some(merged(live, change.history));
        *self = change;
    }
}

fn news(before: Option<&proto::Trend>, now: Option<&proto::Trend>) -> Option<proto::Trend> {
    let (dropped, points) = moved_on(points(before), points(now));
    (dropped > 0 || !points.is_empty()).then_some(proto::Trend { dropped, points })
}

fn points(trend: Option<&proto::Trend>) -> &[u64] {
    trend.map_or(&[], |trend| &trend.points)
}

fn merged(before: Option<proto::Trend>, change: Option<proto::Trend>) -> proto::Trend {
    let mut trend = before.unwrap_or_default();
    let change = change.unwrap_or_default();
    move_on(&mut trend.points, change.dropped, change.points);
    trend
}

fn trend(points: impl Iterator<Item = u64>) -> proto::Trend {
    proto::Trend {
        dropped: 0,
        points: points.collect(),
    }
}

pub(in super::super) fn site_to_wire(site: &Site) -> proto::Site {
    proto::Site {
        id: site.id.0,
        location: Some(location_to_wire(&site.location)),
        spawned: site.spawned,
        finished: site.finished,
        live_tasks: site.live_tasks,
        polls: site.polls,
        busy: as_ns(site.busy),
        longest_poll: as_ns(site.longest_poll),
        slow_polls: site.slow_polls,
        retained_bytes: site.retained_bytes,
        retained_error_bytes: site.retained_error_bytes,
        retained_by_finished_bytes: site.retained_by_finished_bytes,
        finished_retaining: site.finished_retaining,
        zombies: site.zombies,
        retained_growth: site.retained_growth,
        retained_history: Some(trend(site.retained_history.iter().copied())),
        history: Some(trend(site.history.iter().map(|live| u64::from(*live)))),
    }
}

pub(in super::super) fn site_from_wire(site: &proto::Site) -> Result<Site, Malformed> {
    let live = points(site.history.as_ref()).iter().copied();
    Ok(Site {
        id: SiteId(site.id),
        location: location_from_wire(site.location.as_ref())?,
        spawned: site.spawned,
        finished: site.finished,
        live_tasks: site.live_tasks,
        polls: site.polls,
        busy: Duration::from_nanos(site.busy),
        longest_poll: Duration::from_nanos(site.longest_poll),
        slow_polls: site.slow_polls,
        retained_bytes: site.retained_bytes,
        retained_error_bytes: site.retained_error_bytes,
        retained_by_finished_bytes: site.retained_by_finished_bytes,
        finished_retaining: site.finished_retaining,
        zombies: site.zombies,
        retained_growth: site.retained_growth,
        retained_history: points(site.retained_history.as_ref()).to_vec(),
        history: live
            .map(|live| u32::try_from(live).unwrap_or(u32::MAX))
            .collect(),
    })
}

fn location_to_wire(location: &Location) -> proto::Location {
    proto::Location {
        file: location.file.clone(),
        line: location.line,
        column: location.column,
    }
}

fn location_from_wire(location: Option<&proto::Location>) -> Result<Location, Malformed> {
    let location = location.ok_or(Malformed::Nonsense("a spawn site without its place"))?;
    Ok(Location {
        file: location.file.clone(),
        line: location.line,
        column: location.column,
    })
}

pub(super) fn finding_site_to_wire(site: &FindingSite) -> proto::FindingSite {
    proto::FindingSite {
        id: site.id.0,
        location: Some(location_to_wire(&site.location)),
    }
}

pub(super) fn finding_site_from_wire(site: &proto::FindingSite) -> Result<FindingSite, Malformed> {
    Ok(FindingSite {
        id: SiteId(site.id),
        location: location_from_wire(site.location.as_ref())?,
    })
}
