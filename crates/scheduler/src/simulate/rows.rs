//! Traces with a line for each invocation: `timestamp,function,duration,memory[,init]`.
//!
//! The timestamp is in seconds, with a fraction if need be, since whatever moment; the duration and
//! the optional init in milliseconds; the memory in MB. Columns are found by their names in the first
//! line, in any order; lines need not be in order either.

use std::collections::HashMap;
use std::time::Duration;

use kiln_types::limits::{INIT_TIMEOUT_SECS, TIMEOUT_SECS_MAX};

use super::trace::{Arrival, Trace, TraceFunction};
use super::{Error, Origin, memory_of};

/// The names of the columns.
pub(super) const COLUMNS: [&str; 4] = ["timestamp", "function", "duration", "memory"];

/// Reads a trace; a function whose lines do not give an init has this one.
pub(super) fn read(origin: &Origin<'_>, text: &str, init: Duration) -> Result<Trace, Error> {
    let mut lines = text.lines().enumerate();
    let (_, head) = lines.next().unwrap_or_default();
    let columns = Columns::of(origin, head)?;
    let mut reader = Reader::default();
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines.try_for_each(|(at, line)| {
        let row = columns.row(line);
        let row = row.map_err(|what| origin.wrong(at + 1, &what))?;
        reader.add(row, init);
        Ok(())
    })?;
    reader.finish(origin)
}

/// An init takes no longer.
const INIT_MS_MAX: f64 = INIT_TIMEOUT_SECS as f64 * 1e3;

/// Where in a line each value is.
struct Columns {
    places: [usize; 4],
    init: Option<usize>,
}

struct Row<'a> {
    at_secs: f64,
    function: &'a str,
    duration_ms: f64,
    memory_mb: f64,
    init_ms: Option<f64>,
}

impl Columns {
    fn of(origin: &Origin<'_>, head: &str) -> Result<Self, Error> {
        let names: Vec<&str> = head.split(',').map(str::trim).collect();
        let place = |wanted: &str| names.iter().position(|name| *name == wanted);
        let mut places = [0; 4];
        for (at, name) in places.iter_mut().zip(COLUMNS) {
            *at = place(name).ok_or_else(|| origin.wrong(1, &format!("no column '{name}'")))?;
        }
        Ok(Self {
            places,
            init: place("init"),
        })
    }

    fn row<'a>(&self, line: &'a str) -> Result<Row<'a>, String> {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        let number = |at: usize, name: &str| match cell(at).parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            _ => Err(format!("{name} '{}' is not a positive number", cell(at))),
        };
        let [at, function, duration, memory] = self.places;
        let function = cell(function);
        if function.is_empty() {
            return Err("no function".to_owned());
        }
        let init = self.init.filter(|at| !cell(*at).is_empty());
        Ok(Row {
            at_secs: number(at, "timestamp")?,
            function,
            duration_ms: number(duration, "duration")?,
            memory_mb: number(memory, "memory")?,
            init_ms: init.map(|at| number(at, "init")).transpose()?,
        })
    }
}

#[derive(Default)]
struct Reader<'a> {
    by_name: HashMap<&'a str, u32>,
    functions: Vec<TraceFunction>,
    /// Moments in seconds, which need the earliest to be subtracted.
    arrivals: Vec<(f64, u32, u32)>,
}

impl<'a> Reader<'a> {
    /// A function has the memory and the init of its first line.
    fn add(&mut self, row: Row<'a>, init: Duration) {
        let functions = &mut self.functions;
        let function = *self.by_name.entry(row.function).or_insert_with(|| {
            let own = row
                .init_ms
                .map(|ms| Duration::from_secs_f64(ms.min(INIT_MS_MAX) / 1e3));
            functions.push(TraceFunction {
                memory: memory_of(row.memory_mb),
                init: own.unwrap_or(init),
            });
            (functions.len() - 1) as u32
        });
        let run_us = (row.duration_ms * 1e3).clamp(1.0, f64::from(TIMEOUT_SECS_MAX) * 1e6);
        self.arrivals.push((row.at_secs, function, run_us as u32));
    }

    fn finish(self, origin: &Origin<'_>) -> Result<Trace, Error> {
        let start = self
            .arrivals
            .iter()
            .map(|(at, _, _)| *at)
            .fold(f64::MAX, f64::min);
        let arrivals = self
            .arrivals
            .into_iter()
            .map(|(at, function, run_us)| Arrival {
                at_us: ((at - start) * 1e6) as u64,
                function,
                run_us,
            });
        Trace::new(
            origin.name(),
            self.functions,
            arrivals.collect(),
            Duration::ZERO,
        )
    }
}

#[cfg(test)]
mod tests {
    use kiln_types::MemoryMb;

    use super::*;

    const INIT: Duration = Duration::from_millis(250);

    fn trace(text: &str) -> Result<Trace, Error> {
        read(&Origin::of("test.csv"), text, INIT)
    }

    #[test]
    fn lines_are_invocations_in_the_order_of_their_time() {
        let text = "timestamp,function,duration,memory\n\
                    1700000012.5,b,20,256\n1700000010,a,1.5,128\n\n1700000011,b,10,512\n";
        let trace = trace(text).unwrap();
        let arrivals: Vec<_> = trace
            .arrivals
            .iter()
            .map(|one| (one.at_us, one.run_us))
            .collect();
        assert_eq!(
            arrivals,
            [(0, 1_500), (1_000_000, 10_000), (2_500_000, 20_000)]
        );
        assert_eq!(trace.functions(), 2);
        let b = &trace.functions[trace.arrivals[1].function as usize];
        assert_eq!((b.memory, b.init), (MemoryMb::new(256).unwrap(), INIT));
        assert_eq!(trace.span(), Duration::from_millis(2_500));
    }

    #[test]
    fn columns_are_found_by_name_and_init_is_optional() {
        let text = "function,init,memory,timestamp,duration,other\na,40,128,0,1,x\nb,,128,0,1,x\n";
        let trace = trace(text).unwrap();
        assert_eq!(trace.functions[0].init, Duration::from_millis(40));
        assert_eq!(trace.functions[1].init, INIT);
    }

    #[test]
    fn what_is_beyond_lambdas_limits_is_cut_to_them() {
        let trace = trace("timestamp,function,duration,memory\n0,a,1e9,1\n0,b,1,99999\n").unwrap();
        assert_eq!(trace.arrivals[0].run_us, 900_000_000);
        assert_eq!(trace.functions[0].memory, MemoryMb::new(128).unwrap());
        assert_eq!(trace.functions[1].memory, MemoryMb::new(10_240).unwrap());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let wrong = |text: &str| trace(text).unwrap_err().to_string();
        assert_eq!(wrong("a,b\n"), "test.csv, line 1: no column 'timestamp'");
        let head = "timestamp,function,duration,memory\n";
        assert_eq!(
            wrong(&format!("{head}1,a,1,128\n1,a,x,128\n")),
            "test.csv, line 3: duration 'x' is not a positive number"
        );
        assert_eq!(
            wrong(&format!("{head}nan,a,1,128\n")),
            "test.csv, line 2: timestamp 'nan' is not a positive number"
        );
        assert_eq!(
            wrong(&format!("{head}1,,1,128\n")),
            "test.csv, line 2: no function"
        );
        assert_eq!(wrong(head), "test.csv has no invocations");
    }
}
