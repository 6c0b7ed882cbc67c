//! An evaluator that is slow and plain: on JSON, by sets of facts, with matchers that try everything.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

/// Every document that has a say.
#[derive(Debug, Clone)]
pub struct World {
    pub identity: Vec<Value>,
    pub boundary: Option<Value>,
    pub session: Option<Vec<Value>>,
    pub resource: Option<Value>,
    pub is_trust: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub who: Who,
    pub action: String,
    pub resource: String,
    pub account: Option<String>,
    pub context: BTreeMap<String, Vec<String>>,
}

/// Who asks, all of account 111111111111.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Anonymous,
    Service,
    Root,
    User,
    Session,
    Federated,
}

const ACCOUNT: &str = "111111111111";
const ACCOUNT_ARN: &str = "arn:aws:iam::111111111111:root";

impl Who {
    pub const ALL: [Self; 6] = [
        Self::Anonymous,
        Self::Service,
        Self::Root,
        Self::User,
        Self::Session,
        Self::Federated,
    ];

    /// The name of itself, and of the role or user behind it.
    fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Anonymous => ("", None),
            Self::Service => ("s.amazonaws.com", None),
            Self::Root => (ACCOUNT_ARN, None),
            Self::User => ("arn:aws:iam::111111111111:user/u", None),
            Self::Session => (
                "arn:aws:sts::111111111111:assumed-role/r/s",
                Some("arn:aws:iam::111111111111:role/p/r"),
            ),
            Self::Federated => (
                "arn:aws:sts::111111111111:federated-user/f",
                Some("arn:aws:iam::111111111111:user/u"),
            ),
        }
    }

    fn has_account(self) -> bool {
        !matches!(self, Self::Anonymous | Self::Service)
    }
}

/// `allowed`, `denied`, or which kind of policy would have had to allow.
pub fn decide(world: &World, asked: &Asked) -> &'static str {
    let own: Vec<&Value> = world.identity.iter().flat_map(statements).collect();
    let boundary: Vec<&Value> = world.boundary.iter().flat_map(statements).collect();
    let session: Vec<&Value> = world
        .session
        .iter()
        .flatten()
        .flat_map(statements)
        .collect();
    let resource: Vec<&Value> = world.resource.iter().flat_map(statements).collect();
    let applying = |list: &[&Value], effect: &str| -> Vec<Value> {
        let is = |statement: &&&Value| statement["Effect"] == effect && applies(statement, asked);
        list.iter()
            .filter(is)
            .map(|statement| (**statement).clone())
            .collect()
    };
    let names = |statement: &Value| whom(statement, asked.who, world.boundary.is_some());
    let denies_here = applying(&resource, "Deny")
        .iter()
        .any(|statement| names(statement).is_some());
    let denies = [&own, &boundary, &session]
        .iter()
        .any(|list| !applying(list, "Deny").is_empty());
    if denies || denies_here {
        return "denied";
    }
    let grants: Vec<&str> = applying(&resource, "Allow")
        .iter()
        .filter_map(names)
        .collect();
    if !asked.who.has_account() {
        return if grants.is_empty() {
            "no resource"
        } else {
            "allowed"
        };
    }
    let is_abroad = asked
        .account
        .as_deref()
        .is_some_and(|account| account != ACCOUNT);
    let must_be_granted = is_abroad || (world.is_trust && world.resource.is_some());
    if must_be_granted && !is_abroad && grants.is_empty() {
        return "no resource";
    }
    let is_exempt = !is_abroad && grants.contains(&"itself");
    if asked.who != Who::Root && !is_exempt {
        let through_parent = !is_abroad && grants.contains(&"parent");
        if applying(&own, "Allow").is_empty() && !through_parent {
            return "no identity";
        }
        if world.boundary.is_some() && applying(&boundary, "Allow").is_empty() {
            return "no boundary";
        }
        let lacks_session = match &world.session {
            None => asked.who == Who::Federated,
            Some(_) => applying(&session, "Allow").is_empty(),
        };
        if lacks_session {
            return "no session";
        }
    }
    if is_abroad && grants.is_empty() {
        return "no resource";
    }
    "allowed"
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    document["Statement"].as_array().into_iter().flatten()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// `itself`, `parent` or `account`, when the statement is about who asks.
fn whom(statement: &Value, who: Who, has_boundary: bool) -> Option<&'static str> {
    let (itself, parent) = who.names();
    let listed = |names: &Value| -> (Vec<String>, Vec<String>) {
        if names == "*" {
            return (vec!["*".to_owned()], Vec::new());
        }
        let canonical = |name: String| match name.as_str() {
            "111111111111" => ACCOUNT_ARN.to_owned(),
            _ => name,
        };
        let aws = texts(&names["AWS"]).into_iter().map(canonical).collect();
        (aws, texts(&names["Service"]))
    };
    let has = |list: &[String], name: &str| list.iter().any(|one| one == name);
    if let Some(names) = statement.get("NotPrincipal") {
        let (aws, services) = listed(names);
        let is_left_out = has(&aws, "*")
            || match who {
                Who::Anonymous => false,
                Who::Service => has(&services, itself),
                _ => [Some(itself), parent, Some(ACCOUNT_ARN)]
                    .into_iter()
                    .flatten()
                    .all(|name| has(&aws, name)),
            };
        let always = has_boundary && statement["Effect"] == "Deny";
        return (always || !is_left_out).then_some("itself");
    }
    let (aws, services) = listed(&statement["Principal"]);
    let by_name = if who == Who::Service {
        has(&services, itself)
    } else {
        has(&aws, itself)
    };
    if has(&aws, "*") || by_name {
        Some("itself")
    } else if parent.is_some_and(|parent| has(&aws, parent)) {
        Some("parent")
    } else if who.has_account() && has(&aws, ACCOUNT_ARN) {
        Some("account")
    } else {
        None
    }
}

fn applies(statement: &Value, asked: &Asked) -> bool {
    let action = asked.action.to_lowercase();
    let matches_action = |pattern: &String| glob(&chars(&pattern.to_lowercase()), &chars(&action));
    let actions = match statement.get("Action") {
        Some(list) => texts(list).iter().any(matches_action),
        None => !texts(&statement["NotAction"]).iter().any(matches_action),
    };
    let resources = |list: &Value| -> Vec<Option<bool>> {
        let one = |text: String| {
            let tokens = substitute(&text, &asked.context)?;
            Some(arn(&tokens, &chars(&asked.resource), 0, true))
        };
        texts(list).into_iter().map(one).collect()
    };
    let resource = match statement.get("Resource") {
        Some(list) => resources(list).contains(&Some(true)),
        None => resources(&statement["NotResource"])
            .iter()
            .all(|one| *one == Some(false)),
    };
    let mut conditions = statement
        .get("Condition")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    actions
        && resource
        && conditions.all(|(operator, keys)| {
            let keys = keys.as_object().expect("keys");
            keys.iter()
                .all(|(key, values)| condition(operator, key, &texts(values), &asked.context))
        })
}

fn condition(
    operator: &str,
    key: &str,
    wanted: &[String],
    context: &BTreeMap<String, Vec<String>>,
) -> bool {
    let values = context
        .get(&key.to_lowercase())
        .cloned()
        .unwrap_or_default();
    let base = operator.rsplit(':').next().unwrap_or(operator);
    let if_exists = base.ends_with("IfExists");
    let base = base.trim_end_matches("IfExists");
    if base == "Null" {
        return wanted
            .iter()
            .any(|text| (text == "true") == values.is_empty());
    }
    let is_negated = base.contains("Not");
    let base = base.replace("Not", "");
    // Of each value: matched, unmatched, or undecided.
    let judge = |value: &String| -> bool {
        let outcomes: Vec<Option<bool>> = wanted
            .iter()
            .map(|wanted| compare(&base, wanted, value, context))
            .collect();
        if is_negated {
            outcomes.iter().all(|one| *one == Some(false))
        } else {
            outcomes.contains(&Some(true))
        }
    };
    let set: Vec<String> = if values == [""] {
        Vec::new()
    } else {
        values.clone()
    };
    if operator.starts_with("ForAllValues:") {
        set.iter().all(judge)
    } else if operator.starts_with("ForAnyValue:") {
        set.iter().any(judge)
    } else if values.is_empty() {
        is_negated || if_exists
    } else if is_negated {
        values.iter().all(judge)
    } else {
        values.iter().any(judge)
    }
}

fn compare(
    base: &str,
    wanted: &str,
    value: &str,
    context: &BTreeMap<String, Vec<String>>,
) -> Option<bool> {
    let substituted = || substitute(wanted, context);
    let plain =
        |tokens: Vec<Token>| -> String { tokens.iter().map(|token| token.letter).collect() };
    Some(match base {
        "StringEquals" => plain(substituted()?) == value,
        "StringEqualsIgnoreCase" => plain(substituted()?).to_lowercase() == value.to_lowercase(),
        "StringLike" => glob(&substituted()?, &chars(value)),
        "Bool" => {
            ["true", "false"].contains(&value.to_lowercase().as_str())
                && plain(substituted()?) == value.to_lowercase()
        }
        "ArnLike" | "ArnEquals" => {
            let is_arn = value.split(':').count() >= 6 && value.starts_with("arn:");
            if !is_arn {
                return Some(false);
            }
            wanted == "*" || arn(&substituted()?, &chars(value), 0, false)
        }
        "IpAddress" => in_network(wanted, value),
        _ => {
            let (own, than) = if base.starts_with("Date") {
                (instant(value), instant(wanted))
            } else {
                (value.parse().ok(), wanted.parse().ok())
            };
            let (Some(own), Some(than)): (Option<f64>, Option<f64>) = (own, than) else {
                return Some(false);
            };
            match base
                .trim_start_matches("Date")
                .trim_start_matches("Numeric")
            {
                "Equals" => own == than,
                "LessThan" => own < than,
                "LessThanEquals" => own <= than,
                "GreaterThan" => own > than,
                _ => own >= than,
            }
        }
    })
}

/// The dates that are generated, by a table.
fn instant(text: &str) -> Option<f64> {
    Some(match text {
        "2020-01-01T00:00:00Z" | "1577836800" => 1_577_836_800.0,
        "2021" => 1_609_459_200.0,
        "2020-06" => 1_590_969_600.0,
        "2020-06-15T12:00:00+02:00" => 1_592_215_200.0,
        _ => return None,
    })
}

fn in_network(network: &str, value: &str) -> bool {
    let (address, length) = network.split_once('/').unwrap_or((network, ""));
    let bits = |address: IpAddr| -> String {
        match address {
            IpAddr::V4(address) => address
                .octets()
                .iter()
                .map(|byte| format!("{byte:08b}"))
                .collect(),
            IpAddr::V6(address) => address
                .octets()
                .iter()
                .map(|byte| format!("{byte:08b}"))
                .collect(),
        }
    };
    let (Ok(address), Ok(value)) = (address.parse().map(bits), value.parse().map(bits)) else {
        return false;
    };
    let length = length.parse().unwrap_or(address.len());
    address.len() == value.len() && address[..length] == value[..length]
}

/// A letter; one that was put in by a variable is never a wildcard.
#[derive(Debug, Clone, Copy)]
struct Token {
    letter: char,
    is_literal: bool,
}

impl Token {
    fn is(self, wildcard: char) -> bool {
        !self.is_literal && self.letter == wildcard
    }
}

fn chars(text: &str) -> Vec<Token> {
    text.chars()
        .map(|letter| Token {
            letter,
            is_literal: false,
        })
        .collect()
}

/// The text with its variables replaced; none when one has no value.
fn substitute(text: &str, context: &BTreeMap<String, Vec<String>>) -> Option<Vec<Token>> {
    let Some(start) = text.find("${") else {
        return Some(chars(text));
    };
    let end = start + text[start..].find('}')?;
    let inner = &text[start + 2..end];
    let (key, default) = match inner.split_once(", ") {
        Some((key, default)) => (key, Some(default.trim_matches('\'').to_owned())),
        None => (inner, None),
    };
    let value = match (key, context.get(key).map(Vec::as_slice)) {
        ("*", _) => "*".to_owned(),
        (_, Some([only])) => only.clone(),
        _ => default?,
    };
    let mut tokens = chars(&text[..start]);
    tokens.extend(value.chars().map(|letter| Token {
        letter,
        is_literal: true,
    }));
    tokens.extend(substitute(&text[end + 1..], context)?);
    Some(tokens)
}

fn glob(pattern: &[Token], text: &[Token]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((star, rest)), _) if star.is('*') => {
            (0..=text.len()).any(|taken| glob(rest, &text[taken..]))
        }
        (Some((p, pattern)), Some((t, text))) => {
            (p.is('?') || p.letter == t.letter) && glob(pattern, text)
        }
        _ => false,
    }
}

/// The same by parts of an ARN; with `goes_on` a star that ends its part may cross colons.
fn arn(pattern: &[Token], text: &[Token], colons: usize, goes_on: bool) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    if first.is('*') {
        let ends_part = rest.first().is_none_or(|next| next.letter == ':');
        let may_cross = colons >= 5 || (goes_on && ends_part);
        return (0..=text.len())
            .take_while(|taken| may_cross || text[..*taken].iter().all(|one| one.letter != ':'))
            .any(|taken| arn(rest, &text[taken..], colons, goes_on));
    }
    let Some((t, text)) = text.split_first() else {
        return false;
    };
    let is_same = if first.is('?') {
        colons >= 5 || t.letter != ':'
    } else {
        first.letter == t.letter
    };
    is_same
        && arn(
            rest,
            text,
            colons + usize::from(first.letter == ':'),
            goes_on,
        )
}
