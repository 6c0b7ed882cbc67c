//! Calls of Identity and Access Management.

use anyhow::{Context as _, Result, bail};

use super::query::{members, pages, text, unescaped};
use super::{Client, Service};

/// A user or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created: String,
}

/// An access key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) is_active: bool,
    pub(crate) created: String,
}

/// An access key that was made just now.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NewKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// What would be decided about an action on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Simulated {
    pub(crate) action: String,
    pub(crate) resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub(crate) decision: String,
    /// Whether a boundary lets it through, where there is one.
    pub(crate) is_within_boundary: Option<bool>,
    /// The statements that decided.
    pub(crate) by: Vec<Matched>,
}

/// A statement, by its policy and where it begins there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) policy: String,
    pub(crate) line: Option<String>,
    pub(crate) column: Option<String>,
}

/// Whose an access key is, and its last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyUse {
    /// None: the account's own.
    pub(crate) user: Option<String>,
    pub(crate) at: Option<String>,
    pub(crate) service: Option<String>,
}

impl Client {
    /// All users.
    pub(crate) async fn users(&self) -> Result<Vec<Identity>> {
        let pages = self.identity_pages("ListUsers", &[]).await?;
        Ok(identities(&pages, "UserName"))
    }

    /// All roles.
    pub(crate) async fn roles(&self) -> Result<Vec<Identity>> {
        let pages = self.identity_pages("ListRoles", &[]).await?;
        Ok(identities(&pages, "RoleName"))
    }

    /// The keys of a user, or of whoever calls.
    pub(crate) async fn keys(&self, user: Option<&str>) -> Result<Vec<Key>> {
        let pages = self.identity_pages("ListAccessKeys", &of(user)).await?;
        let members = pages.iter().flat_map(|page| members(page));
        let key = |one: &str| {
            Some(Key {
                id: text(one, "AccessKeyId")?,
                is_active: text(one, "Status")? == "Active",
                created: text(one, "CreateDate")?,
            })
        };
        Ok(members.filter_map(key).collect())
    }

    /// Makes a key.
    pub(crate) async fn create_key(&self, user: Option<&str>) -> Result<NewKey> {
        let answer = self.identity_call("CreateAccessKey", &of(user)).await?;
        Ok(NewKey {
            id: text(&answer, "AccessKeyId").unwrap_or_default(),
            secret: text(&answer, "SecretAccessKey").unwrap_or_default(),
        })
    }

    /// Switches a key on or off.
    pub(crate) async fn switch_key(
        &self,
        user: Option<&str>,
        id: &str,
        is_active: bool,
    ) -> Result<()> {
        let status = if is_active { "Active" } else { "Inactive" };
        let mut form = of(user);
        form.push(("AccessKeyId".to_owned(), id.to_owned()));
        form.push(("Status".to_owned(), status.to_owned()));
        self.identity_call("UpdateAccessKey", &form)
            .await
            .map(|_| ())
    }

    /// Forgets a key.
    pub(crate) async fn delete_key(&self, user: Option<&str>, id: &str) -> Result<()> {
        let mut form = of(user);
        form.push(("AccessKeyId".to_owned(), id.to_owned()));
        self.identity_call("DeleteAccessKey", &form)
            .await
            .map(|_| ())
    }

    /// Whose a key is, and when and for what it was last used.
    pub(crate) async fn key_use(&self, id: &str) -> Result<KeyUse> {
        let form = [("AccessKeyId".to_owned(), id.to_owned())];
        let answer = self.identity_call("GetAccessKeyLastUsed", &form).await?;
        Ok(KeyUse {
            user: text(&answer, "UserName"),
            at: text(&answer, "LastUsedDate"),
            service: text(&answer, "ServiceName").filter(|service| service != "N/A"),
        })
    }

    /// The ARN of `user/NAME`, `group/NAME` or `role/NAME`; an ARN is its own.
    pub(crate) async fn identity_arn(&self, who: &str) -> Result<String> {
        let (operation, member, name) = match who.split_once('/') {
            _ if who.starts_with("arn:") => return Ok(who.to_owned()),
            Some(("user", name)) => ("GetUser", "UserName", name),
            Some(("group", name)) => ("GetGroup", "GroupName", name),
            Some(("role", name)) => ("GetRole", "RoleName", name),
            _ => {
                bail!("'{who}' is nobody\n  next: write user/NAME, group/NAME, role/NAME or an ARN")
            }
        };
        let form = [(member.to_owned(), name.to_owned())];
        let answer = self.identity_call(operation, &form).await?;
        text(&answer, "Arn").context("the answer names nobody")
    }

    /// What the policies of a user, a group or a role would decide.
    pub(crate) async fn simulate(
        &self,
        arn: &str,
        actions: &[String],
        resources: &[String],
        context: &[(String, Vec<String>)],
    ) -> Result<Vec<Simulated>> {
        let mut form = vec![("PolicySourceArn".to_owned(), arn.to_owned())];
        form.extend(listed("ActionNames", actions));
        form.extend(listed("ResourceArns", resources));
        for (number, (key, values)) in context.iter().enumerate() {
            let entry = format!("ContextEntries.member.{}", number + 1);
            form.push((format!("{entry}.ContextKeyName"), key.clone()));
            form.push((format!("{entry}.ContextKeyType"), "stringList".to_owned()));
            form.extend(listed(&format!("{entry}.ContextKeyValues"), values));
        }
        let pages = self.identity_pages("SimulatePrincipalPolicy", &form);
        Ok(pages
            .await?
            .iter()
            .flat_map(|page| simulated(page))
            .collect())
    }

    /// All pages of a list.
    async fn identity_pages(
        &self,
        operation: &'static str,
        form: &[(String, String)],
    ) -> Result<Vec<String>> {
        let call = async |form: Vec<_>| self.identity_call(operation, &form).await;
        pages("Marker", form, call).await
    }

    async fn identity_call(
        &self,
        operation: &'static str,
        form: &[(String, String)],
    ) -> Result<String> {
        let version = "2010-05-08";
        self.query(Service::Iam, version, operation, form).await
    }
}

fn of(user: Option<&str>) -> Vec<(String, String)> {
    let named = user.map(|user| ("UserName".to_owned(), user.to_owned()));
    named.into_iter().collect()
}

fn identities(pages: &[String], name: &str) -> Vec<Identity> {
    let members = pages.iter().flat_map(|page| members(page));
    let identity = |one: &str| {
        Some(Identity {
            name: text(one, name)?,
            arn: text(one, "Arn")?,
            created: text(one, "CreateDate")?,
        })
    };
    members.filter_map(identity).collect()
}

/// A list as forms have it.
fn listed(name: &str, values: &[String]) -> Vec<(String, String)> {
    let numbered = values.iter().enumerate();
    let member = |(number, value): (usize, &String)| {
        (format!("{name}.member.{}", number + 1), value.clone())
    };
    numbered.map(member).collect()
}

/// The results of a simulation, each of which begins with its action.
fn simulated(xml: &str) -> Vec<Simulated> {
    let results = xml.split("<EvalActionName>").skip(1);
    let read = |result: &str| {
        let (action, rest) = result.split_once("</EvalActionName>")?;
        let statements = rest.split("<SourcePolicyId>").skip(1);
        let matched = |statement: &str| {
            let (policy, rest) = statement.split_once("</SourcePolicyId>")?;
            Some(Matched {
                policy: unescaped(policy),
                line: text(rest, "Line"),
                column: text(rest, "Column"),
            })
        };
        Some(Simulated {
            action: unescaped(action),
            resource: text(rest, "EvalResourceName")?,
            decision: text(rest, "EvalDecision")?,
            is_within_boundary: text(rest, "AllowedByPermissionsBoundary").map(|is| is == "true"),
            by: statements.filter_map(matched).collect(),
        })
    };
    results.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_decisions_are_read_with_their_statements() {
        let xml = "<EvaluationResults><member><EvalActionName>sqs:SendMessage</EvalActionName>\
                   <EvalResourceName>*</EvalResourceName><EvalDecision>explicitDeny</EvalDecision>\
                   <MatchedStatements><member><SourcePolicyId>policy a&amp;b of user/x</SourcePolicyId>\
                   <StartPosition><Line>2</Line><Column>5</Column></StartPosition></member></MatchedStatements></member>\
                   <member><EvalActionName>s3:GetObject</EvalActionName><EvalResourceName>*</EvalResourceName>\
                   <EvalDecision>implicitDeny</EvalDecision><MatchedStatements></MatchedStatements></member></EvaluationResults>";
        let read = simulated(xml);
        assert_eq!(read.len(), 2);
        let matched = Matched {
            policy: "policy a&b of user/x".to_owned(),
            line: Some("2".to_owned()),
            column: Some("5".to_owned()),
        };
        assert_eq!(
            (read[0].decision.as_str(), &read[0].by),
            ("explicitDeny", &vec![matched])
        );
        assert_eq!(
            (read[1].action.as_str(), read[1].by.len()),
            ("s3:GetObject", 0)
        );
    }
}
