//! The proxy: takes in a request, asks the server, and hands on the answer, or what the plan makes of it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use socket2::SockRef;

use crate::answer;
use crate::plan::{Fault, Injected, Plan, Requests, Times};

/// Little enough that a body nobody reads does not vanish into buffers.
const RECEIVE_BUFFER: usize = 64 << 10;

/// A proxy in front of one server. It ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    plan: Arc<Plan>,
    is_over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy on a free port of the loopback interface.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        SockRef::from(&listener)
            .set_recv_buffer_size(RECEIVE_BUFFER)
            .expect("a buffer can be small");
        let address = listener.local_addr().expect("a bound port is known");
        let plan = Arc::new(Plan::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = {
            let (plan, is_over) = (plan.clone(), is_over.clone());
            std::thread::spawn(move || listen(&listener, server, &plan, &is_over))
        };
        Self {
            address,
            plan,
            is_over,
            listener: Some(thread),
        }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Plans a fault. Where several fit a request, the one planned first happens.
    pub fn inject(&self, requests: Requests, fault: Fault, times: Times) -> Injected {
        self.plan.add(requests, fault, times)
    }

    /// How many such requests have come.
    pub fn seen(&self, requests: &Requests) -> usize {
        self.plan.seen(requests)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn listen(listener: &TcpListener, server: SocketAddr, plan: &Arc<Plan>, is_over: &Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let (plan, is_over) = (plan.clone(), is_over.clone());
        // A client that leaves in the middle is part of the game.
        std::thread::spawn(move || answer::answer(client, server, &plan, &is_over));
    }
}
