//! Answers what `leaking_site` asks about live tasks, in one walk over them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::leaking_site::{IdleTasks, Question};
use crate::probe::clock::clock;
use crate::probe::record::TaskFacts;
use crate::probe::tasks::TASKS;
use crate::snapshot::{SiteId, TaskId};

/// Tasks named as examples in a finding.
const EXAMPLES: usize = 5;

/// Questions about the tasks of some sites.
#[derive(Default)]
pub(super) struct Asked(BTreeMap<SiteId, Vec<(Question, Answer)>>);

#[derive(Default)]
struct Answer {
    idle: u64,
    parent_finished: u64,
    /// When they were spawned in ticks, oldest first.
    oldest: Vec<(u64, TaskId)>,
}

impl Asked {
    pub(super) fn add(&mut self, site: SiteId, questions: Vec<Question>) {
        let questions = questions
            .into_iter()
            .map(|question| (question, Answer::default()));
        self.0.insert(site, questions.collect());
    }

    /// Walks over all live tasks, if anything was asked.
    pub(super) fn answer(
        mut self,
        now: Duration,
    ) -> impl Iterator<Item = (SiteId, Vec<(Question, IdleTasks)>)> {
        if !self.0.is_empty() {
            TASKS.for_each(|facts| {
                if let Some(questions) = self.0.get_mut(&facts.site).filter(|_| !facts.running) {
                    count(now, facts, questions);
                }
            });
        }
        self.0.into_iter().map(|(site, questions)| {
            let answers = questions
                .into_iter()
                .map(|(question, answer)| (question, answer.into()));
            (site, answers.collect())
        })
    }
}

fn count(now: Duration, facts: &TaskFacts, questions: &mut [(Question, Answer)]) {
    let age = now.saturating_sub(clock().since_epoch(facts.spawned_at));
    let last = facts.last_end.max(facts.spawned_at);
    let idle = now.saturating_sub(clock().since_epoch(last));
    let asked = questions
        .iter_mut()
        .filter(|(question, _)| idle >= question.idle_for() && age <= question.spawned_within());
    let mut parent_finished = None;
    for (_, answer) in asked {
        answer.idle += 1;
        let finished = *parent_finished
            .get_or_insert_with(|| facts.parent_site.is_some() && !TASKS.contains(facts.parent));
        answer.parent_finished += u64::from(finished);
        let place = answer
            .oldest
            .partition_point(|(spawned_at, _)| *spawned_at <= facts.spawned_at);
        if place < EXAMPLES {
            answer.oldest.insert(place, (facts.spawned_at, facts.id));
            answer.oldest.truncate(EXAMPLES);
        }
    }
}

impl From<Answer> for IdleTasks {
    fn from(answer: Answer) -> Self {
        Self {
            idle: answer.idle,
            parent_finished: answer.parent_finished,
            examples: answer.oldest.into_iter().map(|(_, task)| task).collect(),
        }
    }
}
