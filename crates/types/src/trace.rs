//! The tracing header, and in it the lineage: how often each function is in a chain of invocations.
//!
//! `Root=1-…;Parent=…;Sampled=0;Lineage=a87bd80c:1|68fd508a:5` (X-Ray developer guide, "Tracing
//! header"). A function finds it in `_X_AMZN_TRACE_ID`, and AWS's SDKs send it on with every request
//! that they make there. What else is in it is passed on as it came.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::name::FunctionId;

/// Functions that a lineage remembers; a chain through more forgets those it met first.
const LINEAGE_MAX: usize = 64;

/// A tracing header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The parts but for the lineage.
    parts: Vec<String>,
    lineage: Vec<(String, u32)>,
}

impl Trace {
    /// Reads a header; what cannot be read of its lineage is as if it were not there.
    pub fn read(header: &str) -> Self {
        let (mut parts, mut lineage) = (Vec::new(), Vec::new());
        for part in header.split(';').map(str::trim) {
            match part.strip_prefix("Lineage=") {
                Some(entries) => lineage.extend(entries.split('|').filter_map(read_entry)),
                None if part.is_empty() => {}
                None => parts.push(part.to_owned()),
            }
        }
        Self { parts, lineage }
    }

    /// Goes into a function: tells how often the chain has been there before.
    pub fn enter(&mut self, function: &FunctionId) -> u32 {
        let name = short_name(function);
        let found = self.lineage.iter().position(|(known, _)| *known == name);
        let before = found.map_or(0, |at| self.lineage.remove(at).1.saturating_add(1));
        self.lineage.push((name, before));
        let forgotten = self.lineage.len().saturating_sub(LINEAGE_MAX);
        self.lineage.drain(..forgotten);
        before
    }

    /// How often the chain has been in a function.
    pub fn hops(&self, function: &FunctionId) -> u32 {
        let name = short_name(function);
        let found = self.lineage.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, count)| count.saturating_add(1))
    }
}

fn read_entry(entry: &str) -> Option<(String, u32)> {
    let (name, count) = entry.split_once(':')?;
    Some((name.to_owned(), count.parse().ok()?))
}

/// Eight hexadecimal digits: the lineage grows with every function and is part of an environment
/// variable and of every request.
fn short_name(function: &FunctionId) -> String {
    let digest = Sha256::digest(function.to_string().as_bytes());
    digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join(";"))?;
        for (at, (name, count)) in self.lineage.iter().enumerate() {
            let before = match (at, self.parts.is_empty()) {
                (0, true) => "Lineage=",
                (0, false) => ";Lineage=",
                _ => "|",
            };
            write!(f, "{before}{name}:{count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn function(name: &str) -> FunctionId {
        FunctionId {
            account: Default::default(),
            name: name.parse().unwrap(),
        }
    }

    #[test]
    fn a_chain_counts_each_function_on_its_own() {
        let mut header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1".to_owned();
        for round in 0..20 {
            for name in ["a", "b"] {
                let mut trace = Trace::read(&header);
                assert_eq!(trace.hops(&function(name)), round);
                assert_eq!(trace.enter(&function(name)), round);
                header = trace.to_string();
            }
        }
        assert!(header.starts_with("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1;Lineage="));
    }

    #[test]
    fn a_long_chain_forgets_its_beginning_and_stays_short() {
        let mut trace = Trace::read("Root=1");
        for number in 0..200 {
            trace.enter(&function(&format!("f{number}")));
        }
        assert_eq!(trace.hops(&function("f199")), 1);
        assert_eq!(trace.hops(&function("f0")), 0);
        assert!(trace.to_string().len() < 1_024);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_what_is_written_reads_back(header in ".{0,200}") {
            let mut trace = Trace::read(&header);
            trace.enter(&function("f"));
            prop_assert_eq!(Trace::read(&trace.to_string()), trace);
        }
    }
}
