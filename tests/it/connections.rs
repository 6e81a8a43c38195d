//! Goal: a pipeline runs while a thousand other clients hold connections.
//! Method: a thousand connections to the broker and as many to the store send one request and stay
//! open. convoy's pipeline runs meanwhile. Then each connection gets a response again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mongodb::bson::doc;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::serving::Up;
use crate::up::simulate_against;

const CONNECTIONS: usize = 1_000;

/// Sockets of this test, and the other open files of the process.
const OPEN_FILES: u64 = 4_096;

/// A response takes a hundredth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn pipeline_runs_while_a_thousand_connections_are_open() {
    raise_limit_on_open_files();
    let up = Up::alone("--anonymous");
    let hello = hello();
    let mut held: Vec<(TcpStream, &[u8], usize)> = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push((connect(up.address("BOOTSTRAP_SERVER")), API_VERSIONS, 0));
        held.push((connect(up.address("MONGO_DB_URL")), &hello, 4));
    }
    exchange(&mut held);
    simulate_against(&up, "confluent");
    exchange(&mut held);
    drop(held);
    assert_eq!(up.stop().0, Some(0));
}

/// Sends every request, then reads every response.
fn exchange(held: &mut [(TcpStream, &[u8], usize)]) {
    for (stream, request, _) in &mut *held {
        stream.write_all(request).unwrap();
    }
    for (number, (stream, _, counted)) in held.iter_mut().enumerate() {
        let mut length = [0; 4];
        let read = stream.read_exact(&mut length);
        read.unwrap_or_else(|error| panic!("connection {number}: {error}"));
        // MongoDB's lengths are little-endian and count themselves.
        let length = if *counted == 0 {
            u32::from_be_bytes(length)
        } else {
            u32::from_le_bytes(length) - 4
        };
        let mut response = vec![0; length as usize];
        stream.read_exact(&mut response).unwrap();
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// `ApiVersions`, version 0: length, API, version, correlation id, no client id.
const API_VERSIONS: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];

/// `hello` as a message of MongoDB.
fn hello() -> Vec<u8> {
    let command = doc! { "hello": 1, "$db": "admin" };
    let command = bson::serialize_to_vec(&command).unwrap();
    let length = i32::try_from(16 + 5 + command.len()).unwrap();
    let mut message = Vec::new();
    for number in [length, 1, 0, 2013, 0] {
        message.extend(number.to_le_bytes());
    }
    message.push(0);
    message.extend(command);
    message
}

/// The limit is inherited by the servers, which raise it themselves where they may.
fn raise_limit_on_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: Some(OPEN_FILES.max(limit.current.unwrap_or(u64::MAX))),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .unwrap_or_else(|error| panic!("{OPEN_FILES} open files are needed: {error}"));
}
