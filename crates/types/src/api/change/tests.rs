//! Edits of an API, and what its stages serve afterwards.

use super::*;
use crate::api::integration::PayloadFormat;

const NOW: Timestamp = Timestamp::from_millis(1_795_440_180_000);

fn api() -> Api {
    Api::new("000000000000".parse().unwrap(), "pets".into(), NOW)
}

fn route(key: &str) -> Route {
    Route {
        id: PartId::random(),
        key: key.parse().unwrap(),
        is_managed: false,
        operation: None,
        target: None,
        authorization: Authorization::None,
    }
}

fn integration() -> Integration {
    Integration {
        id: PartId::random(),
        is_managed: false,
        description: None,
        uri: "arn:aws:lambda:us-east-1:000000000000:function:f".into(),
        format: PayloadFormat::V2,
        timeout_ms: 30_000,
        credentials: None,
    }
}

fn jwt(name: &str) -> Authorizer {
    Authorizer {
        id: PartId::random(),
        name: name.into(),
        identity: Vec::new(),
        kind: AuthorizerKind::Jwt {
            issuer: "https://issuer.example".into(),
            audience: vec!["pets".into()],
        },
    }
}

fn stage(name: &str, is_automatic: bool) -> Stage {
    Stage {
        is_automatic,
        ..Stage::new(name.parse().unwrap(), NOW)
    }
}

fn served(api: &Api, stage: &str) -> Vec<String> {
    let stage = &api.stages[&stage.parse::<StageName>().unwrap()];
    let definition = api.served_by(stage);
    let routes = definition
        .into_iter()
        .flat_map(|found| found.routes.values());
    routes.map(|route| route.key.to_string()).collect()
}

#[test]
fn a_route_has_its_key_alone() {
    let mut api = api();
    api.put_route(route("GET /a/{id}"), NOW).unwrap();
    let again = route("GET /a/{id}");
    let key = again.key.clone();
    assert_eq!(
        api.put_route(again, NOW),
        Err(Refusal::RouteExists(key.clone()))
    );
    let other = route("GET /a/{name}");
    let clash = Refusal::VariableClash {
        new: other.key.clone(),
        old: key,
    };
    assert_eq!(api.put_route(other, NOW), Err(clash));
    api.put_route(route("PUT /a/{id}"), NOW).unwrap();
    assert_eq!(api.draft.routes.len(), 2);
}

#[test]
fn a_route_leads_only_to_what_is_there() {
    let mut api = api();
    let nowhere = PartId::random();
    let lost = Route {
        target: Some(nowhere.clone()),
        ..route("GET /")
    };
    assert_eq!(
        api.put_route(lost, NOW),
        Err(Refusal::NoTarget(nowhere.clone()))
    );
    let unguarded = Route {
        authorization: Authorization::Jwt {
            authorizer: nowhere,
            scopes: Vec::new(),
        },
        ..route("GET /")
    };
    assert_eq!(api.put_route(unguarded, NOW), Err(Refusal::NoAuthorizer));
    let authorizer = jwt("j");
    let id = authorizer.id.clone();
    api.put_authorizer(authorizer, NOW).unwrap();
    let of_the_other_kind = Route {
        authorization: Authorization::Function { authorizer: id },
        ..route("GET /")
    };
    assert_eq!(
        api.put_route(of_the_other_kind, NOW),
        Err(Refusal::NoAuthorizer)
    );
}

#[test]
fn what_routes_rely_on_stays() {
    let mut api = api();
    let (integration, authorizer) = (integration(), jwt("j"));
    let (target, guard) = (integration.id.clone(), authorizer.id.clone());
    api.put_integration(integration, NOW).unwrap();
    api.put_authorizer(authorizer, NOW).unwrap();
    let route = Route {
        target: Some(target.clone()),
        authorization: Authorization::Jwt {
            authorizer: guard.clone(),
            scopes: Vec::new(),
        },
        ..route("GET /")
    };
    let id = route.id.clone();
    api.put_route(route, NOW).unwrap();
    let in_use = |part| Err(Refusal::InUse(part, vec![id.clone()]));
    assert_eq!(
        api.remove_integration(&target, NOW),
        in_use(Part::Integration)
    );
    assert_eq!(api.remove_authorizer(&guard, NOW), in_use(Part::Authorizer));
    api.remove_route(&id, NOW).unwrap();
    api.remove_integration(&target, NOW).unwrap();
    api.remove_authorizer(&guard, NOW).unwrap();
    let gone = Err(Refusal::Missing(Part::Integration));
    assert_eq!(api.remove_integration(&target, NOW), gone);
}

#[test]
fn an_automatic_stage_serves_every_change_and_keeps_no_old_ones() {
    let mut api = api();
    api.add_stage(stage("$default", true), NOW).unwrap();
    assert!(api.stages.values().all(|stage| stage.is_without_routes));
    let first = route("GET /a");
    let id = first.id.clone();
    api.put_route(first, NOW).unwrap();
    api.put_route(route("GET /b"), NOW).unwrap();
    let mut keys = served(&api, "$default");
    keys.sort();
    assert_eq!(keys, ["GET /a", "GET /b"]);
    assert_eq!(api.deployments.len(), 1);
    assert!(api.deployments.values().all(|found| found.is_automatic));
    api.remove_route(&id, NOW).unwrap();
    assert_eq!(served(&api, "$default"), ["GET /b"]);
}

#[test]
fn without_routes_an_automatic_stage_serves_nothing() {
    let mut api = api();
    api.add_stage(stage("$default", true), NOW).unwrap();
    let only = route("GET /a");
    let id = only.id.clone();
    api.put_route(only, NOW).unwrap();
    api.remove_route(&id, NOW).unwrap();
    assert!(served(&api, "$default").is_empty());
    assert!(api.deployments.is_empty());
    assert!(api.stages.values().all(|stage| stage.is_without_routes));
}

#[test]
fn another_stage_serves_what_it_is_told_to() {
    let mut api = api();
    api.add_stage(stage("prod", false), NOW).unwrap();
    let prod: StageName = "prod".parse().unwrap();
    assert_eq!(api.deploy(None, Some(&prod), NOW), Err(Refusal::NoRoutes));
    api.put_route(route("GET /a"), NOW).unwrap();
    assert!(served(&api, "prod").is_empty());
    let first = api.deploy(None, Some(&prod), NOW).unwrap();
    api.put_route(route("GET /b"), NOW).unwrap();
    assert_eq!(served(&api, "prod"), ["GET /a"]);
    let second = api.deploy(None, Some(&prod), NOW).unwrap();
    assert_eq!(served(&api, "prod").len(), 2);
    assert_eq!(api.remove_deployment(&second), Err(Refusal::Served));
    let mut back = api.stages[&prod].clone();
    back.deployment = Some(first);
    api.change_stage(back, NOW).unwrap();
    assert_eq!(served(&api, "prod"), ["GET /a"]);
    api.remove_deployment(&second).unwrap();
    let nowhere: StageName = "nowhere".parse().unwrap();
    let missing = Err(Refusal::Missing(Part::Stage));
    assert_eq!(api.deploy(None, Some(&nowhere), NOW), missing);
}

#[test]
fn a_stage_that_deploys_by_itself_is_not_told_what_to_serve() {
    let mut api = api();
    api.put_route(route("GET /a"), NOW).unwrap();
    let id = api.deploy(None, None, NOW).unwrap();
    api.add_stage(stage("$default", true), NOW).unwrap();
    let default = StageName::default_stage();
    let told = Stage {
        deployment: Some(id.clone()),
        ..api.stages[&default].clone()
    };
    assert_eq!(
        api.change_stage(told.clone(), NOW),
        Err(Refusal::DeploysByItself)
    );
    assert_eq!(
        api.deploy(None, Some(&default), NOW),
        Err(Refusal::DeploysByItself)
    );
    let pinned = Stage {
        is_automatic: false,
        ..told
    };
    api.change_stage(pinned, NOW).unwrap();
    assert_eq!(api.stages[&default].deployment, Some(id));
    assert_eq!(api.deployments.len(), 1, "the automatic one is gone");
}

#[test]
fn a_stage_has_settings_only_for_routes_that_are_there() {
    let mut api = api();
    let mut stage = stage("prod", false);
    stage.settings.insert("GET /a".into(), Default::default());
    let refused = Err(Refusal::NoRouteForSettings("GET /a".into()));
    assert_eq!(api.add_stage(stage.clone(), NOW), refused);
    let added = route("GET /a");
    let id = added.id.clone();
    api.put_route(added, NOW).unwrap();
    api.add_stage(stage, NOW).unwrap();
    let renamed = Route {
        id: id.clone(),
        ..route("GET /b")
    };
    api.put_route(renamed, NOW).unwrap();
    let keys = |api: &Api| -> Vec<String> {
        let stages = api.stages.values();
        stages
            .flat_map(|stage| stage.settings.keys().cloned())
            .collect()
    };
    assert_eq!(keys(&api), ["GET /b"]);
    api.remove_route(&id, NOW).unwrap();
    assert!(keys(&api).is_empty());
}

#[test]
fn what_was_made_with_its_api_goes_with_it() {
    let mut api = api();
    let integration = Integration {
        is_managed: true,
        ..integration()
    };
    let route = Route {
        is_managed: true,
        ..route("$default")
    };
    let managed = Stage {
        is_managed: true,
        ..stage("$default", true)
    };
    let (target, id) = (integration.id.clone(), route.id.clone());
    api.put_integration(integration, NOW).unwrap();
    api.put_route(route.clone(), NOW).unwrap();
    api.add_stage(managed, NOW).unwrap();
    let refused = |part| Err(Refusal::Managed(part));
    assert_eq!(api.remove_route(&id, NOW), refused(Part::Route));
    assert_eq!(
        api.remove_integration(&target, NOW),
        refused(Part::Integration)
    );
    assert_eq!(
        api.remove_stage(&StageName::default_stage()),
        refused(Part::Stage)
    );
    let renamed = Route {
        key: "GET /".parse().unwrap(),
        ..route
    };
    assert_eq!(api.put_route(renamed.clone(), NOW), refused(Part::Route));
    api.rekey_managed_route(renamed.key, NOW).unwrap();
    assert_eq!(served(&api, "$default"), ["GET /"]);
}

#[test]
fn every_part_has_its_limit() {
    let mut api = api();
    for number in 0..limits::API_AUTHORIZERS_MAX {
        api.put_authorizer(jwt(&number.to_string()), NOW).unwrap();
    }
    let full = Err(Refusal::TooMany(
        Part::Authorizer,
        limits::API_AUTHORIZERS_MAX,
    ));
    assert_eq!(api.put_authorizer(jwt("more"), NOW), full);
    for number in 0..limits::API_STAGES_MAX {
        api.add_stage(stage(&format!("s{number}"), false), NOW)
            .unwrap();
    }
    let full = Err(Refusal::TooMany(Part::Stage, limits::API_STAGES_MAX));
    assert_eq!(api.add_stage(stage("more", false), NOW), full);
    for number in 0..limits::API_ROUTES_MAX {
        api.put_route(route(&format!("GET /{number}")), NOW)
            .unwrap();
    }
    let full = Err(Refusal::TooMany(Part::Route, limits::API_ROUTES_MAX));
    assert_eq!(api.put_route(route("GET /more"), NOW), full);
    for _ in 0..limits::API_DEPLOYMENTS_MAX {
        api.deploy(None, None, NOW).unwrap();
    }
    let full = Refusal::TooMany(Part::Deployment, limits::API_DEPLOYMENTS_MAX);
    assert_eq!(api.deploy(None, None, NOW), Err(full));
}

#[test]
fn an_api_reads_back_as_it_was_kept() {
    let mut api = api();
    api.put_integration(integration(), NOW).unwrap();
    api.put_route(route("GET /a/{id}"), NOW).unwrap();
    api.put_authorizer(jwt("j"), NOW).unwrap();
    api.add_stage(stage("$default", true), NOW).unwrap();
    api.deploy(Some("by hand".into()), None, NOW).unwrap();
    let text = serde_json::to_string(&api).unwrap();
    assert_eq!(serde_json::from_str::<Api>(&text).unwrap(), api);
}
