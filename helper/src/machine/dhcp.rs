//! Whether somebody gives out addresses on a network: one question, as a machine asks that has none.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use crate::types::{HostNet, Mac};

/// What a DHCP server listens on, and what it answers to (RFC 2131, 4.1).
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// How long an answer may take. dnsmasq first looks for three seconds whether somebody has the address.
const PATIENCE: Duration = Duration::from_secs(5);
/// By it an answer to us is told from one to somebody else.
const NUMBER: [u8; 4] = *b"void";
/// What makes a message of BOOTP one of DHCP.
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// What became of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// This server would give out an address.
    Answered(Ipv4Addr),
    /// Nobody answered.
    Silent,
    /// It was not asked: why.
    Not(String),
}

/// Asks once in the subnet of an interface with this MAC. Nothing is taken: an offer that nobody accepts lapses.
#[must_use]
pub fn ask(net: HostNet, mac: Mac) -> Asked {
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT);
    // The broadcast address of the subnet, not of all: that leaves by the interface of the subnet, and by no other.
    asked(from, SocketAddrV4::new(net.broadcast(), SERVER), mac, PATIENCE)
}

fn asked(from: SocketAddrV4, to: SocketAddrV4, mac: Mac, patience: Duration) -> Asked {
    let answer = UdpSocket::bind(from).and_then(|socket| {
        socket.set_broadcast(true)?;
        socket.send_to(&question(mac), to)?;
        answer(&socket, mac, Instant::now() + patience)
    });
    match answer {
        Ok(Some(server)) => Asked::Answered(server),
        Ok(None) => Asked::Silent,
        Err(error) => Asked::Not(match error.kind() {
            ErrorKind::PermissionDenied => "only root may ask".to_owned(),
            ErrorKind::AddrInUse => "a DHCP client of this machine is at work".to_owned(),
            _ => error.to_string(),
        }),
    }
}

/// The first server that answers in time.
fn answer(socket: &UdpSocket, mac: Mac, end: Instant) -> std::io::Result<Option<Ipv4Addr>> {
    let mut message = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv_from(&mut message) {
            Ok((size, SocketAddr::V4(server))) if is_offer(&message[..size], mac) => return Ok(Some(*server.ip())),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// DHCPDISCOVER (RFC 2131, 2): the answer is to come as a broadcast, for we take no packet to an address that we lack.
fn question(mac: Mac) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[4..8].copy_from_slice(&NUMBER);
    message[10] = 0x80;
    message[28..34].copy_from_slice(&mac.octets());
    message.extend(COOKIE);
    message.extend([53, 1, 1, 255]);
    // The least that a relay of BOOTP must pass on.
    message.resize(300, 0);
    message
}

fn is_offer(message: &[u8], mac: Mac) -> bool {
    message.len() > 240
        && message[0] == 2
        && message[4..8] == NUMBER
        && message[28..34] == mac.octets()
        && message[236..240] == COOKIE
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: &str = "52:54:00:17:c7:e1";

    /// Asks somebody who answers with what is made of the question.
    fn answered(with: impl Fn(&mut Vec<u8>) + Send + 'static) -> Asked {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(to) = server.local_addr().unwrap() else { unreachable!() };
        let serving = std::thread::spawn(move || {
            let mut message = vec![0; 2048];
            let (size, client) = server.recv_from(&mut message).unwrap();
            message.truncate(size);
            assert_eq!(size, 300);
            with(&mut message);
            server.send_to(&message, client).unwrap();
        });
        let asked = asked(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), to, MAC.parse().unwrap(), Duration::from_millis(300));
        serving.join().unwrap();
        asked
    }

    #[test]
    fn only_an_answer_to_this_question_counts() {
        assert_eq!(answered(|message| message[0] = 2), Asked::Answered(Ipv4Addr::LOCALHOST));
        assert_eq!(answered(|_| ()), Asked::Silent, "a question of somebody");
        let of_another: fn(&mut Vec<u8>) = |message| {
            message[0] = 2;
            message[33] ^= 1;
        };
        assert_eq!(answered(of_another), Asked::Silent);
        assert_eq!(answered(|message| message.truncate(3)), Asked::Silent);
    }

    #[test]
    fn who_cannot_ask_says_why() {
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(from) = taken.local_addr().unwrap() else { unreachable!() };
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
        let asked = asked(from, to, MAC.parse().unwrap(), Duration::ZERO);
        assert_eq!(asked, Asked::Not("a DHCP client of this machine is at work".to_owned()));
    }
}
