//! Making, changing and removing buckets.

use std::sync::Arc;

use kiln_types::{AccountId, Bucket, BucketId, BucketName, Notifications, Timestamp};
use rusqlite::{Connection, params};

use super::content::ContentId;
use super::tell::Told;
use super::{BUCKETS_MAX, ObjectError, Objects, rows, upload};
use crate::document;
use crate::error::{Doing, Error};
use crate::queue::Delivery;

/// Objects that are erased in one transaction.
const ERASED_MAX: i64 = 512;

/// All there are.
pub(super) fn all(from: &Connection) -> rusqlite::Result<Vec<Bucket>> {
    let read = |document: String| {
        serde_json::from_str(&document).map_err(|error| {
            let text = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(0, text, Box::new(error))
        })
    };
    document::all(from, "bucket")?
        .into_iter()
        .map(read)
        .collect()
}

impl Objects {
    /// A bucket as of the last change that was made durable. From memory.
    pub fn bucket(&self, name: &BucketName) -> Option<Arc<Bucket>> {
        let buckets = self.buckets.read().expect("no holder panics");
        buckets.get(name).cloned()
    }

    /// An account's buckets, by name. From memory.
    pub fn buckets(&self, account: &AccountId) -> Vec<Arc<Bucket>> {
        let buckets = self.buckets.read().expect("no holder panics");
        let own = buckets.values().filter(|bucket| bucket.account == *account);
        let mut own: Vec<Arc<Bucket>> = own.cloned().collect();
        own.sort_by(|a, b| a.name.cmp(&b.name));
        own
    }

    /// Everybody who has buckets. From memory.
    pub(crate) fn owners(&self) -> Vec<AccountId> {
        let buckets = self.buckets.read().expect("no holder panics");
        buckets
            .values()
            .map(|bucket| bucket.account.clone())
            .collect()
    }

    /// Makes a bucket.
    pub async fn create_bucket(&self, bucket: Bucket) -> Result<(), ObjectError> {
        if self.buckets(&bucket.account).len() >= BUCKETS_MAX {
            return Err(ObjectError::TooManyBuckets);
        }
        let quotas = self.quotas.clone();
        let work = move |to: &Connection| {
            if let Some((_, present)) = rows::bucket_named(to, &bucket.name)? {
                return Err(ObjectError::BucketExists {
                    name: present.name,
                    owner: present.account,
                });
            }
            if quotas.has_all_buckets(to, &bucket.account)? {
                return Err(ObjectError::TooManyBuckets);
            }
            let document = encode(&bucket)?;
            to.prepare_cached("INSERT INTO bucket (name, document) VALUES (?1, ?2)")
                .and_then(|mut insert| insert.execute(params![bucket.name.as_str(), document]))
                .doing("make bucket")?;
            Ok(bucket)
        };
        let objects = self.clone();
        let publish = move |bucket: &Bucket| objects.show(bucket.clone());
        let database = self.queue.database();
        database
            .write_then("make bucket", work, publish)
            .await
            .map(|_| ())
    }

    /// Forgets a bucket that has no objects, and what is being uploaded to it.
    pub async fn remove_bucket(&self, bucket: &BucketId) -> Result<(), ObjectError> {
        let id = bucket.clone();
        let work = move |to: &Connection| {
            let (number, bucket) = rows::bucket(to, &id)?;
            let is_used = to
                .prepare_cached("SELECT 1 FROM object WHERE bucket = ?1 LIMIT 1")
                .and_then(|mut select| select.exists([number]))
                .doing("remove bucket")?;
            if is_used {
                return Err(ObjectError::NotEmpty(id.name));
            }
            let doomed = upload::remove_all(to, number)?;
            to.prepare_cached("DELETE FROM bucket WHERE id = ?1")
                .and_then(|mut delete| delete.execute([number]))
                .doing("remove bucket")?;
            Ok((bucket.name, doomed))
        };
        let buckets = self.buckets.clone();
        let publish = move |(name, _): &(BucketName, Vec<ContentId>)| {
            buckets.write().expect("no holder panics").remove(name);
        };
        let database = self.queue.database();
        let (_, doomed) = database.write_then("remove bucket", work, publish).await?;
        self.drop_contents(doomed).await;
        Ok(())
    }

    /// Lets `change` alter a bucket's settings, keeps the result, and returns what `change` tells.
    pub async fn update_bucket<T: Send + 'static>(
        &self,
        bucket: &BucketId,
        change: impl FnOnce(&mut Bucket) -> T + Send + 'static,
    ) -> Result<T, ObjectError> {
        let id = bucket.clone();
        let work = move |to: &Connection| {
            let (number, mut bucket) = rows::bucket(to, &id)?;
            let told = change(&mut bucket);
            update(to, number, &bucket)?;
            Ok::<_, ObjectError>((bucket, told))
        };
        let objects = self.clone();
        let publish = move |(bucket, _): &(Bucket, T)| objects.show(bucket.clone());
        let database = self.queue.database();
        database
            .write_then("change bucket", work, publish)
            .await
            .map(|(_, told)| told)
    }

    /// Sets who is told of what happens to a bucket's objects, and tells them something at once: all of it, or none.
    ///
    /// # Errors
    /// [`ObjectError::Refused`] when a message queue does not take what it is told.
    pub async fn set_notifications(
        &self,
        bucket: &BucketId,
        notifications: Notifications,
        first: Vec<Delivery>,
        now: Timestamp,
    ) -> Result<(), ObjectError> {
        let (id, objects) = (bucket.clone(), self.clone());
        let work = move |to: &Connection| {
            let (number, mut bucket) = rows::bucket(to, &id)?;
            bucket.notifications = notifications;
            update(to, number, &bucket)?;
            let mut told = Told::default();
            for delivery in &first {
                told.deliver(to, objects.queue.messages(), delivery, now)?;
            }
            told.count(to)?;
            Ok::<_, ObjectError>((bucket, told))
        };
        let objects = self.clone();
        let publish = move |(bucket, told): &(Bucket, Told)| {
            objects.show(bucket.clone());
            told.publish(&objects);
        };
        let database = self.queue.database();
        let set = database.write_then("set notifications", work, publish);
        set.await.map(|_| ())
    }

    /// Removes the buckets of an account that is erased, with all that is in them. Nobody is told.
    pub(crate) async fn erase(&self, account: &AccountId) -> Result<(), Error> {
        for bucket in self.buckets(account) {
            loop {
                let name = bucket.name.clone();
                let work = move |to: &Connection| erase_part(to, &name);
                let (buckets, name) = (self.buckets.clone(), bucket.name.clone());
                let publish = move |(_, is_all): &(Vec<ContentId>, bool)| {
                    if *is_all {
                        buckets.write().expect("no holder panics").remove(&name);
                    }
                };
                let database = self.queue.database();
                let erased = database.write_then::<_, Error>("erase bucket", work, publish);
                let (doomed, is_all) = erased.await?;
                self.drop_contents(doomed).await;
                if is_all {
                    break;
                }
            }
        }
        Ok(())
    }

    fn show(&self, bucket: Bucket) {
        let mut buckets = self.buckets.write().expect("no holder panics");
        buckets.insert(bucket.name.clone(), Arc::new(bucket));
    }
}

/// Removes some objects of a bucket, and the bucket when there are none; tells whether that is so.
fn erase_part(to: &Connection, name: &BucketName) -> Result<(Vec<ContentId>, bool), Error> {
    let Some((number, _)) = rows::bucket_named(to, name)? else {
        return Ok((Vec::new(), true));
    };
    let objects = rows::some(to, number, ERASED_MAX).doing("read objects")?;
    let mut doomed = Vec::new();
    for object in &objects {
        doomed.extend(rows::remove(to, number, object)?);
    }
    if !objects.is_empty() {
        return Ok((doomed, false));
    }
    doomed.extend(upload::remove_all(to, number)?);
    to.execute("DELETE FROM bucket WHERE id = ?1", [number])
        .doing("erase bucket")?;
    Ok((doomed, true))
}

fn update(to: &Connection, number: i64, bucket: &Bucket) -> Result<(), Error> {
    let document = encode(bucket)?;
    to.prepare_cached("UPDATE bucket SET document = ?2 WHERE id = ?1")
        .and_then(|mut update| update.execute(params![number, document]))
        .doing("change bucket")
        .map(|_| ())
}

fn encode(bucket: &Bucket) -> Result<String, Error> {
    document::encode(bucket, || format!("bucket {}", bucket.name))
}
