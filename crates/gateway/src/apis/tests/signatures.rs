//! Routes for keys that sign.

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::HeaderMap;
use kiln_store::AccessKey;

use super::*;

async fn world() -> World {
    let world = World::routed("2.0", "prod", &[]).await;
    let integration = world.site.integrate("2.0").await;
    let route = wire::CreateRouteRequest {
        route_key: "GET /pets".into(),
        target: Some(format!("integrations/{integration}")),
        authorization_type: Some("AWS_IAM".into()),
        ..Default::default()
    };
    world.site.route_as(route).await.unwrap();
    world
}

impl World {
    async fn key(&self, account: &str) -> Arc<AccessKey> {
        let keys = self.gateway.deps.store.keys();
        keys.create(&account.parse().unwrap(), "ann").await.unwrap()
    }

    /// A request for `/prod/pets`, signed as an SDK's signer does it.
    fn signed(&self, key: &AccessKey, service: &str) -> Request<&'static str> {
        let host = format!("{}.execute-api.us-east-1.localhost:4566", self.site.id);
        let credentials =
            aws_credential_types::Credentials::new(&key.id, &key.secret, None, None, "test");
        let identity = credentials.into();
        let now = Duration::from_millis(self.site.fixture.context.now.as_millis() as u64);
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(std::time::SystemTime::UNIX_EPOCH + now)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = [("host", host.as_str())];
        let url = format!("http://{host}/prod/pets");
        let body = SignableBody::Bytes(b"");
        let request = SignableRequest::new("GET", url, headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
        let mut headers = HeaderMap::new();
        headers.insert("host", host.parse().unwrap());
        for (name, value) in instructions.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let mut request = Request::get("/prod/pets").body("").unwrap();
        *request.headers_mut() = headers;
        request
    }
}

#[tokio::test]
async fn a_key_of_the_apis_account_may_use_a_route_for_keys() {
    let world = world().await;
    let key = world.key("000000000000").await;
    let response = world.send(world.signed(&key, "execute-api")).await;
    assert_eq!(response.status(), 200, "{:?}", response.body());
    let iam = &world.event()["requestContext"]["authorizer"]["iam"];
    assert_eq!(iam["accessKey"], key.id);
    assert_eq!(iam["userArn"], "arn:aws:iam::000000000000:user/ann");
}

#[tokio::test]
async fn who_does_not_sign_for_the_api_with_a_key_of_its_account_is_refused() {
    let world = world().await;
    is(&world.get("/prod/pets").await, 403, "Forbidden");
    let (own, other) = (
        world.key("000000000000").await,
        world.key("111122223333").await,
    );
    for (key, service) in [(&own, "lambda"), (&other, "execute-api")] {
        let response = world.send(world.signed(key, service)).await;
        is(&response, 403, "Forbidden");
    }
    let mut forged = world.signed(&own, "execute-api");
    *forged.uri_mut() = "/prod/pets?x=1".parse().unwrap();
    is(&world.send(forged).await, 403, "Forbidden");
    assert_eq!(world.invocations(), 0);
}
