//! From tokens to alternatives: objects, arrays and `$or`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Error;
use super::expression;
use super::json::{Reader, Token};
use super::value::Test;

/// Names that may not be fields below an `$or`: a mistake is more likely than such a field.
const RESERVED: &[&str] = &[
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "html",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];
const OR: &str = "$or";
/// `{"exists": false}` beside other tests of a field doubles the alternatives; so many times at most.
const DOUBLINGS_MAX: u32 = 10;
/// Leaves of all alternatives together: what a pattern may take of memory.
const LEAVES_MAX: usize = 50_000;
const TOO_MANY: &str = "Rule is too complex - it has more combinations than are allowed";

/// One way in which an event can match: all of these. By path, as the matcher needs them.
pub(super) type Alternative = Vec<Field>;

/// What one leaf of an event must be.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Names joined by dots. As in AWS a name with dots is the same as the names between them.
    pub(super) path: Arc<str>,
    pub(super) want: Want,
}

/// What is wanted of a leaf.
#[derive(Debug, Clone)]
pub(super) enum Want {
    /// That it is not there.
    Absent,
    /// That one of these passes.
    Value(Arc<[Test]>),
}

/// The tests of a field; none is "absent".
type Tests = Arc<[Option<Test>]>;
type Fork = BTreeMap<Arc<str>, Tests>;

struct Compiler<'a> {
    reader: Reader<'a>,
    forks: Vec<Fork>,
    forks_max: usize,
}

/// Compiles a pattern's text.
pub(super) fn compile(text: &str, alternatives_max: usize) -> Result<Vec<Alternative>, Error> {
    let mut compiler = Compiler {
        reader: Reader::new(text),
        forks: vec![],
        forks_max: alternatives_max,
    };
    if compiler.reader.token()? != Token::ObjectStart {
        return Err(compiler.reader.error("Filter is not an object"));
    }
    compiler.object("", false)?;
    compiler.reader.end()?;
    let mut alternatives = Vec::new();
    let mut leaves = 0;
    for fork in compiler.forks {
        let split = split(&fork)?;
        leaves += split.len() * fork.len();
        if leaves > LEAVES_MAX {
            return Err(Error(TOO_MANY.to_owned()));
        }
        alternatives.extend(split);
    }
    Ok(alternatives)
}

impl Compiler<'_> {
    /// The fields of an object whose start was read.
    fn object(&mut self, path: &str, is_below_or: bool) -> Result<(), Error> {
        let mut is_empty = true;
        while let Token::Name(name) = self.reader.token()? {
            is_empty = false;
            if name == OR {
                self.or(path)?;
                continue;
            }
            if is_below_or && RESERVED.contains(&name.as_str()) {
                return Err(self.reader.error(format!(
                    "{name} is Ruler reserved fieldName which cannot be used inside {OR}."
                )));
            }
            let path = match path {
                "" => name.clone(),
                above => format!("{above}.{name}"),
            };
            match self.reader.token()? {
                Token::ObjectStart => self.object(&path, is_below_or)?,
                Token::ArrayStart => self.tests(path)?,
                _ => {
                    let what = format!("\"{name}\" must be an object or an array");
                    return Err(self.reader.error(what));
                }
            }
        }
        if is_empty {
            return Err(self.reader.error("Empty objects are not allowed"));
        }
        Ok(())
    }

    /// An `$or`: every fork so far goes on in each of its objects.
    fn or(&mut self, path: &str) -> Result<(), Error> {
        let before = std::mem::take(&mut self.forks);
        let mut after = Vec::new();
        if self.reader.token()? != Token::ArrayStart {
            let what = format!("It must be an Array followed with {OR}.");
            return Err(self.reader.error(what));
        }
        let mut branches = 0;
        loop {
            match self.reader.token()? {
                Token::ArrayEnd => break,
                Token::ObjectStart => {}
                _ => {
                    let what =
                        format!("Only JSON object is allowed in array of {OR} relationship.");
                    return Err(self.reader.error(what));
                }
            }
            branches += 1;
            self.forks = match before.is_empty() {
                true => vec![Fork::new()],
                false => before.clone(),
            };
            self.object(path, true)?;
            after.append(&mut self.forks);
            let leaves: usize = after.iter().map(Fork::len).sum();
            if after.len() > self.forks_max || leaves > LEAVES_MAX {
                return Err(Error(TOO_MANY.to_owned()));
            }
        }
        if branches < 2 {
            let what = format!("There must have at least 2 Objects in {OR} relationship.");
            return Err(self.reader.error(what));
        }
        self.forks = after;
        Ok(())
    }

    /// The tests of a leaf, whose array's start was read.
    fn tests(&mut self, path: String) -> Result<(), Error> {
        let mut tests = Vec::new();
        loop {
            match self.reader.token()? {
                Token::ArrayEnd => break,
                Token::ObjectStart => tests.push(expression::read(&mut self.reader)?),
                Token::String(text) => {
                    self.reader.looked();
                    tests.push(Some(Test::text(text)));
                }
                Token::Number(text) => tests.push(Some(Test::number(&text))),
                Token::True => tests.push(Some(Test::Boolean(true))),
                Token::False => tests.push(Some(Test::Boolean(false))),
                Token::Null => tests.push(Some(Test::Null)),
                _ => {
                    let what = "Match value must be String, number, true, false, or null";
                    return Err(self.reader.error(what));
                }
            }
        }
        if tests.is_empty() {
            return Err(self.reader.error("Empty arrays are not allowed"));
        }
        expression::check_complexity(&tests)?;
        if self.forks.is_empty() {
            self.forks.push(Fork::new());
        }
        let path: Arc<str> = path.into();
        let tests: Tests = tests.into();
        for fork in &mut self.forks {
            // The last one wins, as in AWS, where a path is named twice.
            fork.insert(path.clone(), tests.clone());
        }
        let leaves = self.forks.len() * self.forks[0].len();
        match leaves > LEAVES_MAX {
            true => Err(Error(TOO_MANY.to_owned())),
            false => Ok(()),
        }
    }
}

/// The matcher wants to know of every field whether it must be there: one that may be either makes two
/// alternatives.
fn split(fork: &Fork) -> Result<Vec<Alternative>, Error> {
    let mut alternatives: Vec<Alternative> = vec![vec![]];
    let mut doublings = 0;
    for (path, tests) in fork {
        let values: Vec<Test> = tests.iter().flatten().cloned().collect();
        let mut wants = Vec::new();
        if values.len() < tests.len() {
            wants.push(Want::Absent);
        }
        if !values.is_empty() {
            wants.push(Want::Value(values.into()));
        }
        if wants.len() == 2 {
            doublings += 1;
            if doublings > DOUBLINGS_MAX {
                return Err(Error(TOO_MANY.to_owned()));
            }
        }
        let before = std::mem::take(&mut alternatives);
        for want in wants {
            for alternative in &before {
                let mut longer = alternative.clone();
                longer.push(Field {
                    path: path.clone(),
                    want: want.clone(),
                });
                alternatives.push(longer);
            }
        }
    }
    Ok(alternatives)
}
