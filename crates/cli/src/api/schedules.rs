//! Calls about schedules: EventBridge Scheduler's.

use anyhow::Result;
use http::Method;
use serde_json::Value;

use super::{Call, Client, Service, encode};

impl Client {
    /// Schedules, all pages.
    pub(crate) async fn schedules(&self, group: Option<&str>) -> Result<Vec<Value>> {
        let (mut schedules, mut next) = (Vec::new(), None::<String>);
        loop {
            let mut query = Vec::new();
            query.extend(group.map(|group| format!("ScheduleGroup={}", encode(group))));
            query.extend(next.map(|next| format!("NextToken={}", encode(&next))));
            let path = format!("/schedules?{}", query.join("&"));
            let call = Call::new("ListSchedules", Service::Scheduler, Method::GET, path);
            let page = self.send(call).await?.json()?;
            schedules.extend(page["Schedules"].as_array().into_iter().flatten().cloned());
            next = page["NextToken"].as_str().map(str::to_owned);
            if next.is_none() {
                return Ok(schedules);
            }
        }
    }

    /// One schedule.
    pub(crate) async fn schedule(&self, group: &str, name: &str) -> Result<Value> {
        let call = named("GetSchedule", Method::GET, group, name);
        self.send(call).await?.json()
    }

    /// Makes a schedule.
    pub(crate) async fn create_schedule(&self, name: &str, document: &Value) -> Result<()> {
        let path = format!("/schedules/{}", encode(name));
        let call = Call::new("CreateSchedule", Service::Scheduler, Method::POST, path);
        self.send(call.json(document)).await.map(|_| ())
    }

    /// Makes a schedule what the document says.
    pub(crate) async fn update_schedule(&self, name: &str, document: &Value) -> Result<()> {
        let path = format!("/schedules/{}", encode(name));
        let call = Call::new("UpdateSchedule", Service::Scheduler, Method::PUT, path);
        self.send(call.json(document)).await.map(|_| ())
    }

    /// Deletes a schedule.
    pub(crate) async fn delete_schedule(&self, group: &str, name: &str) -> Result<()> {
        let call = named("DeleteSchedule", Method::DELETE, group, name);
        self.send(call).await.map(|_| ())
    }
}

fn named(operation: &'static str, method: Method, group: &str, name: &str) -> Call {
    let path = format!("/schedules/{}?groupName={}", encode(name), encode(group));
    Call::new(operation, Service::Scheduler, method, path)
}
