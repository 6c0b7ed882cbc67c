//! Writes every operation's name, route and status, handled or not.

use std::fmt::Write;

use super::model::{Http, Model, Operation};

/// The operations of one service.
pub fn write(model: &Model) -> anyhow::Result<String> {
    let mut code = String::from(
        "\n/// Every operation of the service.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\npub(crate) enum Operation {\n",
    );
    for name in model.operations.keys() {
        writeln!(code, "    {name},")?;
    }
    code += "}\n\nimpl Operation {\n";
    code += &all(model)?;
    code += &name(model)?;
    code += &success(model)?;
    code += "}\n";
    if model.metadata.protocol == "rest-json" {
        code += &route(model)?;
    }
    if model.metadata.protocol == "rest-xml" {
        code += &by_parameter(model)?;
    }
    Ok(code)
}

fn all(model: &Model) -> anyhow::Result<String> {
    let mut code = String::from("/// All of them.\npub(crate) const ALL: &[Operation] = &[\n");
    for name in model.operations.keys() {
        writeln!(code, "Operation::{name},")?;
    }
    Ok(code + "];\n\n")
}

fn name(model: &Model) -> anyhow::Result<String> {
    let mut code = String::from(
        "/// Its name.\npub(crate) fn name(self) -> &'static str {\n    match self {\n",
    );
    for name in model.operations.keys() {
        writeln!(code, "Operation::{name} => {name:?},")?;
    }
    Ok(code + "}\n}\n\n")
}

fn success(model: &Model) -> anyhow::Result<String> {
    let mut code =
        String::from("/// The status of success.\npub(crate) fn success(self) -> u16 {\n");
    let mut arms = String::new();
    for status in [201, 202, 204] {
        let with_status =
            |(_, operation): &(&String, &Operation)| operation.http.response_code == status;
        let names: Vec<String> = model
            .operations
            .iter()
            .filter(with_status)
            .map(|(name, _)| format!("Operation::{name}"))
            .collect();
        if !names.is_empty() {
            writeln!(arms, "{} => {status},", names.join(" | "))?;
        }
    }
    for operation in model.operations.values() {
        anyhow::ensure!(
            [200, 201, 202, 204].contains(&operation.http.response_code),
            "a status of success that is new"
        );
    }
    if arms.is_empty() {
        code += "200\n";
    } else {
        write!(code, "match self {{\n{arms}_ => 200,\n}}\n")?;
    }
    Ok(code + "}\n")
}

/// A table of the operations that are told by a parameter of the query string: method, whether there is a key, and
/// the parameter. The rest is told by what is not in the model's paths.
fn by_parameter(model: &Model) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for (name, operation) in &model.operations {
        let Http {
            method,
            request_uri,
            ..
        } = &operation.http;
        if let Some((path, query)) = request_uri.split_once('?') {
            let parameter = query.split('&').next().unwrap_or(query);
            let on_key = path.contains("{Key+}");
            rows.push((method, on_key, parameter, name));
        }
    }
    // Of two names of one thing the longer is the one that replaced the other.
    rows.sort_by_key(|(method, on_key, parameter, name)| {
        (
            *method,
            *on_key,
            *parameter,
            std::cmp::Reverse(name.len()),
            *name,
        )
    });
    rows.dedup_by_key(|(method, on_key, parameter, _)| (*method, *on_key, *parameter));
    let mut code = String::from(
        "\n/// Operations that a parameter tells: method, whether there is a key, and the parameter.\n\
         pub(crate) const BY_PARAMETER: &[(&str, bool, &str, Operation)] = &[\n",
    );
    for (method, on_key, parameter, name) in rows {
        writeln!(
            code,
            "({method:?}, {on_key}, {parameter:?}, Operation::{name}),"
        )?;
    }
    Ok(code + "];\n")
}

/// A function that finds the operation of a method and the segments of a path.
fn route(model: &Model) -> anyhow::Result<String> {
    let mut arms = Vec::new();
    for (name, operation) in &model.operations {
        arms.push(arm(name, operation));
    }
    // Routes with a query string are special cases of those without: they come first.
    arms.sort();
    let reads_query = arms.iter().any(|(is_without_query, _)| !is_without_query);
    let query = if reads_query { "query" } else { "_query" };
    let mut code = format!(
        "\n/// The operation behind a method, a path's segments and a query string.\n\
         pub(crate) fn route<'p>(\n    method: &str,\n    path: &[&'p str],\n    {query}: &str,\n\
         ) -> Option<Matched<'p, Operation>> {{\n    match (method, path) {{\n",
    );
    for (_, arm) in arms {
        code += &arm;
    }
    Ok(code + "_ => None,\n}\n}\n")
}

fn arm(name: &str, operation: &Operation) -> (bool, String) {
    let (path, query) = match operation.http.request_uri.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (operation.http.request_uri.as_str(), None),
    };
    let (mut segments, mut labels) = (Vec::new(), Vec::new());
    for segment in path.trim_matches('/').split('/') {
        match segment
            .strip_prefix('{')
            .and_then(|label| label.strip_suffix('}'))
        {
            Some(label) => {
                let variable = super::names::snake(label);
                labels.push(format!("({label:?}, {variable})"));
                segments.push(variable);
            }
            None => segments.push(format!("{segment:?}")),
        }
    }
    let guard = match query {
        Some(query) => format!(" if has_parameter(query, {query:?})"),
        None => String::new(),
    };
    let arm = format!(
        "({:?}, [{}]){guard} => Some(Matched::new(Operation::{name}, &[{}])),\n",
        operation.http.method,
        segments.join(", "),
        labels.join(", "),
    );
    (query.is_none(), arm)
}
