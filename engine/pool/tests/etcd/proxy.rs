//! Between a node and etcd: loses requests and answers, keeps requests to deliver them later, or is not there.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    RequestLost,
    AnswerLost,
    /// Until [`Proxy::deliver`].
    RequestKept,
}

#[derive(Default)]
struct State {
    fates: VecDeque<Fate>,
    /// Of requests for which there is no other.
    otherwise: Option<Fate>,
    kept: Vec<Vec<u8>>,
    requests: usize,
}

#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    target: u16,
    state: Arc<Mutex<State>>,
}

/// A whole HTTP request; None: the connection is over.
fn request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 65536]);
    loop {
        if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.split("content-length:").nth(1).map_or(0, |rest| rest.lines().next().unwrap().trim().parse().unwrap());
            if bytes.len() >= head + 4 + length {
                // One request to a connection: so its answer ends with it.
                let first = bytes.windows(2).position(|window| window == b"\r\n").unwrap() + 2;
                bytes.splice(first..first, *b"Connection: close\r\n");
                return Some(bytes);
            }
        }
        match client.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

impl Proxy {
    pub fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), target, state: Arc::default() };
        let serving = proxy.clone();
        // It ends with the process: nobody connects any more by then.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(client));
            }
        });
        proxy
    }

    fn serve(&self, mut client: TcpStream) {
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let Some(request) = request(&mut client) else { return };
        let fate = {
            let mut state = self.state.lock().unwrap();
            state.requests += 1;
            state.fates.pop_front().or(state.otherwise).unwrap_or(Fate::Delivered)
        };
        match fate {
            Fate::RequestLost => {}
            Fate::RequestKept => self.state.lock().unwrap().kept.push(request),
            Fate::Delivered => drop(client.write_all(&self.exchange(&request))),
            Fate::AnswerLost => drop(self.exchange(&request)),
        }
        let _ = client.shutdown(Shutdown::Both);
    }

    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        if let Ok(mut server) = TcpStream::connect(("127.0.0.1", self.target)) {
            let _ = server.write_all(request).and_then(|()| server.read_to_end(&mut answer));
        }
        answer
    }

    /// Fates of the next requests, one each; what was set before is forgotten.
    pub fn decide(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state.lock().unwrap().fates = fates.into_iter().collect();
    }

    /// Fate of all requests from now on.
    pub fn decide_all(&self, fate: Fate) {
        let mut state = self.state.lock().unwrap();
        state.fates.clear();
        state.otherwise = Some(fate);
    }

    /// Requests that came so far.
    pub fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    /// Delivers what was kept; the answers.
    pub fn deliver(&self) -> Vec<String> {
        let kept = std::mem::take(&mut self.state.lock().unwrap().kept);
        kept.iter().map(|request| String::from_utf8_lossy(&self.exchange(request)).into_owned()).collect()
    }
}
