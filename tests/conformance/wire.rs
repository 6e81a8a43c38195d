//! `OP_MSG` on a socket.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bson::Document;

/// No reply takes this long, even on a busy machine.
const REPLY_DEADLINE: Duration = Duration::from_secs(60);

const OP_MSG: i32 = 2013;

/// Bytes of a message before its document: header, flags and the kind of the section.
const PREFIX_BYTES: usize = 16 + 4 + 1;

/// A connection that sends one command at a time.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(REPLY_DEADLINE)).unwrap();
        Self { stream }
    }

    /// Sends a command and returns the reply.
    pub fn run(&mut self, database: &str, command: &Document) -> Document {
        let mut command = command.clone();
        command.insert("$db", database);
        let document = command.to_vec().unwrap();
        let length = i32::try_from(PREFIX_BYTES + document.len()).unwrap();
        let mut message = Vec::new();
        // Length, request, the request it answers (none), opcode, flags.
        for number in [length, 1, 0, OP_MSG, 0] {
            message.extend_from_slice(&number.to_le_bytes());
        }
        // A section that is one document.
        message.push(0);
        message.extend_from_slice(&document);
        self.stream.write_all(&message).unwrap();

        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let rest = usize::try_from(i32::from_le_bytes(length)).unwrap() - length.len();
        let mut reply = vec![0; rest];
        self.stream.read_exact(&mut reply).unwrap();
        Document::from_reader(&reply[PREFIX_BYTES - length.len()..]).unwrap()
    }
}
