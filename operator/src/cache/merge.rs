//! From the watches of several namespaces to one series of changes.
//!
//! A watch that is begun anew lists everything again. What it does not list any more has been deleted meanwhile: it is
//! told here, object by object, so that nobody behind has to compare lists.

use kube::Resource;
use kube::runtime::reflector::{Lookup, ObjectRef};
use kube::runtime::watcher::Event;
use std::collections::{HashMap, HashSet};

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The key of an object.
    pub fn of(object: &impl Resource) -> Self {
        let metadata = object.meta();
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }

    /// The same as a reference to an object of a kind.
    pub fn reference<K: Lookup<DynamicType = ()>>(&self) -> ObjectRef<K> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

/// What has changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<K> {
    /// All objects are known for the first time.
    Synced(Vec<K>),
    /// An object is new or has changed.
    Applied(K),
    /// An object is gone.
    Deleted(Key),
}

/// What one watch has told.
#[derive(Debug)]
struct Source {
    known: HashSet<Key>,
    /// What it lists since it was begun anew.
    listing: Option<HashSet<Key>>,
    is_synced: bool,
}

/// Watches that are told as one.
#[derive(Debug)]
pub(super) struct Merge<K> {
    sources: Vec<Source>,
    /// What is known until every watch has listed all it has.
    early: Option<HashMap<Key, K>>,
}

impl<K: Resource> Merge<K> {
    pub(super) fn new(sources: usize) -> Self {
        let source = || Source {
            known: HashSet::new(),
            listing: None,
            is_synced: false,
        };
        Self {
            sources: (0..sources).map(|_| source()).collect(),
            early: Some(HashMap::new()),
        }
    }

    /// Takes in an event of one of the watches.
    pub(super) fn take(&mut self, source: usize, event: Event<K>) -> Vec<Change<K>> {
        let Some(source) = self.sources.get_mut(source) else {
            return Vec::new();
        };
        let changes = match event {
            Event::Init => {
                source.listing = Some(HashSet::new());
                Vec::new()
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let key = Key::of(&object);
                if let Some(listing) = &mut source.listing {
                    listing.insert(key.clone());
                }
                source.known.insert(key);
                vec![Change::Applied(object)]
            }
            Event::Delete(object) => {
                let key = Key::of(&object);
                source.known.remove(&key);
                vec![Change::Deleted(key)]
            }
            Event::InitDone => {
                source.is_synced = true;
                let listed = source.listing.take().unwrap_or_default();
                let gone: Vec<Key> = source.known.difference(&listed).cloned().collect();
                source.known = listed;
                gone.into_iter().map(Change::Deleted).collect()
            }
        };
        self.hold_back(changes)
    }

    /// Until everything is known nothing is told.
    fn hold_back(&mut self, changes: Vec<Change<K>>) -> Vec<Change<K>> {
        let Some(early) = &mut self.early else {
            return changes;
        };
        for change in changes {
            match change {
                Change::Applied(object) => {
                    early.insert(Key::of(&object), object);
                }
                Change::Deleted(key) => {
                    early.remove(&key);
                }
                Change::Synced(_) => {}
            }
        }
        if !self.sources.iter().all(|source| source.is_synced) {
            return Vec::new();
        }
        let all = self.early.take().unwrap_or_default();
        vec![Change::Synced(all.into_values().collect())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    fn pod(namespace: &str, name: &str) -> Pod {
        Pod {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..Pod::default()
        }
    }

    fn list(merge: &mut Merge<Pod>, source: usize, pods: &[Pod]) -> Vec<Change<Pod>> {
        let mut told = merge.take(source, Event::Init);
        for pod in pods {
            told.extend(merge.take(source, Event::InitApply(pod.clone())));
        }
        told.extend(merge.take(source, Event::InitDone));
        told
    }

    #[test]
    fn nothing_is_told_before_every_watch_has_listed() {
        let mut merge = Merge::new(2);
        let (one, two) = (pod("a", "one"), pod("b", "two"));
        assert_eq!(list(&mut merge, 0, std::slice::from_ref(&one)), []);
        assert_eq!(merge.take(0, Event::Apply(pod("a", "late"))), []);
        assert_eq!(merge.take(0, Event::Delete(pod("a", "late"))), []);
        let told = list(&mut merge, 1, std::slice::from_ref(&two));
        let [Change::Synced(all)] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!(all.len(), 2);
        assert!(all.contains(&one) && all.contains(&two));
    }

    #[test]
    fn what_a_new_list_lacks_is_deleted() {
        let mut merge = Merge::new(1);
        list(&mut merge, 0, &[pod("a", "stays"), pod("a", "goes")]);
        let told = list(&mut merge, 0, &[pod("a", "stays")]);
        let gone = Key::of(&pod("a", "goes"));
        assert_eq!(
            told,
            [Change::Applied(pod("a", "stays")), Change::Deleted(gone)]
        );
        assert_eq!(
            list(&mut merge, 0, &[pod("a", "stays")]),
            [Change::Applied(pod("a", "stays"))]
        );
    }

    #[test]
    fn a_watch_that_fails_in_its_first_list_tells_no_ghosts() {
        let mut merge = Merge::new(1);
        merge.take(0, Event::Init);
        merge.take(0, Event::InitApply(pod("a", "ghost")));
        let told = list(&mut merge, 0, &[pod("a", "real")]);
        assert_eq!(told, [Change::Synced(vec![pod("a", "real")])]);
    }
}
