//! Traces in the format of the Azure Functions data set of 2019: three files for a day.
//!
//! The first has the invocations of each function in each minute, the second percentiles of how long a
//! function ran, the third percentiles of the memory that its application had. Within a minute
//! invocations are spread evenly at random, and how long each runs is drawn from the percentiles.
//!
//! A function without run times is left out. A function's memory is the most that its application
//! had, because that is what its owner would have to set.

use std::collections::HashMap;
use std::time::Duration;

use kiln_types::limits::TIMEOUT_SECS_MAX;

use super::trace::{ARRIVALS_MAX, Arrival, Trace, TraceFunction};
use super::{Error, Origin, memory_of};
use crate::simulated::SplitMix;

/// The percentiles of run times, as the columns are named.
const RUN_PERCENTILES: [u32; 7] = [0, 1, 25, 50, 75, 99, 100];
/// The memory of an application that is not in the file: what half of those that are had or less.
const MEMORY_MB_UNKNOWN: f64 = 170.0;
const MINUTE_US: u64 = 60_000_000;

/// The three files.
pub(super) struct Day<'a> {
    pub(super) invocations: (Origin<'a>, &'a str),
    pub(super) run_times: (Origin<'a>, &'a str),
    pub(super) memory: (Origin<'a>, &'a str),
}

/// Whether the first line is that of a file of invocations.
pub(super) fn is_invocations(head: &str) -> bool {
    head.split(',').any(|name| name.trim() == "HashFunction") && head.split(',').any(is_minute)
}

fn is_minute(name: &str) -> bool {
    let name = name.trim();
    let digits = name.strip_prefix("minute_").unwrap_or(name);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Makes a trace of a day. The seed decides what the files leave open.
pub(super) fn read(day: &Day<'_>, init: Duration, seed: u64) -> Result<Trace, Error> {
    let run_times = run_times(day.run_times.0, day.run_times.1)?;
    let memory = memory(day.memory.0, day.memory.1)?;
    let (origin, text) = day.invocations;
    let table = Table::of(origin, text)?;
    let (function, app) = (table.column("HashFunction")?, table.column("HashApp")?);
    let minutes: Vec<usize> = (0..table.names.len())
        .filter(|at| is_minute(table.names[*at]))
        .collect();
    let mut random = SplitMix::new(seed);
    let (mut functions, mut arrivals) = (Vec::new(), Vec::new());
    for row in table.rows() {
        let Some(run_times) = run_times.get(row.text(function)) else {
            continue;
        };
        let memory_mb = memory.get(row.text(app)).copied();
        let no = functions.len() as u32;
        functions.push(TraceFunction {
            memory: memory_of(memory_mb.unwrap_or(MEMORY_MB_UNKNOWN)),
            init,
        });
        for (minute, column) in minutes.iter().enumerate() {
            let count = row.count(*column)?;
            if arrivals.len() + count > ARRIVALS_MAX {
                let (name, max) = (origin.name(), ARRIVALS_MAX);
                return Err(Error::TooLong { name, max });
            }
            arrivals.extend((0..count).map(|_| Arrival {
                at_us: minute as u64 * MINUTE_US + random.below(MINUTE_US),
                function: no,
                run_us: draw(run_times, &mut random),
            }));
        }
    }
    let span = Duration::from_secs(60 * minutes.len() as u64);
    Trace::new(origin.name(), functions, arrivals, span)
}

/// A run time between two neighbouring percentiles.
fn draw(percentiles_ms: &[f64; 7], random: &mut SplitMix) -> u32 {
    let at = random.below(100_000) as f64 / 1_000.0;
    let above = RUN_PERCENTILES
        .iter()
        .position(|percent| at < f64::from(*percent));
    let above = above.unwrap_or(RUN_PERCENTILES.len() - 1);
    let [from, to] = [above - 1, above].map(|at| f64::from(RUN_PERCENTILES[at]));
    let share = (at - from) / (to - from);
    let [low, high] = [percentiles_ms[above - 1], percentiles_ms[above]];
    let ms = low + (high - low) * share;
    (ms * 1e3).clamp(1_000.0, f64::from(TIMEOUT_SECS_MAX) * 1e6) as u32
}

fn run_times<'a>(origin: Origin<'a>, text: &'a str) -> Result<HashMap<&'a str, [f64; 7]>, Error> {
    let table = Table::of(origin, text)?;
    let function = table.column("HashFunction")?;
    let mut columns = [0; 7];
    for (at, percent) in columns.iter_mut().zip(RUN_PERCENTILES) {
        *at = table.column(&format!("percentile_Average_{percent}"))?;
    }
    let mut found = HashMap::new();
    for row in table.rows() {
        let mut percentiles = [0.0; 7];
        for (value, column) in percentiles.iter_mut().zip(columns) {
            *value = row.number(column)?;
        }
        found.insert(row.text(function), percentiles);
    }
    Ok(found)
}

fn memory<'a>(origin: Origin<'a>, text: &'a str) -> Result<HashMap<&'a str, f64>, Error> {
    let table = Table::of(origin, text)?;
    let (app, most) = (
        table.column("HashApp")?,
        table.column("AverageAllocatedMb_pct100")?,
    );
    let rows = table.rows();
    rows.map(|row| Ok((row.text(app), row.number(most)?)))
        .collect()
}

/// A file with a line of names. Its values have no commas in them, so it needs no quotes.
struct Table<'a> {
    origin: Origin<'a>,
    names: Vec<&'a str>,
    text: &'a str,
}

struct Row<'a> {
    origin: Origin<'a>,
    line: usize,
    cells: Vec<&'a str>,
}

impl<'a> Table<'a> {
    fn of(origin: Origin<'a>, text: &'a str) -> Result<Self, Error> {
        let head = text
            .lines()
            .next()
            .ok_or_else(|| Error::Empty(origin.name()))?;
        Ok(Self {
            origin,
            names: head.split(',').map(str::trim).collect(),
            text,
        })
    }

    fn column(&self, wanted: &str) -> Result<usize, Error> {
        let at = self.names.iter().position(|name| *name == wanted);
        at.ok_or_else(|| self.origin.wrong(1, &format!("no column '{wanted}'")))
    }

    fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        let origin = self.origin;
        let lines = self.text.lines().enumerate().skip(1);
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        lines.map(move |(at, line)| Row {
            origin,
            line: at + 1,
            cells: line.split(',').map(str::trim).collect(),
        })
    }
}

impl<'a> Row<'a> {
    fn text(&self, column: usize) -> &'a str {
        self.cells.get(column).copied().unwrap_or_default()
    }

    fn number(&self, column: usize) -> Result<f64, Error> {
        let text = self.text(column);
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            _ => Err(self.wrong(text)),
        }
    }

    fn count(&self, column: usize) -> Result<usize, Error> {
        let text = self.text(column);
        let count = text.parse::<u32>().map_err(|_| self.wrong(text))?;
        Ok(count as usize)
    }

    fn wrong(&self, text: &str) -> Error {
        self.origin
            .wrong(self.line, &format!("'{text}' is not a positive number"))
    }
}

#[cfg(test)]
mod tests {
    use kiln_types::MemoryMb;

    use super::*;

    const INVOCATIONS: &str = "HashFunction,HashApp,HashOwner,minute_1,minute_2,minute_3\n\
                               f1,a1,o1,2,0,3\nf2,a2,o1,0,1,0\nf3,a2,o1,9,9,9\n";
    const RUN_TIMES: &str = "HashFunction,HashApp,HashOwner,Count,Average,Minimum,Maximum,\
                             percentile_Average_0,percentile_Average_1,percentile_Average_25,\
                             percentile_Average_50,percentile_Average_75,percentile_Average_99,\
                             percentile_Average_100\n\
                             f1,a1,o1,5,100,100,200,100,110,120,150,180,190,200\n\
                             f2,a2,o1,1,7,7,7,7,7,7,7,7,7,7\n";
    const MEMORY: &str = "HashApp,HashOwner,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct100\n\
                          a1,o1,9,200,300\n";

    fn day<'a>(invocations: &'a str, run_times: &'a str) -> Day<'a> {
        Day {
            invocations: (Origin::of("inv.csv"), invocations),
            run_times: (Origin::of("run.csv"), run_times),
            memory: (Origin::of("mem.csv"), MEMORY),
        }
    }

    fn trace(seed: u64) -> Trace {
        read(&day(INVOCATIONS, RUN_TIMES), Duration::ZERO, seed).unwrap()
    }

    #[test]
    fn every_invocation_is_in_its_minute_and_runs_as_its_function_does() {
        let trace = trace(1);
        let minutes = |no| {
            let of = trace.arrivals.iter().filter(move |one| one.function == no);
            of.map(|one| one.at_us / MINUTE_US).collect::<Vec<_>>()
        };
        assert_eq!(minutes(0), [0, 0, 2, 2, 2]);
        assert_eq!(minutes(1), [1]);
        for arrival in trace.arrivals.iter().filter(|one| one.function == 0) {
            assert!((100_000..=200_000).contains(&arrival.run_us), "{arrival:?}");
        }
        assert_eq!(trace.span(), Duration::from_secs(180));
    }

    #[test]
    fn function_without_run_times_is_left_out_and_one_without_memory_has_the_usual() {
        let trace = trace(1);
        let memory: Vec<_> = trace.functions.iter().map(|one| one.memory).collect();
        assert_eq!(memory, [300, 170].map(|mb| MemoryMb::new(mb).unwrap()));
    }

    #[test]
    fn same_seed_makes_the_same_trace() {
        assert_eq!(trace(7).arrivals, trace(7).arrivals);
        assert_ne!(trace(7).arrivals, trace(8).arrivals);
    }

    #[test]
    fn run_times_follow_the_percentiles() {
        let percentiles = [100.0, 110.0, 120.0, 150.0, 180.0, 190.0, 200.0];
        let mut random = SplitMix::new(1);
        let mut drawn: Vec<u32> = (0..10_000)
            .map(|_| draw(&percentiles, &mut random))
            .collect();
        drawn.sort_unstable();
        for (percent, expected) in [(25, 120.0), (50, 150.0), (75, 180.0), (99, 190.0)] {
            let ms = f64::from(drawn[percent * 100]) / 1e3;
            assert!((ms - expected).abs() < 2.0, "{percent}: {ms}");
        }
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        let wrong = |day: &Day<'_>| read(day, Duration::ZERO, 1).unwrap_err().to_string();
        assert_eq!(
            wrong(&day("HashFunction,HashApp,minute_1\nf1,a1,-1\n", RUN_TIMES)),
            "inv.csv, line 2: '-1' is not a positive number"
        );
        assert_eq!(
            wrong(&day(INVOCATIONS, "HashFunction,Average\n")),
            "run.csv, line 1: no column 'percentile_Average_0'"
        );
    }

    #[test]
    fn both_ways_to_name_minutes_are_known() {
        assert!(is_invocations(
            "HashOwner,HashApp,HashFunction,Trigger,1,2,3"
        ));
        assert!(is_invocations("HashFunction,HashApp,HashOwner,minute_1"));
        assert!(!is_invocations("timestamp,function,duration,memory"));
    }
}
