//! What the operator asks of accounts, and what is refused.

use http::Method;
use serde_json::Value;

use crate::admin::handle;
use crate::lambda::fixture::Fixture;

const ID: &str = "123456789012";

async fn ask(fixture: &Fixture, method: Method, rest: &str, query: &str) -> (u16, Value) {
    let path = format!("/_kiln/{rest}");
    let answer = handle(&fixture.context, &method, &path, query).await;
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(answer.body()).unwrap())
}

async fn create(fixture: &Fixture) -> Value {
    let query = format!("name=Shop&id={ID}");
    let (status, made) = ask(fixture, Method::POST, "tenants", &query).await;
    assert_eq!(status, 200, "{made}");
    made
}

#[tokio::test]
async fn tenants_are_for_the_servers_own_account() {
    let mut fixture = Fixture::new().await;
    fixture.context.caller.account = ID.parse().unwrap();
    for (method, rest) in [
        (Method::GET, "tenants"),
        (Method::GET, "tenants/123456789012"),
        (Method::POST, "tenants"),
        (Method::POST, "tenants/limit"),
        (Method::POST, "tenants/erase"),
    ] {
        let (status, refused) = ask(&fixture, method, rest, "").await;
        assert_eq!(status, 403, "{rest}: {refused}");
    }
}

#[tokio::test]
async fn a_tenant_is_made_with_a_key_and_listed_and_shown() {
    let fixture = Fixture::new().await;
    let made = create(&fixture).await;
    assert_eq!((&made["id"], &made["name"]), (&ID.into(), &"Shop".into()));
    assert_eq!(made["secretAccessKey"].as_str().unwrap().len(), 40);
    let keys = fixture.context.deps.store.keys();
    let key = keys.get(made["accessKeyId"].as_str().unwrap()).unwrap();
    assert_eq!((key.account.as_str(), key.active), (ID, true));
    let (_, listed) = ask(&fixture, Method::GET, "tenants", "").await;
    let ids: Vec<_> = listed["tenants"].as_array().unwrap().iter().collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(
        (&ids[0]["id"], &ids[0]["isOwn"]),
        (&"000000000000".into(), &true.into())
    );
    assert_eq!(
        (&ids[1]["id"], &ids[1]["state"]),
        (&ID.into(), &"active".into())
    );
    let (_, shown) = ask(&fixture, Method::GET, "tenants/123456789012", "").await;
    assert_eq!(shown["has"]["accessKeys"], 1);
    assert_eq!(
        (&shown["codeBytes"], &shown["usage"]["invocations"]),
        (&0.into(), &0.into())
    );
    assert!(shown.get("secretAccessKey").is_none());
    let (status, _) = ask(&fixture, Method::GET, "tenants/999999999999", "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn an_id_is_made_where_none_is_given_and_taken_once() {
    let fixture = Fixture::new().await;
    let (_, made) = ask(&fixture, Method::POST, "tenants", "name=a").await;
    let id = made["id"].as_str().unwrap();
    assert!(id.len() == 12 && !id.starts_with('0'), "{id}");
    for taken in [id, "000000000000"] {
        let query = format!("name=b&id={taken}");
        let (status, refused) = ask(&fixture, Method::POST, "tenants", &query).await;
        assert_eq!(status, 409, "{refused}");
    }
    for query in ["", "name=", "name=a&id=12", "name=a%0Ab"] {
        let (status, refused) = ask(&fixture, Method::POST, "tenants", query).await;
        assert_eq!(status, 400, "{query}: {refused}");
    }
}

#[tokio::test]
async fn limits_are_set_one_by_one_and_taken_away() {
    let fixture = Fixture::new().await;
    create(&fixture).await;
    let limit = async |query: &str| {
        let query = format!("id={ID}&{query}");
        ask(&fixture, Method::POST, "tenants/limit", &query).await
    };
    let (_, limited) = limit("concurrency=5&codeBytes=1000").await;
    assert_eq!(limited["limits"]["concurrency"], 5);
    assert_eq!(limited["limits"]["functions"], Value::Null);
    let (_, limited) = limit("functions=0&concurrency=none").await;
    assert_eq!(limited["limits"]["concurrency"], Value::Null);
    assert_eq!(
        (
            &limited["limits"]["functions"],
            &limited["limits"]["codeBytes"]
        ),
        (&0.into(), &1000.into())
    );
    for query in ["", "concurrency=many", "functions=-1"] {
        assert_eq!(limit(query).await.0, 400, "{query}");
    }
    let unknown = "id=999999999999&functions=1";
    let (status, _) = ask(&fixture, Method::POST, "tenants/limit", unknown).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn nothing_is_erased_without_the_id_repeated_nor_the_servers_own() {
    let fixture = Fixture::new().await;
    create(&fixture).await;
    for query in [
        "",
        "id=123456789012",
        "id=123456789012&confirm=123456789013",
        "id=000000000000&confirm=000000000000",
    ] {
        let (status, refused) = ask(&fixture, Method::POST, "tenants/erase", query).await;
        assert_eq!(status, 400, "{query}: {refused}");
    }
    let (_, shown) = ask(&fixture, Method::GET, "tenants/123456789012", "").await;
    assert_eq!(shown["state"], "active");
}

#[tokio::test]
async fn an_erased_tenant_is_gone_and_the_audit_log_says_so() {
    let fixture = Fixture::new().await;
    let made = create(&fixture).await;
    let query = format!("id={ID}&confirm={ID}");
    let (status, report) = ask(&fixture, Method::POST, "tenants/erase", &query).await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(report["removed"]["accessKeys"], 1);
    assert_eq!(report["dataKeys"].as_array().unwrap().len(), 1);
    assert!(report["searched"]["files"].as_u64() > Some(4), "{report}");
    let store = &fixture.context.deps.store;
    assert_eq!(
        store.keys().get(made["accessKeyId"].as_str().unwrap()),
        None
    );
    assert!(store.tenants().is_closed(&ID.parse().unwrap()));
    let (status, _) = ask(&fixture, Method::POST, "tenants/erase", &query).await;
    assert_eq!(status, 404, "it is gone");
    let (_, audit) = ask(&fixture, Method::GET, "audit", "").await;
    let records = audit["records"].as_array().unwrap();
    let erased = records
        .iter()
        .find(|one| one["record"]["eventName"] == "TenantErased");
    let details = &erased.unwrap()["record"]["serviceEventDetails"];
    assert_eq!(details["dataKeys"], report["dataKeys"]);
    // The account can be made anew, and is another one.
    create(&fixture).await;
    assert!(!store.tenants().is_closed(&ID.parse().unwrap()));
}
