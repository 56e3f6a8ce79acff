//! Wakes machines that are off: a frame with sixteen times the address of their card, which the card itself understands.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, Result};

use crate::types::{HostNet, Mac};

/// The discard service, as everybody sends it there; no card looks at the port.
const PORT: u16 = 9;

/// Sends it to all of these cards, in the network of this address of the machine.
///
/// # Errors
/// When no card of the machine has the address, or nothing can be sent.
pub fn wake(network: HostNet, macs: &[Mac]) -> Result<()> {
    let from = network.address;
    let cannot = || format!("cannot send from {from}; is the machine up in the cluster's network? see: ip address");
    // Bound to it, so that the frame has the sender that it would have in that network.
    let socket = UdpSocket::bind((from, 0)).with_context(cannot)?;
    socket.set_broadcast(true).with_context(cannot)?;
    send(&socket, network.broadcast(), macs).with_context(cannot)
}

fn send(socket: &UdpSocket, to: Ipv4Addr, macs: &[Mac]) -> std::io::Result<()> {
    macs.iter().try_for_each(|mac| socket.send_to(&frame(*mac), (to, PORT)).map(drop))
}

fn frame(mac: Mac) -> Vec<u8> {
    [&[0xff; 6][..], &mac.bytes().repeat(16)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_called_sixteen_times() {
        let frame = frame("52:54:00:12:34:56".parse().unwrap());
        assert_eq!((frame.len(), &frame[..6]), (102, &[0xff; 6][..]));
        assert!(frame[6..].chunks(6).all(|part| part == [0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    }

    #[test]
    fn an_address_that_is_not_here_is_told() {
        let error = format!("{:#}", wake("192.0.2.1/24".parse().unwrap(), &[]).unwrap_err());
        assert!(error.contains("cannot send from 192.0.2.1"), "{error}");
    }
}
