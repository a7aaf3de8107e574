//! Whether all workers of a database reach the same store.

use domain::StoreMarker;
use object_store::ObjectStoreExt as _;
use uuid::Uuid;

use crate::{Action, CheckpointError, CheckpointStore};

impl CheckpointStore {
    /// Leaves a new marker in the store, for a database that knows none yet. The caller offers it to the database, which
    /// keeps the first one that it is offered, and then [`verifies`](Self::verify) the one that was kept: two workers that
    /// start at once need no condition on the write, which not all object stores know.
    ///
    /// # Errors
    /// [`CheckpointError::Refused`] or [`CheckpointError::Away`].
    pub fn mark(&self, abandoned: &dyn Fn() -> bool) -> Result<StoreMarker, CheckpointError> {
        let marker = StoreMarker { id: Uuid::new_v4(), url: self.location.url.clone() };
        let relative = self.marker_key(&marker);
        let (key, content) = (self.location.key(&relative), format!("{}\n", marker.url));
        self.run(Action::Write, &self.location.uri(&relative), 0, abandoned, async {
            Ok(self.location.objects.put(&key, content.into()).await?)
        })?;
        Ok(marker)
    }

    /// Checks that this is the store that the database's workers use: the marker is in it, whatever URL leads there.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`] if it is not; [`CheckpointError::Refused`] or [`CheckpointError::Away`] where that
    /// cannot be told.
    pub fn verify(&self, marker: &StoreMarker, abandoned: &dyn Fn() -> bool) -> Result<(), CheckpointError> {
        let relative = self.marker_key(marker);
        let (key, uri) = (self.location.key(&relative), self.location.uri(&relative));
        // Of a bucket that does not exist, only the answer to a whole `get` tells.
        let found = self.run(Action::Read, &uri, 0, abandoned, async {
            Ok(self.location.objects.get(&key).await?.bytes().await?)
        });
        match found {
            Err(CheckpointError::Missing { .. }) => Err(CheckpointError::Foreign {
                url: self.location.url.clone(),
                marker: relative,
                first_url: marker.url.clone(),
            }),
            found => found.map(drop),
        }
    }

    /// The name of a marker says all; its content is for people.
    fn marker_key(&self, marker: &StoreMarker) -> String {
        format!("{}/.peng-store/{}", self.location.database, marker.id)
    }
}
