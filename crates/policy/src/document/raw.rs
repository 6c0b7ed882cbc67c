//! The shape of a document: which members there are and of what type, before any of them means something.

use std::collections::BTreeMap;

use super::json::Json;
use super::{Error, PolicyKind, Version};

/// A document of the right shape.
pub(super) struct Document {
    /// None: it says none.
    pub(super) version: Option<Version>,
    pub(super) id: Option<String>,
    /// At least one.
    pub(super) statements: Vec<Statement>,
}

/// A statement of the right shape.
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: String,
    pub(super) principals: Option<Listed<Vec<Names>>>,
    pub(super) actions: Option<Listed<Vec<String>>>,
    pub(super) resources: Option<Listed<Vec<String>>>,
    pub(super) conditions: Vec<Condition>,
}

/// What `X` or `NotX` lists.
pub(super) struct Listed<T> {
    pub(super) is_negated: bool,
    pub(super) values: T,
}

/// The principals of one kind.
pub(super) struct Names {
    /// As AWS spells it in documents.
    pub(super) kind: NameKind,
    pub(super) names: Vec<String>,
}

/// The kinds of principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// `"Principal": "*"`, without a kind.
    Everyone,
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

/// One operator, one key and its values.
pub(super) struct Condition {
    pub(super) operator: String,
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

impl Document {
    pub(super) fn read(json: Json, kind: PolicyKind) -> Result<Self, Error> {
        let mut members = json.into_object("the document")?;
        let version = take_text(&mut members, "Version")?;
        let id = take_text(&mut members, "Id")?;
        let statements = members
            .remove("Statement")
            .ok_or_else(|| Error::syntax("there is no `Statement`"))?;
        nothing_left(&members)?;
        let statements: Vec<Statement> = match statements {
            list @ (Json::List(_) | Json::Object(_)) => list
                .into_list()
                .into_iter()
                .map(|statement| Statement::read(statement, kind))
                .collect::<Result<_, _>>()?,
            _ => return Err(Error::syntax("`Statement` is neither an object nor a list")),
        };
        if statements.is_empty() {
            return Err(Error::syntax("`Statement` is empty"));
        }
        Ok(Self {
            version: version.as_deref().map(Version::read).transpose()?,
            id,
            statements,
        })
    }
}

impl Version {
    fn read(text: &str) -> Result<Self, Error> {
        match text {
            "2008-10-17" => Ok(Self::Of2008),
            "2012-10-17" => Ok(Self::Of2012),
            _ => Err(Error::syntax(format!("there is no version `{text}`"))),
        }
    }
}

impl Statement {
    fn read(json: Json, kind: PolicyKind) -> Result<Self, Error> {
        let mut members = json.into_object("a statement")?;
        let effect = take_text(&mut members, "Effect")?
            .ok_or_else(|| Error::syntax("a statement has no `Effect`"))?;
        if !["allow", "deny"].contains(&effect.to_ascii_lowercase().as_str()) {
            return Err(Error::syntax(format!("there is no effect `{effect}`")));
        }
        let sid = take_text(&mut members, "Sid")?;
        let principals = take_listed(&mut members, "Principal", "NotPrincipal")?;
        // Before what is in it is read: AWS says that it may not be there, whatever it is.
        if principals.is_some() && !kind.has_principals() {
            return Err(Error::Principal);
        }
        let statement = Self {
            sid,
            effect,
            principals: principals.map(read_principals).transpose()?,
            actions: take_texts(&mut members, "Action", "NotAction")?,
            resources: take_texts(&mut members, "Resource", "NotResource")?,
            conditions: read_conditions(members.remove("Condition"))?,
        };
        nothing_left(&members)?;
        Ok(statement)
    }
}

type Members = BTreeMap<String, Json>;

fn take_text(members: &mut Members, name: &str) -> Result<Option<String>, Error> {
    members
        .remove(name)
        .map(|value| value.into_text(name))
        .transpose()
}

/// `X` or `NotX`, not both.
fn take_listed(
    members: &mut Members,
    name: &str,
    negated: &str,
) -> Result<Option<Listed<Json>>, Error> {
    let listed = |values, is_negated| Listed { is_negated, values };
    match (members.remove(name), members.remove(negated)) {
        (Some(_), Some(_)) => Err(Error::syntax(format!(
            "a statement has both `{name}` and `{negated}`"
        ))),
        (Some(values), None) => Ok(Some(listed(values, false))),
        (None, Some(values)) => Ok(Some(listed(values, true))),
        (None, None) => Ok(None),
    }
}

fn take_texts(
    members: &mut Members,
    name: &str,
    negated: &str,
) -> Result<Option<Listed<Vec<String>>>, Error> {
    let Some(listed) = take_listed(members, name, negated)? else {
        return Ok(None);
    };
    Ok(Some(Listed {
        is_negated: listed.is_negated,
        values: listed.values.into_texts(name)?,
    }))
}

fn read_principals(listed: Listed<Json>) -> Result<Listed<Vec<Names>>, Error> {
    let Listed { is_negated, values } = listed;
    let values = match values {
        Json::Scalar {
            text,
            is_text: true,
        } if text == "*" => vec![Names {
            kind: NameKind::Everyone,
            names: vec![text],
        }],
        Json::Object(members) => members
            .into_iter()
            .map(read_names)
            .collect::<Result<_, _>>()?,
        _ => return Err(Error::syntax("`Principal` is neither `*` nor an object")),
    };
    Ok(Listed { is_negated, values })
}

fn read_names((kind, names): (String, Json)) -> Result<Names, Error> {
    let known = match kind.as_str() {
        "AWS" => NameKind::Aws,
        "Service" => NameKind::Service,
        "Federated" => NameKind::Federated,
        "CanonicalUser" => NameKind::CanonicalUser,
        _ => {
            return Err(Error::syntax(format!(
                "there is no kind of principal `{kind}`"
            )));
        }
    };
    let names = names.into_texts(&kind)?;
    Ok(Names { kind: known, names })
}

fn read_conditions(json: Option<Json>) -> Result<Vec<Condition>, Error> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let mut conditions = Vec::new();
    for (operator, keys) in json.into_object("`Condition`")? {
        for (key, values) in keys.into_object(&operator)? {
            conditions.push(Condition {
                operator: operator.clone(),
                values: values.into_scalars(&key)?,
                key,
            });
        }
    }
    Ok(conditions)
}

fn nothing_left(members: &Members) -> Result<(), Error> {
    match members.keys().next() {
        None => Ok(()),
        Some(name) => Err(Error::syntax(format!("there is no member `{name}`"))),
    }
}
