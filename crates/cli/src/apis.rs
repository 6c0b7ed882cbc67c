//! `kiln apis`: the HTTP APIs of this account, or the routes of one.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::{Rows, show};
use crate::{Format, output};

const AFTER_HELP: &str = "\
APIs are made with API Gateway's own clients, or with `kiln deploy DIR --api`.

Examples:
  kiln apis              all of them, with their addresses
  kiln apis pets         the routes and stages of one, by name or id";

/// Which API.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The API's name or id; without it, all are listed
    name: Option<String>,
}

pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let apis = client.apis().await?;
    match &args.name {
        None => list(format, &apis)?,
        Some(name) => describe(client, format, find(&apis, name)?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(format: Format, apis: &[Value]) -> Result<()> {
    match format {
        Format::Json => output::print_json(&json!(apis)),
        Format::Table if apis.is_empty() => {
            eprintln!("no HTTP APIs yet: `kiln deploy DIR --api` makes one");
            Ok(())
        }
        Format::Table => output::print(&list_table(apis)),
    }
}

fn list_table(apis: &[Value]) -> String {
    let mut rows = Rows::new(&["ID", "NAME", "CREATED", "ENDPOINT"]);
    for api in apis {
        let members = ["apiId", "name", "createdDate", "apiEndpoint"];
        rows.push(members.map(|member| show(&api[member])));
    }
    rows.render()
}

/// The API of this id, or the only one of this name.
fn find<'a>(apis: &'a [Value], name: &str) -> Result<&'a Value> {
    if let Some(api) = apis.iter().find(|api| api["apiId"] == name) {
        return Ok(api);
    }
    let mut named = apis.iter().filter(|api| api["name"] == name);
    match (named.next(), named.count()) {
        (Some(api), 0) => Ok(api),
        (Some(_), more) => bail!(
            "{} APIs are called {name}: use an id that `kiln apis` lists",
            more + 1
        ),
        (None, _) => bail!("no API is called {name}, and none has this id: `kiln apis` lists them"),
    }
}

async fn describe(client: &Client, format: Format, api: &Value) -> Result<()> {
    let id = show(&api["apiId"]);
    let mut whole = api.clone();
    whole["routes"] = client.routes(&id).await?.into();
    whole["integrations"] = client.integrations(&id).await?.into();
    whole["stages"] = client.stages(&id).await?.into();
    output::tell(format, &whole, || table(&whole))
}

fn table(api: &Value) -> String {
    let list = |member: &str| api[member].as_array().cloned().unwrap_or_default();
    let mut text = String::new();
    for stage in list("stages") {
        let name = show(&stage["stageName"]);
        let path = match name.as_str() {
            "$default" => String::new(),
            named => format!("/{named}"),
        };
        text += &format!("{}{path}\n", show(&api["apiEndpoint"]));
    }
    text.push('\n');
    let mut rows = Rows::new(&["ROUTE", "AUTHORIZATION", "FUNCTION"]);
    let integrations = list("integrations");
    for route in list("routes") {
        let target = show(&route["target"]);
        let id = target.strip_prefix("integrations/").unwrap_or_default();
        let led_to = integrations
            .iter()
            .find(|found| found["integrationId"] == id);
        rows.push([
            show(&route["routeKey"]),
            show(&route["authorizationType"]),
            show(led_to.map_or(&Value::Null, |found| &found["integrationUri"])),
        ]);
    }
    text + &rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{ok, serve};

    #[test]
    fn an_api_is_found_by_id_or_by_a_name_that_only_it_has() {
        let api = |id: &str, name: &str| json!({"apiId": id, "name": name});
        let apis = [
            api("a", "pets"),
            api("b", "zoo"),
            api("c", "zoo"),
            api("zoo2", "a"),
        ];
        assert_eq!(find(&apis, "pets").unwrap()["apiId"], "a");
        assert_eq!(find(&apis, "a").unwrap()["apiId"], "a");
        assert!(
            find(&apis, "zoo")
                .unwrap_err()
                .to_string()
                .starts_with("2 APIs")
        );
        assert!(find(&apis, "shop").is_err());
    }

    #[test]
    fn a_table_has_the_stages_addresses_and_where_routes_lead() {
        let api = json!({
            "apiEndpoint": "http://a.example",
            "stages": [{"stageName": "$default"}, {"stageName": "prod"}],
            "integrations": [{"integrationId": "i1", "integrationUri": "arn:pets"}],
            "routes": [
                {"routeKey": "GET /pets", "authorizationType": "JWT", "target": "integrations/i1"},
                {"routeKey": "$default", "authorizationType": "NONE"},
            ],
        });
        let text = table(&api);
        assert!(
            text.starts_with("http://a.example\nhttp://a.example/prod\n"),
            "{text}"
        );
        let line = |start: &str| {
            text.lines()
                .find(|line| line.trim_start().starts_with(start))
                .unwrap()
        };
        assert!(line("GET /pets").ends_with("arn:pets"), "{text}");
        assert!(line("$default").ends_with('-'), "{text}");
    }

    #[tokio::test]
    async fn lists_are_read_to_their_end() {
        let pages = |asked: &crate::scripted::Asked| match asked.line.as_str() {
            "GET /v2/apis" => ok(&json!({"items": [{"apiId": "a"}], "nextToken": "t/1"})),
            "GET /v2/apis?nextToken=t%2F1" => ok(&json!({"items": [{"apiId": "b"}]})),
            other => panic!("{other}"),
        };
        let (apis, asked) = serve(pages, async |client| client.apis().await.unwrap()).await;
        assert_eq!(apis.len(), 2);
        assert!(asked[0].authorization.contains("/apigateway/"), "{asked:?}");
    }
}
