//! Items come in pieces before the array that they belong to: an upload is nothing but its items, and becomes part of the
//! array whose submission names their number and digest. One that nobody goes on with is removed.

use crate::{
    apply::{Outcome, job::check_kind, request, transaction::Transaction},
    array::UploadRecord,
    codec,
    command::{PutItems, Request},
    ids::JobId,
    ledger::Records,
    limits::{
        ARRAY_EXPIRY_RECORDS_MAX, ITEMS_PER_BLOCK, LIVE_BYTES_MAX, Limit, UPLOAD_IDLE_MAX, UPLOADS_MAX,
        UPLOADS_OF_ONE_MAX,
    },
    reply::{Refusal, Reply},
    spec::check::{SpecFault, len, no_nul, within},
    tables,
    units::{Bytes, Millis},
};

impl<R: Records> Transaction<'_, R> {
    /// Adds items where the upload ends. The same ones again are answered as before: only the latest can be repeated, for
    /// the next ones are sent after their answer.
    pub(crate) fn put_items(&mut self, put: &PutItems) -> Outcome {
        check(put)?;
        self.check_age(put.upload)?;
        let digest = request::digest("items", &codec::encode(&put.items));
        let upload = match self.hot().arrays.uploads().get(&put.upload) {
            Some(upload) => upload.clone(),
            None => self.fresh_upload(put)?,
        };
        if upload.principal != put.principal {
            return Err(Refusal::KeyConflicts { first: put.upload });
        }
        if upload.items > put.first && upload.latest == (put.first, digest) {
            return Ok(upload.reply());
        }
        if upload.expiring || upload.items != put.first {
            return Err(Refusal::UploadIsAt { items: upload.items });
        }
        let count = u32::try_from(put.items.len()).expect("bounded above");
        within(Limit::Tasks, u64::from(upload.items) + u64::from(count)).map_err(Refusal::SpecIsInvalid)?;
        let bytes: u64 = put.items.iter().map(|item| len(item.len())).sum();
        within(Limit::ItemsBytes, upload.bytes.0 + bytes).map_err(Refusal::SpecIsInvalid)?;
        if self.live_bytes().0 + bytes > LIVE_BYTES_MAX {
            return Err(Refusal::LedgerIsFull);
        }
        Ok(self.add_items(upload, put, digest))
    }

    /// The upload that an array is submitted with, which is whole.
    pub(crate) fn complete_upload(
        &self,
        request: &Request,
        count: u32,
        digest: &[u8; 16],
    ) -> Result<UploadRecord, Refusal> {
        let upload = self.hot().arrays.uploads().get(&request.id).ok_or(Refusal::UploadIsAt { items: 0 })?;
        if upload.principal != request.principal {
            return Err(Refusal::KeyConflicts { first: request.id });
        }
        if upload.expiring || upload.items != count || upload.digest != *digest {
            return Err(Refusal::UploadIsAt { items: upload.items });
        }
        Ok(upload.clone())
    }

    /// A submission that was answered as before leaves the items that came with it to nobody: they need not wait until
    /// they are idle.
    pub(crate) fn give_up_upload(&mut self, request: &Request) {
        let upload = self.hot().arrays.uploads().get(&request.id).cloned();
        if let Some(upload) = upload.filter(|upload| upload.principal == request.principal && !upload.expiring) {
            self.save_upload(UploadRecord { expiring: true, ..upload });
        }
    }

    pub(crate) fn expire_upload(&mut self, id: JobId) -> Outcome {
        let upload = self.hot().arrays.uploads().get(&id).cloned().ok_or(Refusal::ExpiryIsStale)?;
        if !upload.is_idle(self.now()) {
            return Err(Refusal::ExpiryIsStale);
        }
        let blocks = upload.items.div_ceil(ITEMS_PER_BLOCK);
        let most = u32::try_from(ARRAY_EXPIRY_RECORDS_MAX).expect("a small bound");
        let left = blocks.saturating_sub(most);
        (left..blocks).for_each(|block| self.delete(tables::items(id, block)));
        if left > 0 {
            self.save_upload(UploadRecord { items: left * ITEMS_PER_BLOCK, expiring: true, ..upload });
        } else {
            self.meta().live_bytes.0 -= upload.bytes.0;
            self.delete(tables::upload(id));
            self.hot_mut().arrays.remove_upload(id);
        }
        Ok(Reply::Expired { records: blocks - left })
    }

    fn fresh_upload(&self, put: &PutItems) -> Result<UploadRecord, Refusal> {
        // What was submitted with these items is an array by now.
        if self.exists(&tables::request(put.upload)) {
            return Err(Refusal::KeyConflicts { first: put.upload });
        }
        let uploads = self.hot().arrays.uploads();
        let own = uploads.values().filter(|upload| upload.principal == put.principal).count();
        if uploads.len() >= UPLOADS_MAX || own >= UPLOADS_OF_ONE_MAX {
            return Err(Refusal::UploadsAreExhausted);
        }
        Ok(UploadRecord {
            id: put.upload,
            principal: put.principal,
            items: 0,
            bytes: Bytes(0),
            item_bytes_max: 0,
            digest: [0; 16],
            latest: (0, [0; 16]),
            touched_at: self.now(),
            expiring: false,
        })
    }

    fn add_items(&mut self, mut upload: UploadRecord, put: &PutItems, digest: request::Digest) -> Reply {
        let width = usize::try_from(ITEMS_PER_BLOCK).expect("a block fits memory");
        let mut bytes = 0;
        for (block, items) in (put.first / ITEMS_PER_BLOCK..).zip(put.items.chunks(width)) {
            bytes += self.put(tables::items(put.upload, block), items).0;
        }
        self.meta().live_bytes.0 += bytes;
        let longest = put.items.iter().map(|item| len(item.len())).max().unwrap_or(0);
        let longest = u32::try_from(longest).expect("an item is bounded");
        upload.items += u32::try_from(put.items.len()).expect("bounded above");
        upload.bytes.0 += bytes;
        upload.item_bytes_max = upload.item_bytes_max.max(longest);
        upload.digest = request::digest("upload", &[upload.digest, digest].concat());
        upload.latest = (put.first, digest);
        upload.touched_at = self.now();
        let reply = upload.reply();
        self.save_upload(upload);
        reply
    }

    fn save_upload(&mut self, upload: UploadRecord) {
        self.put(tables::upload(upload.id), &upload);
        self.hot_mut().arrays.put_upload(upload);
    }
}

impl UploadRecord {
    /// Whether it is to be removed.
    pub(crate) fn is_idle(&self, now: Millis) -> bool {
        self.expiring || self.touched_at.after(UPLOAD_IDLE_MAX) < now
    }

    const fn reply(&self) -> Reply {
        Reply::ItemsPut { items: self.items, digest: self.digest }
    }
}

/// Everything about items that needs no state.
pub(crate) fn check(put: &PutItems) -> Result<(), Refusal> {
    check_kind(put.upload.is_array())?;
    check_items(put).map_err(Refusal::SpecIsInvalid)
}

fn check_items(put: &PutItems) -> Result<(), SpecFault> {
    if put.items.is_empty() || !put.first.is_multiple_of(ITEMS_PER_BLOCK) {
        return Err(SpecFault::TasksAreEmpty);
    }
    within(Limit::ItemsAtOnce, len(put.items.len()))?;
    within(Limit::ItemsAtOnceBytes, put.items.iter().map(|item| len(item.len())).sum())?;
    put.items.iter().try_for_each(|item| {
        within(Limit::ItemBytes, len(item.len()))?;
        no_nul(item)
    })
}
