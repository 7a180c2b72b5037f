//! `plumber check`.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use tokio_plumber::check::{Judge, Limit, Outcome, SHORTEST_WATCH, Verdict};
use tokio_plumber::format::duration;
use tokio_plumber::report;

use crate::cli::{Check, Global, VerdictFormat};
use crate::exit::{CANNOT_ATTACH, CLEAN, FINDINGS, Failure, INTERRUPTED, TERMINATED};
use crate::interrupt::Interrupt;
use crate::junit;
use crate::output::{Output, complain};
use crate::progress::Progress;
use crate::remote::{Connect, Remote};
use crate::settings::{CheckPlan, Sources};
use crate::watch::{Watch, Watched};

pub(crate) fn run(
    args: &Check,
    global: &Global,
    sources: &Sources<'_>,
    connect: Connect<'_>,
) -> Result<u8, Failure> {
    let plan = sources.check(args)?;
    long_enough(&plan)?;
    let target = sources.target(&args.attach, global)?;
    let output = Output::open(plan.output.as_deref())?;
    let remote = connect(&target)?;
    let judge = judge(&plan, &*remote)?;
    // From now on; before, ctrl-c ends the command at once.
    let interrupt = Interrupt::listen()?;
    let watch = Watch {
        remote: &*remote,
        lasts: plan.lasts,
        fail_fast: plan.fail_fast,
        interval: target.interval,
        now: &Instant::now,
        stopped: &|| interrupt.came(),
    };
    let mut out = stderr();
    let terminal = out.is_terminal();
    let watched = watch.run(judge, &mut Progress::new(&mut out, terminal));
    if let Some(left) = watched.cut_short {
        let left = duration(left);
        complain(&format!(
            "the watch was cut short: the last {left} were not seen"
        ));
    }
    output.write(&written(&watched.verdict, plan.format)?)?;
    Ok(code(&watched, interrupt.terminated()))
}

/// A limit on growth that cannot be judged in that time is better told before.
fn long_enough(plan: &CheckPlan) -> Result<(), Failure> {
    let limits = &plan.limits;
    let growth = limits.max_pending_growth.or(limits.max_retained_growth);
    if growth.is_some() && plan.lasts < SHORTEST_WATCH {
        let [lasts, least] = [plan.lasts, SHORTEST_WATCH].map(short);
        return Err(Failure::usage(format!(
            "--for {lasts} is too short to judge growth: accepted is {least} or more with \
             --max-pending-growth and --max-retained-growth"
        )));
    }
    Ok(())
}

fn short(time: Duration) -> String {
    duration(time).replace(' ', "")
}

fn judge(plan: &CheckPlan, remote: &dyn Remote) -> Result<Judge, Failure> {
    let judge = Judge::new(plan.limits.clone(), &remote.latest());
    judge.map_err(|error| {
        if error.limit == Limit::Findings {
            return Failure::attach(format!("nothing of it can be judged: {}", error.why));
        }
        let flag = error.limit.name().replace('_', "-");
        Failure::usage(format!("--{flag}: {error}"))
    })
}

fn written(verdict: &Verdict, format: VerdictFormat) -> Result<String, Failure> {
    Ok(match format {
        VerdictFormat::Text => report::verdict_text(verdict),
        VerdictFormat::Json => format!("{}\n", report::verdict_json(verdict)),
        VerdictFormat::Github => report::verdict_github(verdict),
        VerdictFormat::Junit => junit::written(verdict)
            .map_err(|error| Failure::usage(format!("cannot write the verdict: {error}")))?,
    })
}

fn code(watched: &Watched, terminated: bool) -> u8 {
    match watched.verdict.outcome {
        Outcome::Violated => FINDINGS,
        _ if watched.cut_short.is_some() && terminated => TERMINATED,
        Outcome::Clean => CLEAN,
        _ if watched.cut_short.is_some() => INTERRUPTED,
        _ => CANNOT_ATTACH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Step};
    use tokio_plumber::check::Limits;

    fn plan(limits: Limits) -> CheckPlan {
        CheckPlan {
            lasts: Duration::from_secs(60),
            limits,
            fail_fast: false,
            format: VerdictFormat::Text,
            output: None,
        }
    }

    fn pending() -> Limits {
        let mut limits = Limits::default();
        limits.max_pending_growth = Some(100.0);
        limits
    }

    /// A watch of so many pictures, and what it is written as.
    fn watched(limits: Limits, live: impl Iterator<Item = u64>, stop: usize) -> Watched {
        let fake = Fake::new(live.map(Step::Picture).collect());
        let plan = plan(limits);
        let watch = Watch {
            remote: &fake,
            lasts: plan.lasts,
            fail_fast: false,
            interval: Duration::from_secs(1),
            now: &|| fake.now(),
            stopped: &|| fake.taken() >= stop,
        };
        let judge = judge(&plan, &fake).expect("limits that can be judged");
        watch.run(judge, &mut Progress::new(&mut std::io::sink(), false))
    }

    #[test]
    fn the_exit_code_tells_the_verdict() {
        let still = || std::iter::repeat_n(3, 99);
        assert_eq!(code(&watched(Limits::default(), still(), 99), false), CLEAN);
        let leak = (0..99).map(|second| 100 * second);
        assert_eq!(code(&watched(pending(), leak, 99), false), FINDINGS);
        // Ended by ctrl-c: what was seen is judged, if it can be.
        assert_eq!(code(&watched(Limits::default(), still(), 9), false), CLEAN);
        assert_eq!(code(&watched(pending(), still(), 9), false), INTERRUPTED);
        // SIGTERM acquits nothing, unless it came too late.
        assert_eq!(
            code(&watched(Limits::default(), still(), 9), true),
            TERMINATED
        );
        assert_eq!(code(&watched(Limits::default(), still(), 99), true), CLEAN);
        let leak = (0..99).map(|second| 100 * second);
        assert_eq!(code(&watched(pending(), leak, 50), true), FINDINGS);
        // Growth needs no findings.
        let silent = std::iter::empty();
        assert_eq!(
            code(&watched(Limits::default(), silent, 99), false),
            CANNOT_ATTACH
        );
    }

    #[test]
    fn a_verdict_is_written_as_asked() {
        let leak = (0..99).map(|second| 100 * second);
        let verdict = watched(pending(), leak, 99).verdict;
        let of = |format| written(&verdict, format).expect("it can be written");
        insta::assert_snapshot!("verdict_junit", of(VerdictFormat::Junit));
        assert!(of(VerdictFormat::Text).starts_with("service (pid 4711) was watched for 1 m 00 s"));
        assert!(of(VerdictFormat::Json).ends_with("}\n"));
        assert!(of(VerdictFormat::Github).starts_with("::error title="));
        let unjudged = watched(pending(), std::iter::repeat_n(3, 99), 9).verdict;
        let unjudged = written(&unjudged, VerdictFormat::Junit).expect("it can be written");
        insta::assert_snapshot!("verdict_junit_unjudged", unjudged);
    }

    #[test]
    fn limits_that_cannot_be_judged_are_told_before_the_watch() {
        let told = |plan: &CheckPlan| long_enough(plan).expect_err("too short").message;
        let brief = CheckPlan {
            lasts: Duration::from_secs(5),
            ..plan(pending())
        };
        assert_eq!(
            told(&brief),
            "--for 5.00s is too short to judge growth: accepted is 20.0s or more with \
             --max-pending-growth and --max-retained-growth"
        );
        let mut bytes = Limits::default();
        bytes.max_retained_growth = Some(1.0);
        let error = judge(&plan(bytes), &Fake::new(Vec::new())).err();
        let error = error.expect("no allocator");
        assert_eq!(error.code, crate::exit::USAGE);
        assert!(
            error.message.starts_with(
                "--max-retained-growth: growth of the heap cannot be judged: nothing counts"
            ),
            "{error}"
        );
    }
}
