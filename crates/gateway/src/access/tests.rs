//! Callers who are not the account itself, and what they may.

use std::sync::Arc;

use kiln_types::Timestamp;
use kiln_types::iam::{Directory, EntityId, EntityPath, Grants, Kind, ManagedPolicy, Refusal};
use kiln_types::iam::{EntityName, Group, PolicyArn, Role, Tags, User};
use serde_json::{Value, json};

use super::*;
use crate::auth::Narrowing;
use crate::lambda::fixture::{Fixture, ROLE};
use crate::{
    apigatewayv2, events, iam, lambda, logs, scheduler, secretsmanager, sns, sqs, ssm, sts,
};

mod around;
mod guests;
mod needs;
mod sessions;

/// A server, asked by somebody else than its administrator.
struct Scene {
    fixture: Fixture,
}

impl Scene {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        Self { fixture }
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut Directory) -> std::result::Result<(), Refusal> + Send + 'static,
    ) {
        let context = &self.fixture.context;
        let identities = context.deps.store.identities();
        let change = |directory: &mut Directory| change(directory).map_err(ApiError::from);
        let changed = identities.change(&context.caller.account, change);
        changed.await.unwrap();
    }

    /// Makes a user with a policy of these statements, who asks from here on.
    async fn user(name: &str, statements: Value) -> Self {
        let mut scene = Self::new().await;
        let user = user(name, grants(&statements));
        let (id, arn) = (
            user.id.clone(),
            user.arn(&scene.fixture.context.caller.account),
        );
        scene.change(|to| to.add_user(user).map(|_| ())).await;
        let caller = &mut scene.fixture.context.caller;
        caller.identity = Identity::User(id);
        caller.arn = arn;
        scene
    }

    fn asks<O: Guarded>(&self, operation: O, members: Value) -> Result<()> {
        let members = members.as_object().unwrap();
        check_operation(&self.fixture.context, operation, members)
    }

    #[track_caller]
    fn may<O: Guarded>(&self, operation: O, members: Value) {
        self.asks(operation, members).unwrap();
    }

    #[track_caller]
    fn may_not<O: Guarded>(&self, operation: O, members: Value) -> String {
        self.asks(operation, members)
            .unwrap_err()
            .message
            .into_owned()
    }
}

fn document(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn allow(action: &str, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

fn deny(action: &str, resource: &str) -> Value {
    json!({"Effect": "Deny", "Action": action, "Resource": resource})
}

fn grants(statements: &Value) -> Grants {
    Grants {
        inline: [("p".parse().unwrap(), document(statements))].into(),
        ..Grants::default()
    }
}

fn user(name: &str, grants: Grants) -> User {
    User {
        id: EntityId::random(Kind::User),
        path: EntityPath::default(),
        name: name.parse().unwrap(),
        created: Timestamp::default(),
        tags: Tags::new(),
        boundary: None,
        groups: Default::default(),
        grants,
    }
}

fn role(name: &str, trust: &Value, grants: Grants) -> Role {
    Role {
        id: EntityId::random(Kind::Role),
        path: EntityPath::default(),
        name: name.parse().unwrap(),
        created: Timestamp::default(),
        trust: document(trust),
        description: None,
        session_secs_max: 3_600,
        tags: Tags::new(),
        boundary: None,
        grants,
    }
}

fn managed(name: &str, statements: &Value) -> ManagedPolicy {
    let name: EntityName = name.parse().unwrap();
    ManagedPolicy::new(
        EntityPath::default(),
        name,
        document(statements),
        Timestamp::default(),
    )
}

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:sum";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:orders";
const QUEUE_URL: &str = "http://localhost:4566/000000000000/orders";

#[tokio::test]
async fn what_nothing_allows_is_refused_in_the_words_of_aws() {
    let scene = Scene::user("ada", json!([allow("lambda:GetFunction", FUNCTION)])).await;
    let named = json!({"FunctionName": "sum"});
    scene.may(lambda::generated::Operation::GetFunction, named.clone());
    let refused = scene
        .asks(lambda::generated::Operation::Invoke, named)
        .unwrap_err();
    assert_eq!(refused.exception, Exception::AccessDenied);
    assert_eq!(
        refused.message,
        format!(
            "User: arn:aws:iam::000000000000:user/ada is not authorized to perform: lambda:InvokeFunction on resource: \
             {FUNCTION} because no identity-based policy allows the lambda:InvokeFunction action"
        )
    );
    let refused = scene.asks(sns::generated::Operation::ListTopics, json!({}));
    assert_eq!(
        refused.unwrap_err().exception,
        Exception::AuthorizationError
    );
}

#[tokio::test]
async fn the_account_itself_may_everything() {
    let scene = Scene::new().await;
    scene.may(
        iam::generated::Operation::DeleteUser,
        json!({"UserName": "ada"}),
    );
    scene.may(
        sqs::generated::Operation::PurgeQueue,
        json!({"QueueUrl": QUEUE_URL}),
    );
}

#[tokio::test]
async fn a_denial_counts_more_than_what_is_allowed() {
    let statements = json!([allow("*", "*"), deny("sqs:DeleteQueue", "*")]);
    let scene = Scene::user("ada", statements).await;
    let queue = json!({"QueueUrl": QUEUE_URL});
    scene.may(sqs::generated::Operation::SendMessage, queue.clone());
    let told = scene.may_not(sqs::generated::Operation::DeleteQueue, queue);
    assert!(
        told.ends_with("with an explicit deny in an identity-based policy"),
        "{told}"
    );
}

#[tokio::test]
async fn a_change_of_a_policy_holds_from_the_next_request_on() {
    let scene = Scene::user("ada", json!([allow("sqs:*", QUEUE)])).await;
    let send = || json!({"QueueUrl": QUEUE_URL});
    scene.may(sqs::generated::Operation::SendMessage, send());
    let name: EntityName = "ada".parse().unwrap();
    let holder = kiln_types::iam::Holder::User(name);
    let less = document(&json!([allow("sqs:Get*", QUEUE)]));
    scene
        .change(move |to| to.put_inline(&holder, "p".parse().unwrap(), less))
        .await;
    scene.may_not(sqs::generated::Operation::SendMessage, send());
}

#[tokio::test]
async fn groups_give_and_a_boundary_bounds() {
    let scene = Scene::user("ada", json!([allow("logs:*", "*")])).await;
    let (queues, bounds) = (
        managed("queues", &json!([allow("sqs:*", "*")])),
        managed("bounds", &json!([allow("sqs:*", "*")])),
    );
    let account = scene.fixture.context.caller.account.clone();
    let (of_queues, of_bounds): (PolicyArn, PolicyArn) =
        (queues.arn(&account), bounds.arn(&account));
    let send = || json!({"QueueUrl": QUEUE_URL});
    scene.may_not(sqs::generated::Operation::SendMessage, send());
    let ada: EntityName = "ada".parse().unwrap();
    let senders: EntityName = "senders".parse().unwrap();
    let of = ada.clone();
    let group = Group {
        id: EntityId::random(Kind::Group),
        path: EntityPath::default(),
        name: senders.clone(),
        created: Timestamp::default(),
        grants: Grants::default(),
    };
    scene
        .change(move |to| {
            to.add_policy(queues)?;
            to.add_policy(bounds)?;
            to.add_group(group)?;
            to.attach(&kiln_types::iam::Holder::Group(senders.clone()), of_queues)?;
            to.join(&of, &senders)
        })
        .await;
    scene.may(sqs::generated::Operation::SendMessage, send());
    scene.may(logs::generated::Operation::DescribeLogGroups, json!({}));
    let bounded = kiln_types::iam::Bounded::User(ada);
    scene
        .change(move |to| to.set_boundary(&bounded, Some(of_bounds)))
        .await;
    scene.may(sqs::generated::Operation::SendMessage, send());
    let told = scene.may_not(logs::generated::Operation::DescribeLogGroups, json!({}));
    assert!(told.contains("no permissions boundary allows"), "{told}");
}

#[tokio::test]
async fn a_queue_s_policy_lets_in_whom_it_names_and_denies_whom_it_denies() {
    let scene = Scene::user("ada", json!([allow("logs:*", "*")])).await;
    let context = &scene.fixture.context;
    let put = |statements: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let request = sqs::generated::SetQueueAttributesRequest {
            queue_url: QUEUE_URL.to_owned(),
            attributes: [("Policy".to_owned(), policy)].into(),
        };
        async move {
            let set = sqs::queue::set_queue_attributes::handle(context, request);
            set.await.unwrap();
        }
    };
    scene.fixture.make_queue("orders").await;
    let send = || json!({"QueueUrl": QUEUE_URL});
    scene.may_not(sqs::generated::Operation::SendMessage, send());
    let ada = json!({"AWS": "arn:aws:iam::000000000000:user/ada"});
    let of = |effect: &str, who: &Value| json!({"Effect": effect, "Principal": who, "Action": "sqs:SendMessage", "Resource": QUEUE});
    put(json!([of("Allow", &ada)])).await;
    scene.may(sqs::generated::Operation::SendMessage, send());
    scene.may_not(sqs::generated::Operation::ReceiveMessage, send());
    put(json!([of("Allow", &ada), of("Deny", &json!("*"))])).await;
    let told = scene.may_not(sqs::generated::Operation::SendMessage, send());
    assert!(
        told.ends_with("with an explicit deny in a resource-based policy"),
        "{told}"
    );
}

#[tokio::test]
async fn conditions_ask_for_where_a_request_came_from() {
    let only_from = |range: &str| {
        json!([{"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Condition": {
            "IpAddress": {"aws:SourceIp": range}, "StringEquals": {"aws:RequestedRegion": "us-east-1"}
        }}])
    };
    let send = || json!({"QueueUrl": QUEUE_URL});
    let near = Scene::user("ada", only_from("192.0.2.0/24")).await;
    near.may(sqs::generated::Operation::SendMessage, send());
    let far = Scene::user("ada", only_from("198.51.100.0/24")).await;
    far.may_not(sqs::generated::Operation::SendMessage, send());
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_gives_nothing() {
    let scene = Scene::user("ada", json!([allow("*", "*")])).await;
    let holder = kiln_types::iam::Holder::User("ada".parse().unwrap());
    scene
        .change(move |to| to.put_inline(&holder, "q".parse().unwrap(), "nonsense".into()))
        .await;
    let told = scene.may_not(sqs::generated::Operation::ListQueues, json!({}));
    assert!(
        told.contains("policy q of user/ada cannot be read"),
        "{told}"
    );
}
