//! Ranks that compute together: rendezvous, collectives and messages.

use crate::bridge::ffi;
use crate::store::{Store, millis};
use crate::{NativeError, address, addresses, first_line, take};
use cxx::UniquePtr;
use std::cell::Cell;
use std::net::{ToSocketAddrs, UdpSocket};
use std::time::Duration;
use tch::Tensor;

/// What carries tensors from rank to rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// TCP, for tensors on CPU. Listens on the address that leads to the rendezvous, or on the interfaces that the
    /// environment variable `GLOO_SOCKET_IFNAME` lists.
    Gloo,
    /// NVIDIA's collectives, for tensors on one GPU a rank. Needs the cargo feature `cuda`.
    Nccl {
        /// Number of this rank's GPU on this machine; joining makes it the current one.
        device: usize,
    },
}

/// Where and as what a process joins: torchrun's `MASTER_ADDR`, `MASTER_PORT`, `RANK` and `WORLD_SIZE`.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    /// Host name or address of rank 0, as every rank reaches it.
    pub host: String,
    /// Port that rank 0 serves there.
    pub port: u16,
    /// Number of this process, from 0.
    pub rank: usize,
    /// How many processes join.
    pub world_size: usize,
    /// How long joining may take, and each collective after it.
    pub timeout: Duration,
}

/// The ranks of a job, as one of them sees them.
///
/// Every rank must call the same operations in the same order with tensors of the same shape and type. On CUDA an
/// operation is only queued: nothing here waits for the device. Errors name the rank and the operation; after one the
/// ranks are out of step, and all that is left is to end. On CUDA a collective that exceeds the timeout ends the
/// process, with the operation in libtorch's log.
///
/// Bound to its thread: two threads could not keep their operations in one order.
pub struct ProcessGroup {
    group: UniquePtr<ffi::ProcessGroup>,
    store: Store,
    rank: usize,
    world_size: usize,
    reducers: Cell<usize>,
}

impl ProcessGroup {
    /// Meets the other ranks and connects to them. Rank 0 serves the port of the rendezvous.
    ///
    /// # Errors
    /// Ranks that did not come in time (the message names them), a rank that is taken or expects another number of
    /// ranks, a port in use, no connection between ranks, NCCL without CUDA.
    pub fn join(rendezvous: &Rendezvous, backend: Backend) -> Result<Self, NativeError> {
        let (rank, world_size) = rendezvous.numbers()?;
        if matches!(backend, Backend::Nccl { .. }) && !cfg!(feature = "cuda") {
            return Err(rendezvous.error(
                "cannot join over NCCL",
                "this build has no CUDA; build with `make build TORCH=cuda`",
            ));
        }
        let store = Store::meet(rendezvous)?;
        let timeout = millis(rendezvous.timeout);
        let group = match backend {
            Backend::Gloo => {
                let local_address = gloo_address(rendezvous)?;
                ffi::join_gloo(
                    store.connection(),
                    rank,
                    world_size,
                    timeout,
                    &local_address,
                )
            }
            Backend::Nccl { device } => {
                let device = i8::try_from(device)
                    .map_err(|_| rendezvous.error("cannot join over NCCL", "no such device"))?;
                ffi::join_nccl(store.connection(), rank, world_size, timeout, device)
            }
        };
        let group = group.map_err(|cause| {
            let what = format!("connecting to the other ranks by {backend:?} failed");
            rendezvous.error(&what, first_line(&cause))
        })?;
        Ok(Self {
            group,
            store,
            rank: rendezvous.rank,
            world_size: rendezvous.world_size,
            reducers: Cell::new(0),
        })
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many processes there are.
    pub fn world_size(&self) -> usize {
        self.world_size
    }

    /// Replaces `tensor`, in place, by its sum over the ranks. `what` names it in errors.
    ///
    /// # Errors
    /// A tensor on another device or not contiguous; a rank that is gone or does not answer in time.
    pub fn all_reduce_sum(&self, what: &str, tensor: &mut Tensor) -> Result<(), NativeError> {
        // SAFETY: the tensor is borrowed mutably for the whole call.
        let done = unsafe { self.group.all_reduce_sum(what, address(tensor)) };
        done.map_err(NativeError::distributed)
    }

    /// Replaces the tensors, in place, by those of rank `root`. `what` names them in errors.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_reduce_sum`], or no such root.
    pub fn broadcast(
        &self,
        what: &str,
        tensors: &mut [Tensor],
        root: usize,
    ) -> Result<(), NativeError> {
        let Some(root) = i32::try_from(root).ok().filter(|_| root < self.world_size) else {
            let message = format!(
                "{}: broadcast of {what}: there is no rank {root}",
                self.me()
            );
            return Err(NativeError::Distributed(message));
        };
        // SAFETY: the tensors are borrowed mutably for the whole call.
        let done = unsafe { self.group.broadcast(what, &addresses(tensors), root) };
        done.map_err(NativeError::distributed)
    }

    /// The tensors of all ranks, one after another along the first dimension: `[world * rows, ...]`. Carries no
    /// gradient. `what` names them in errors.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_reduce_sum`], or a scalar.
    pub fn all_gather(&self, what: &str, tensor: &Tensor) -> Result<Tensor, NativeError> {
        // SAFETY: the tensor is borrowed for the whole call; the result is taken over exactly once.
        unsafe {
            let gathered = self.group.all_gather(what, address(tensor));
            Ok(take(gathered.map_err(NativeError::distributed)?))
        }
    }

    /// As [`ProcessGroup::all_gather`], and differentiable: each rank's loss may depend on all rows, so the gradient of
    /// `rows` is the sum over the ranks of the gradients of its place in the result. Backward then is a collective too:
    /// every rank must run it.
    ///
    /// # Errors
    /// As [`ProcessGroup::all_gather`]; a failure in backward comes back as the error of the backward call.
    pub fn gather_rows(&self, what: &str, rows: &Tensor) -> Result<Tensor, NativeError> {
        // SAFETY: the tensor is borrowed for the whole call; the result is taken over exactly once.
        unsafe {
            let gathered = self.group.gather_rows(what, address(rows));
            Ok(take(gathered.map_err(NativeError::distributed)?))
        }
    }

    /// Returns when every rank has called it. `name` is for errors. On CUDA it also waits for this rank's device.
    ///
    /// # Errors
    /// A rank that is gone or does not come in time.
    pub fn barrier(&self, name: &str) -> Result<(), NativeError> {
        self.group.barrier(name).map_err(NativeError::distributed)
    }

    /// Tells every rank that `event` has happened. No rank waits for it here. It stays told.
    ///
    /// # Errors
    /// Rank 0 is gone.
    pub fn announce(&self, event: &str) -> Result<(), NativeError> {
        self.store.set(&announcement(event), "")
    }

    /// Waits until some rank has announced `event`, with a time limit of its own.
    ///
    /// # Errors
    /// Nobody announced it in time, or rank 0 is gone.
    pub fn wait_for(&self, event: &str, timeout: Duration) -> Result<(), NativeError> {
        self.store.wait(&announcement(event), timeout)
    }

    pub(crate) fn me(&self) -> String {
        me(self.rank, self.world_size)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn native(&self) -> &ffi::ProcessGroup {
        &self.group
    }

    /// How many reducers this group had before; ranks make theirs in the same order.
    pub(crate) fn count_reducer(&self) -> usize {
        self.reducers.replace(self.reducers.get() + 1)
    }
}

impl std::fmt::Debug for ProcessGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessGroup")
            .field("rank", &self.rank)
            .field("world_size", &self.world_size)
            .finish_non_exhaustive()
    }
}

/// How a rank is named in errors.
fn me(rank: usize, world_size: usize) -> String {
    format!("rank {rank} of {world_size}")
}

impl Rendezvous {
    pub(crate) fn me(&self) -> String {
        me(self.rank, self.world_size)
    }

    fn error(&self, what: &str, cause: &str) -> NativeError {
        NativeError::Distributed(format!("{}: {what}: {cause}", self.me()))
    }

    /// Rank and number of ranks, as libtorch wants them.
    fn numbers(&self) -> Result<(i32, i32), NativeError> {
        match (i32::try_from(self.rank), i32::try_from(self.world_size)) {
            (Ok(rank), Ok(world_size)) if rank < world_size => Ok((rank, world_size)),
            _ => Err(self.error("cannot join", "ranks are counted from 0")),
        }
    }
}

fn announcement(event: &str) -> String {
    format!("announced/{event}")
}

/// The address of this machine that leads to the rendezvous, which the other ranks can reach. Empty where the
/// environment names the interfaces.
fn gloo_address(rendezvous: &Rendezvous) -> Result<String, NativeError> {
    if std::env::var_os("GLOO_SOCKET_IFNAME").is_some_and(|names| !names.is_empty()) {
        return Ok(String::new());
    }
    let route = || -> std::io::Result<String> {
        let mut last = std::io::Error::other("the name has no address");
        for target in (rendezvous.host.as_str(), rendezvous.port).to_socket_addrs()? {
            let unspecified = if target.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            // Connecting a datagram socket sends nothing; it only chooses the route.
            let routed = UdpSocket::bind(unspecified).and_then(|socket| {
                socket.connect(target)?;
                socket.local_addr()
            });
            match routed {
                Ok(local) => return Ok(local.ip().to_string()),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    route().map_err(|error| {
        let what = format!("there is no route to {}", rendezvous.host);
        rendezvous.error(&what, &error.to_string())
    })
}

impl NativeError {
    /// The C++ side has already named the rank and the operation.
    pub(crate) fn distributed(exception: cxx::Exception) -> Self {
        Self::Distributed(first_line(&exception).to_owned())
    }
}
