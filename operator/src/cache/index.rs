//! Objects by the resource that they belong to, so that a reconcile finds its own without looking at all of them.

use super::merge::{Change, Key};
use kube::Resource;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// A resource of ours, as labels name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// SpladeTraining.
    Training,
    /// SpladeBenchmark.
    Benchmark,
}

/// Whose an object is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Belongs {
    /// To a resource of which kind.
    pub kind: Kind,
    /// To which one.
    pub key: Key,
}

/// Reads from an object whose it is; None where it is nobody's that we know.
type Owner<K> = fn(&K) -> Option<Belongs>;

#[derive(Debug)]
struct State<K> {
    by_owner: HashMap<Belongs, HashMap<String, Arc<K>>>,
    owners: HashMap<Key, Belongs>,
}

/// Objects of one kind. Clones share their content.
#[derive(Debug)]
pub struct Index<K> {
    owner: Owner<K>,
    state: Arc<RwLock<State<K>>>,
    /// Told whenever something has changed.
    changed: watch::Sender<()>,
}

impl<K> Clone for Index<K> {
    fn clone(&self) -> Self {
        Self {
            owner: self.owner,
            state: Arc::clone(&self.state),
            changed: self.changed.clone(),
        }
    }
}

impl<K: Resource> Index<K> {
    pub(super) fn new(owner: Owner<K>) -> Self {
        Self {
            owner,
            state: Arc::new(RwLock::new(State {
                by_owner: HashMap::new(),
                owners: HashMap::new(),
            })),
            changed: watch::Sender::new(()),
        }
    }

    /// Takes in a change; tells whose objects have changed.
    pub(super) fn take(&self, change: Change<K>) -> Vec<Belongs> {
        let touched = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            match change {
                Change::Synced(all) => all
                    .into_iter()
                    .filter_map(|object| self.put(&mut state, object))
                    .collect(),
                Change::Applied(object) => self.put(&mut state, object).into_iter().collect(),
                Change::Deleted(key) => state.remove(&key).into_iter().collect(),
            }
        };
        self.changed.send_replace(());
        touched
    }

    fn put(&self, state: &mut State<K>, object: K) -> Option<Belongs> {
        let key = Key::of(&object);
        let owner = (self.owner)(&object);
        let before = state.owners.get(&key);
        if before.is_some() && before != owner.as_ref() {
            state.remove(&key);
        }
        let owner = owner?;
        state.owners.insert(key.clone(), owner.clone());
        let objects = state.by_owner.entry(owner.clone()).or_default();
        objects.insert(key.name, Arc::new(object));
        Some(owner)
    }

    /// The objects of a resource, by name.
    pub fn of(&self, owner: &Belongs) -> Vec<Arc<K>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut objects: Vec<_> = state
            .by_owner
            .get(owner)
            .into_iter()
            .flat_map(|objects| objects.values().cloned())
            .collect();
        objects.sort_by(|one, other| one.meta().name.cmp(&other.meta().name));
        objects
    }

    /// All objects of resources of a kind that `wanted` finds something in.
    pub fn find<T>(&self, kind: Kind, wanted: impl Fn(&Key, &K) -> Option<T>) -> Vec<T> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let owners = state
            .by_owner
            .iter()
            .filter(|(owner, _)| owner.kind == kind);
        owners
            .flat_map(|(owner, objects)| objects.values().map(move |object| (owner, object)))
            .filter_map(|(owner, object)| wanted(&owner.key, object))
            .collect()
    }

    /// Waits until an object is here that was just created.
    pub async fn wait_for(&self, key: &Key) {
        let mut changed = self.changed.subscribe();
        let here = || {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            state.owners.contains_key(key)
        };
        while !here() && changed.changed().await.is_ok() {}
    }
}

impl<K> State<K> {
    fn remove(&mut self, key: &Key) -> Option<Belongs> {
        let owner = self.owners.remove(key)?;
        if let Some(objects) = self.by_owner.get_mut(&owner) {
            objects.remove(&key.name);
            if objects.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::owners::owner_by_labels;
    use crate::labels::{Component, of_attempt};
    use k8s_openapi::api::core::v1::Pod;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    fn pod(name: &str, component: Component, owner: &str) -> Pod {
        Pod {
            metadata: ObjectMeta {
                namespace: Some("ns".to_owned()),
                name: Some(name.to_owned()),
                labels: Some(of_attempt(component, owner, 1)),
                ..ObjectMeta::default()
            },
            ..Pod::default()
        }
    }

    fn owner(kind: Kind, name: &str) -> Belongs {
        let namespace = "ns".to_owned();
        let name = name.to_owned();
        Belongs {
            kind,
            key: Key { namespace, name },
        }
    }

    fn names(index: &Index<Pod>, owner: &Belongs) -> Vec<String> {
        index
            .of(owner)
            .iter()
            .filter_map(|pod| pod.metadata.name.clone())
            .collect()
    }

    #[test]
    fn objects_are_found_by_the_resource_that_they_belong_to() {
        let index = Index::new(owner_by_labels::<Pod>);
        let touched = index.take(Change::Synced(vec![
            pod("v33-a1-0", Component::Training, "v33"),
            pod("v33-export-1-0", Component::Export, "v33"),
            pod("v33-b1-0", Component::Benchmark, "v33"),
        ]));
        assert_eq!(touched.len(), 3);
        assert_eq!(
            names(&index, &owner(Kind::Training, "v33")),
            ["v33-a1-0", "v33-export-1-0"]
        );
        assert_eq!(names(&index, &owner(Kind::Benchmark, "v33")), ["v33-b1-0"]);
    }

    #[test]
    fn what_is_gone_is_told_to_its_owner_and_forgotten() {
        let index = Index::new(owner_by_labels::<Pod>);
        let gone = pod("v33-a1-0", Component::Training, "v33");
        index.take(Change::Applied(gone.clone()));
        assert_eq!(
            index.take(Change::Deleted(Key::of(&gone))),
            [owner(Kind::Training, "v33")]
        );
        assert_eq!(index.take(Change::Deleted(Key::of(&gone))), []);
        assert!(names(&index, &owner(Kind::Training, "v33")).is_empty());
    }

    #[tokio::test]
    async fn a_creation_is_waited_for() {
        let index = Index::new(owner_by_labels::<Pod>);
        let created = pod("v33-a1-0", Component::Training, "v33");
        let key = Key::of(&created);
        let arrives = async {
            tokio::task::yield_now().await;
            index.take(Change::Applied(created));
        };
        tokio::join!(index.wait_for(&key), arrives);
        assert_eq!(names(&index, &owner(Kind::Training, "v33")), ["v33-a1-0"]);
    }
}
